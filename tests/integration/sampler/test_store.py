"""The store: pointers, damage, interruption, a full disk; what is in place is complete."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from sandbox.errors import StoreError
from sandbox.model import SilentProgress
from sandbox.samples import catalog
from sandbox.samples.catalog import list_samples, load_sample
from sandbox.samples.specification import compute_request_id
from sandbox.samples.verify import verify_sample
from tests.headers import CUSTOMERS_AND_ORDERS
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.model import Sample
    from tests.projects import SourceProject

DRAW = """
import contextlib, os, resource, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored in a shell's background
from pathlib import Path
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.config.project_file import load_project
from sandbox.errors import SandboxError
from sandbox.model import SilentProgress
from sandbox.report.terminal.console import create_console
from sandbox.report.terminal.progress import RichProgress
class Interrupting:  # presses Ctrl-C, once, when a part of the orders is written
    def __init__(self, shown):
        self.shown, self.left = shown, sys.argv[5] == "interrupted"
    def print_message(self, message):
        self.shown.print_message(message)
    @contextlib.contextmanager
    def step(self, name, **options):
        with self.shown.step(name, **options) as advance:
            def move(amount):
                advance(amount)
                if self.left and name == "drawing orders":
                    self.left = False
                    os.kill(os.getpid(), signal.SIGINT)
            yield move
progress = Interrupting(RichProgress(create_console(stderr=True)) if sys.argv[4] == "shown" else SilentProgress())
project = load_project(Path(sys.argv[1]), start=Path("/"), environ={}, flags={})
plan = plan_sample(project, progress=SilentProgress())
if limit := int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print("drawing", flush=True)
try:
    draw_sample(project, plan, home=Path(sys.argv[2]), progress=progress)
except SandboxError as error:
    print(type(error).__name__, error.message)
    sys.exit(error.status)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def drawn(place: SourceProject) -> Sample:
    place.copy("customers.parquet", "select range as id from range(1000)")
    place.copy("orders.parquet", "select range as id, range % 1000 as customer, 'x' as note from range(3000)")
    return place.draw(CUSTOMERS_AND_ORDERS)[0]


def test_what_is_drawn_is_found_again_without_the_source(place: SourceProject, drawn: Sample) -> None:
    project = place.project(CUSTOMERS_AND_ORDERS)
    shutil.rmtree(place.source)
    assert catalog.find_sample(project, place.home) == drawn
    pointer = project.state_folder / "requests" / compute_request_id(project.settings)
    assert pointer.read_text() == drawn.fingerprint + "\n"
    assert (project.state_folder / ".gitignore").read_text() == "*\n"
    assert list_samples(place.home) == [drawn]


def test_another_request_is_not_drawn_yet(place: SourceProject, drawn: Sample) -> None:
    assert catalog.find_sample(place.project(CUSTOMERS_AND_ORDERS.replace("0.5", "0.6")), place.home) is None


def test_a_pointer_to_a_sample_that_is_gone_counts_as_not_drawn(place: SourceProject, drawn: Sample) -> None:
    shutil.rmtree(drawn.path)
    assert catalog.find_sample(place.project(CUSTOMERS_AND_ORDERS), place.home) is None


def test_a_sample_that_is_in_the_store_is_used_as_it_is(place: SourceProject, drawn: Sample) -> None:
    before = {path: path.stat().st_mtime_ns for path in drawn.path.rglob("*")}
    again, _ = place.draw(CUSTOMERS_AND_ORDERS)
    assert again == drawn
    assert {path: path.stat().st_mtime_ns for path in drawn.path.rglob("*")} == before
    assert [path.name for path in (place.home / "samples").iterdir() if "lock" not in path.name] == [drawn.fingerprint]


def test_a_complete_sample_verifies(drawn: Sample) -> None:
    assert verify_sample(drawn.path, SilentProgress()) == []


def rewritten(path: Path) -> None:
    table = pq.read_table(path / "tables/orders/part-00000.parquet")
    pq.write_table(table.slice(1), path / "tables/orders/part-00000.parquet")


def flipped(path: Path) -> None:
    file = path / "tables/customers/part-00000.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)


def repopulated(path: Path) -> None:
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"population": 1000', '"population": 2000'))


def respecified(path: Path) -> None:
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"rate": 0.5', '"rate": 0.25'))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda path: (path / "tables/orders/part-00000.parquet").unlink(), "part-00000.parquet is missing"),
        (
            lambda path: (path / "tables/orders/more.parquet").write_text("x"),
            "more.parquet does not belong there",
        ),
        (lambda path: (path / "weights/customers.parquet").unlink(), "weights/customers.parquet is missing"),
        (rewritten, "bytes, not"),
        (flipped, "its SHA-256 is not the recorded one"),
        (repopulated, "the fingerprint that follows from its contents is"),
        (respecified, "the fingerprint that follows from its contents is"),
        (lambda path: (path / "manifest.json").write_text("{"), "is damaged"),
        (lambda path: (path / "manifest.json").unlink(), "is not there"),
    ],
)
def test_verify_names_every_kind_of_damage(drawn: Sample, damage: Callable[[Path], object], problem: str) -> None:
    damage(drawn.path)
    found = verify_sample(drawn.path, SilentProgress())
    assert len(found) == 1
    assert problem in found[0]


