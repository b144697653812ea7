"""A draw that was interrupted anywhere, of files split anywhere, gives what an uninterrupted draw of one file gives."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.samples import catalog
from tests.projects import SourceProject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample

SECTIONS = """
[sample]
salt = "s"
unit = "people"
rate = 0.4
min_per_stratum = 0
[tables.people]
key = ["id"]
references = { advised_by = "people.id" }
[tables.visits]
belongs_to = "people"
references = { person = "people.id", after = "visits.id", place = "places.id" }
[tables.places]
keep = "referenced"
"""
KEYS = st.one_of(st.none(), st.integers(0, 12))


class Interrupting(SilentProgress):
    """Progress that interrupts the draw at its n-th step forward."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        def advance(_: float) -> None:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt

        yield advance


def write(folder: Path, rows: dict[str, list[tuple[int | None, ...]]], files: int) -> None:
    names = {"people": ["id", "advised_by"], "visits": ["id", "person", "after", "place"], "places": ["id"]}
    for table, columns in names.items():
        (folder / table).mkdir(parents=True)
        for part in range(files):
            some = rows[table][part::files]
            arrays = [pa.array([row[index] for row in some], pa.int64()) for index in range(len(columns))]
            pq.write_table(pa.table(arrays, columns), folder / table / f"{part}.parquet")


def drawn(root: Path, *, interrupt: int = 0) -> tuple[Sample, SampleManifest]:
    project = SourceProject(root=root).project(SECTIONS)
    plan = plan_sample(project, threads=2, progress=SilentProgress())
    if interrupt:
        with contextlib.suppress(KeyboardInterrupt):
            draw_sample(project, plan, home=root / "home", threads=2, progress=Interrupting(interrupt))
    sample = draw_sample(project, plan, home=root / "home", threads=1, progress=SilentProgress())
    return catalog.load_sample(root / "home", sample.fingerprint)


@given(
    advised=st.lists(KEYS, min_size=1, max_size=10),
    visits=st.lists(st.tuples(KEYS, KEYS, KEYS), max_size=15),
    places=st.integers(0, 9),
    files=st.integers(2, 3),
    interrupt=st.integers(1, 14),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_neither_interruption_nor_the_split_changes_a_sample_and_every_reference_holds(
    advised: list[int | None],
    visits: list[tuple[int | None, int | None, int | None]],
    places: int,
    files: int,
    interrupt: int,
) -> None:
    rows: dict[str, list[tuple[int | None, ...]]] = {
        "people": list(enumerate(advised)),
        "visits": [(index, *row) for index, row in enumerate(visits)],
        "places": [(index,) for index in range(places)],
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "whole/source", rows, 1)
        write(root / "split/source", rows, files)
        whole, manifest = drawn(root / "whole")
        split, _ = drawn(root / "split", interrupt=interrupt)
        assert split.fingerprint == whole.fingerprint
        again, _ = drawn(root / "split")
        assert again.path == split.path
        assert not list((root / "split/home/samples").glob(".unfinished-*"))
        held = [reference for table in manifest.tables.values() for reference in table.references]
        assert len(held) == 4
        assert all(reference.holds_in_sample for reference in held)
        assert json.loads((split.path / "manifest.json").read_text())["fingerprint"] == split.fingerprint
