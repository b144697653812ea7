"""Failures of storage are told apart, what passes is tried again, and a draw goes on where it was."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sandbox import storage_errors
from sandbox.errors import SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from tests.integration.sources import s3_faults
from tests.integration.sources.conftest import set_bucket_variables
from tests.integration.sources.s3_faults import CUT
from tests.integration.sources.writers import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.model import Sample
    from tests.integration.sources.conftest import Bucket
    from tests.integration.sources.s3_faults import FaultyServer
    from tests.projects import SourceProject

ONE = """
[sample]
unit = "people"
rate = 1.0
min_per_stratum = 0
[tables.people]
key = ["id"]
"""
PARTS = 4


@pytest.fixture
def server(s3: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """The server before the bucket's, which the source is read through; attempts follow each other at once."""
    monkeypatch.setattr(storage_errors, "RETRY_SECONDS", (0.0,))
    with s3_faults.started(s3) as server:
        set_bucket_variables(monkeypatch, server.address)
        yield server


@pytest.fixture
def project(lake: SourceProject, bucket: Bucket) -> Project:
    """A table of several files in the bucket."""
    for part in range(PARTS):
        rows = f"select i * {PARTS} + {part} as id, md5(i::varchar) as text from range(5000) r(i)"
        write(lake, f"people/{part}.parquet", rows)
    bucket.upload(lake.source)
    return lake.project(ONE, uri=bucket.uri)


def draw(project: Project, home: Path) -> Sample:
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    return draw_sample(project, plan, home=home, threads=1, progress=SilentProgress())


def test_what_passes_is_tried_again(lake: SourceProject, project: Project, server: FaultyServer) -> None:
    """The server asks to slow down and cuts connections, more often than pyarrow's client tries."""
    expected = draw(project, lake.root / "undisturbed")
    faults = iter((503, 503, CUT))
    server.choose_fault = lambda _, path: next(faults, None) if "people/1.parquet" in path else None
    assert draw(project, lake.home).fingerprint == expected.fingerprint
    assert server.faults == 3


def test_a_failure_that_stays_is_told_and_the_next_draw_goes_on(
    lake: SourceProject, project: Project, server: FaultyServer
) -> None:
    """No file is blamed, and the sample is the one without the failures."""
    expected = draw(project, lake.root / "undisturbed")
    said: list[str] = []

    def count_parts() -> int:
        return sum(len(path.read_text().splitlines()) - 1 for path in lake.home.rglob("journal.jsonl"))

    for fault, words, hint, parts in (
        (403, "there is no permission", "check the credentials", 1),
        (503, "it asks for fewer requests", "wait a little", 2),
    ):
        server.choose_fault = lambda *_, fault=fault, parts=parts: fault if count_parts() >= parts else None
        with pytest.raises(SourceError, match=rf"people/\d\.parquet cannot be read: {words}") as caught:
            draw(project, lake.home)
        assert hint in caught.value.hint
        assert "goes on where this one was" in caught.value.hint
        assert "write it again" not in caught.value.hint
        assert count_parts() == parts
    server.choose_fault = lambda *_: None

    class Told(SilentProgress):
        def print_message(self, message: str) -> None:
            said.append(message)

    again = plan_sample(project, threads=1, progress=SilentProgress())
    sample = draw_sample(project, again, home=lake.home, threads=1, progress=Told())
    assert said[0].startswith(f"resuming: 2 of {PARTS} parts")
    assert sample.fingerprint == expected.fingerprint


def test_a_file_that_vanishes_is_no_damage_and_a_new_one_ends_no_draw(
    lake: SourceProject, project: Project, bucket: Bucket, server: FaultyServer
) -> None:
    expected = draw(project, lake.root / "undisturbed")
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    shutil.rmtree(lake.source)
    lake.source.mkdir()
    write(lake, "people/9.parquet", "select 'not a number' as other")
    write(lake, "orders.csv", "select 1 as id")
    bucket.upload(lake.source)
    assert (
        draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress()).fingerprint
        == expected.fingerprint
    )
    bucket.system.delete_file(f"{bucket.name}/ware house/people/9.parquet")
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    bucket.system.delete_file(f"{bucket.name}/ware house/people/1.parquet")
    with pytest.raises(SourceError, match=r"changed while it was read: people/1\.parquet$") as caught:
        draw_sample(project, plan, home=lake.root / "home 2", threads=1, progress=SilentProgress())
    assert "write it again" not in caught.value.hint


def test_files_of_a_folder_that_come_after_the_listing_are_outside_the_snapshot(lake: SourceProject) -> None:
    """Also those that would make the folder no table; files that change or vanish end the draw."""
    for part in range(PARTS):
        write(lake, f"people/{part}.parquet", f"select i * {PARTS} + {part} as id from range(3000) r(i)")
    project = lake.project(ONE)
    expected = draw(project, lake.root / "undisturbed")
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    for late in ("people/9.parquet", "people/10.csv", "people/day=3/x.parquet", "people.csv"):
        write(lake, late, "select 'x' as other")
    assert (
        draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress()).fingerprint
        == expected.fingerprint
    )
    write(lake, "people/1.parquet", "select range as id from range(9)")
    (lake.source / "people" / "2.parquet").unlink()
    with pytest.raises(SourceError, match=r"changed while it was read: people/1\.parquet, people/2\.parquet"):
        draw_sample(project, plan, home=lake.root / "home 2", threads=1, progress=SilentProgress())