def test_content_that_is_not_what_the_manifest_says_is_found_even_if_the_hashes_fit(drawn: Sample) -> None:
    text = (drawn.path / "manifest.json").read_text()
    _, manifest = load_sample(drawn.path.parents[1], drawn.fingerprint)
    content = manifest.tables["orders"].content
    (drawn.path / "manifest.json").write_text(text.replace(content, content[::-1]))
    assert verify_sample(drawn.path, SilentProgress()) == ["the content of orders is not the recorded one"]


def test_a_sample_of_an_unknown_format_is_refused(place: SourceProject, drawn: Sample) -> None:
    text = (drawn.path / "manifest.json").read_text()
    (drawn.path / "manifest.json").write_text(text.replace('"format_version": 3', '"format_version": 99'))
    with pytest.raises(StoreError, match="format version 99"):
        load_sample(place.home, drawn.fingerprint)


def test_a_sample_that_is_not_there_is_named(place: SourceProject) -> None:
    with pytest.raises(StoreError, match="there is no sample abc"):
        load_sample(place.home, "abc")


def test_a_pointer_that_names_no_sample_is_refused(place: SourceProject, drawn: Sample) -> None:
    project = place.project(CUSTOMERS_AND_ORDERS)
    pointer = project.state_folder / "requests" / compute_request_id(project.settings)
    pointer.write_text("../../etc")
    with pytest.raises(StoreError, match="does not name a sample"):
        catalog.find_sample(project, place.home)


def test_a_disk_too_small_is_said_before_anything_is_drawn(
    place: SourceProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.copy("customers.parquet", "select range as id from range(1000)")
    place.copy("orders.parquet", "select range as id, range % 1000 as customer from range(3000)")
    usage = shutil.disk_usage(place.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(StoreError, match="the sample takes about"):
        place.draw(CUSTOMERS_AND_ORDERS)


def process(
    place: SourceProject, limit: int = 0, progress: str = "silent", end: str = "undisturbed"
) -> subprocess.Popen[str]:
    place.project(CUSTOMERS_AND_ORDERS)
    arguments = [str(place.root / "sandbox.toml"), str(place.home), str(limit), progress, end]
    return subprocess.Popen(
        [sys.executable, "-c", DRAW, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(catalog.__file__).parents[2],
    )  # fmt: skip


def left(place: SourceProject) -> list[str]:
    return [path.name for path in (place.home / "samples").iterdir() if "lock" not in path.name]


def test_a_disk_that_fills_up_leaves_nothing_behind(place: SourceProject) -> None:
    place.copy("customers.parquet", "select range as id from range(1000)")
    place.copy("orders.parquet", "select range % 1000 as customer, md5(range::varchar) as t from range(300000)")
    out, errors = process(place, limit=1_000_000).communicate(timeout=PATIENCE_SECONDS)
    assert "StoreError the sample cannot be written to" in out, errors
    assert left(place) == []


@pytest.mark.parametrize("progress", ["silent", "shown"])
def test_an_interrupted_draw_ends_soon_and_keeps_the_parts_that_are_whole(place: SourceProject, progress: str) -> None:
    place.copy("customers.parquet", "select range as id from range(20000)")
    for part in range(4):
        place.copy(
            f"orders/{part}.parquet",
            "select range % 20000 as customer, md5(range::varchar) as t from range(50000)",
        )
    running = process(place, progress=progress, end="interrupted")
    _, errors = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 130, errors
    assert all(name.startswith(".unfinished-") for name in left(place))
    sample, _ = place.draw(CUSTOMERS_AND_ORDERS)
    assert left(place) == [sample.fingerprint]
    assert verify_sample(sample.path, SilentProgress()) == []


def test_a_damaged_sample_is_named_and_drawn_again_whole(place: SourceProject, drawn: Sample) -> None:
    file = drawn.tables["orders"].paths[0]
    content = file.read_bytes()
    file.write_bytes(content[:-10])
    with pytest.raises(StoreError, match=r"is damaged: tables/orders/.* has .* bytes, not"):
        catalog.find_sample(place.project(CUSTOMERS_AND_ORDERS), place.home)
    file.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    assert verify_sample(drawn.path, SilentProgress())
    again, _ = place.draw(CUSTOMERS_AND_ORDERS)
    assert again.path == drawn.path
    assert file.read_bytes() == content
    assert verify_sample(drawn.path, SilentProgress()) == []
