"""A draw that is killed or interrupted goes on where it was, and ends with the same bytes."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import stat
import time
from typing import TYPE_CHECKING, NoReturn

import pytest

from sandbox.errors import SourceError
from sandbox.model import RUN_GROUP_ID, Sample, SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.draw.journal import JOURNAL_NAME
from sandbox.sampler.plan.planner import plan_sample
from sandbox.samples.verify import verify_sample
from tests.kill_points import draw_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.sampler.plan.plan import SamplePlan
    from tests.projects import SourceProject

SECTIONS = """
[sample]
salt = "s"
unit = "customers"
strata = ["country"]
rate = 0.3
min_per_stratum = 5
[tables.customers]
key = ["id"]
references = { advised_by = "customers.id", city = "cities.id" }
[tables.customers.mask]
id = "key"
code = "hash"
[tables.orders]
references = { customer = "customers.id", refund_of = "orders.number" }
[tables.cities]
keep = "referenced"
references = { twin = "cities.id" }
"""
CUSTOMERS = (
    "select range as id, ['DE', 'FR', null][1 + range % 3] as country, 'SECRET ' || range as code, "
    "range // 20 as advised_by, range % 5000 as city from range({0}, {1})"
)
ORDERS = (
    "select range as number, range * 31 % 8100 as customer, case when range % 50 = 0 then range + 1 end "
    "as refund_of, sha256(range::varchar) as note from range({0}, {1})"
)
CITIES = "select range as id, range // 80 as twin from range(6000)"


@pytest.fixture
def project(place: SourceProject) -> Project:
    """Give a project whose draw writes some fifteen parts: two masks, closure over cycles and self-references."""
    for part in range(2):
        place.copy(f"customers/{part}.parquet", CUSTOMERS.format(part * 4000, part * 4000 + 4000))
    for part in range(3):
        place.copy(f"orders/{part}.parquet", ORDERS.format(part * 5000, part * 5000 + 5000))
    place.copy("cities.csv", CITIES)
    return place.project(SECTIONS)


class Listening(SilentProgress):
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def print_message(self, message: str) -> None:
        self.said.append(message)


def drawn(project: Project, plan: SamplePlan, home: Path) -> tuple[Sample, list[str]]:
    progress = Listening()
    return draw_sample(project, plan, home=home, threads=2, progress=progress), progress.said


def content(sample: Sample) -> dict[str, bytes]:
    """Give every file's bytes, the manifest's without the time at which it was drawn."""
    files = {
        path.relative_to(sample.path).as_posix(): path.read_bytes() for path in sample.path.rglob("*") if path.is_file()
    }
    manifest = json.loads(files.pop("manifest.json"))
    del manifest["drawn"]
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def left(home: Path) -> list[str]:
    return [
        path.name for path in (home / "samples").iterdir() if not path.name.endswith(".lock") and len(path.name) != 64
    ]


def unfinished(home: Path) -> Path:
    (folder,) = (home / "samples").glob(".unfinished-*")
    return folder


def test_a_draw_killed_at_any_step_resumes_to_the_same_bytes(project: Project, place: SourceProject) -> None:
    """Takes long: a draw for each step, and one that goes on."""
    plan = plan_sample(project, threads=2, progress=SilentProgress())
    expected, _ = drawn(project, plan, place.home)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["sandbox.sampler.draw.draw", "sandbox.sampler.plan.planner"])

    def draw_in_process(kill_at: int | None) -> tuple[Path, int]:
        """Draw in a new home, killed before a step; return the home, and the number of steps if it was not killed."""
        home = place.root / "killed"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        shutil.copy(place.home / "mask.key", home / "mask.key")
        receiver, sender = processes.Pipe(duplex=False)
        running = processes.Process(target=draw_until, args=(project, plan, home, kill_at, sender))
        running.start()
        running.join()
        assert running.exitcode in {0, -signal.SIGKILL}
        return home, receiver.recv() if running.exitcode == 0 else 0

    _, steps = draw_in_process(None)
    resumed = 0
    for step in range(1, steps, max(1, steps // 20)):
        home, _ = draw_in_process(step)
        sample, said = drawn(project, plan, home)
        resumed += any(line.startswith("resuming: ") for line in said)
        assert sample.fingerprint == expected.fingerprint
        assert content(sample) == content(expected)
        assert left(home) == []
    assert resumed >= 5


class Impatient(Listening):
    """Progress of somebody who presses Ctrl-C when so many parts are written."""

    def __init__(self, home: Path, parts: int) -> None:
        super().__init__()
        self._home, self._parts = home, parts

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        def advance(_: float) -> None:
            lines = (unfinished(self._home) / JOURNAL_NAME).read_text().splitlines()
            if len(lines) > self._parts:
                os.kill(os.getpid(), signal.SIGINT)

        yield advance


def interrupted(project: Project, home: Path, parts: int = 3) -> tuple[SamplePlan, list[str]]:
    """Draw and be interrupted."""
    plan = plan_sample(project, threads=2, progress=SilentProgress())
    progress = Impatient(home, parts)
    with pytest.raises(KeyboardInterrupt):
        draw_sample(project, plan, home=home, threads=2, progress=progress)
    return plan, progress.said


def test_an_interrupted_draw_says_what_it_keeps_and_the_next_one_takes_it_up(
    project: Project, place: SourceProject
) -> None:
    plan, said = interrupted(project, place.home)
    assert said[-1] == "3 parts are written and kept for a week; the next draw goes on from there"
    folder = unfinished(place.home)
    assert folder.stat().st_mode & 0o077 == 0
    kept = {path: path.stat().st_mtime_ns for path in (folder / "sample").rglob("*.parquet")}
    assert len(kept) == 3
    sample, said = drawn(project, plan, place.home)
    assert said[-1] == "resuming: 3 of 6 parts are there"
    for path, time_written in kept.items():
        assert (sample.path / path.relative_to(folder / "sample")).stat().st_mtime_ns == time_written
    assert left(place.home) == []
    assert verify_sample(sample.path, SilentProgress()) == []


def torn(folder: Path) -> None:
    journal = folder / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes()[:-20])


def changed_part(folder: Path) -> None:
    part = max((folder / "sample").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")


def missing_part(folder: Path) -> None:
    max((folder / "sample").rglob("*.parquet")).unlink()


def half_written_part(folder: Path) -> None:
    (folder / "sample/tables/orders/part-00002.parquet").write_bytes(b"PAR1")
    (folder / "spill").mkdir(exist_ok=True)
    (folder / "spill/left.tmp").write_bytes(b"x")


def another_header(folder: Path) -> None:
    journal = folder / JOURNAL_NAME
    header, *lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([header.replace("draw", "other"), *lines]))


def no_journal(folder: Path) -> None:
    (folder / JOURNAL_NAME).unlink()


@pytest.mark.parametrize(
    ("damage", "taken_up"),
    [
        (torn, 2),
        (changed_part, 3),
        (missing_part, 3),
        (half_written_part, 3),
        (another_header, 0),
        (no_journal, 0),
    ],
)
def test_what_is_not_as_the_journal_says_is_written_again(
    project: Project, place: SourceProject, damage: Callable[[Path], None], taken_up: int
) -> None:
    plan, _ = interrupted(project, place.home)
    damage(unfinished(place.home))
    sample, said = drawn(project, plan, place.home)
    assert [line for line in said if line.startswith("resuming")] == (
        [f"resuming: {taken_up} of 6 parts are there"] if taken_up else []
    )
    whole, _ = drawn(project, plan, place.root / "other" / "home")
    assert left(place.home) == []
    assert verify_sample(sample.path, SilentProgress()) == []
    assert len(content(whole)) == len(content(sample))


def test_another_source_rate_or_secret_starts_again(project: Project, place: SourceProject) -> None:
    interrupted(project, place.home)
    (place.source / "orders/2.parquet").touch()
    plan = plan_sample(project, threads=2, progress=SilentProgress())
    assert not any("resuming" in line for line in drawn(project, plan, place.home)[1])
    shutil.rmtree(place.home)
    interrupted(project, place.home)
    (place.home / "mask.key").unlink()
    assert not any("resuming" in line for line in drawn(project, plan, place.home)[1])
    assert left(place.home) == []


def test_an_error_leaves_nothing_behind(project: Project, place: SourceProject) -> None:
    plan, _ = interrupted(project, place.home)
    (place.source / "orders/2.parquet").write_bytes(b"no Parquet")
    with pytest.raises(SourceError, match=r"the source changed while it was read: orders/2\.parquet"):
        drawn(project, plan, place.home)
    assert left(place.home) == []


def test_an_interruption_before_the_first_part_leaves_nothing_behind(project: Project, place: SourceProject) -> None:
    class Hasty(Listening):
        def step(self, name: str, *, total: float | None = None, unit: str = "") -> NoReturn:
            raise KeyboardInterrupt

    plan = plan_sample(project, threads=2, progress=SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        draw_sample(project, plan, home=place.home, threads=2, progress=Hasty())
    assert left(place.home) == []


def test_what_nobody_takes_up_is_swept_after_a_week(project: Project, place: SourceProject) -> None:
    interrupted(project, place.home)
    folder = unfinished(place.home)
    other = place.project(SECTIONS.replace("0.3", "0.1"))
    week = 7 * 86_400
    for age, swept in ((week - 3600, False), (week + 3600, True)):
        os.utime(folder, (time.time() - age,) * 2)
        drawn(other, plan_sample(other, threads=2, progress=SilentProgress()), place.home)
        assert folder.exists() is not swept


def test_nothing_unmasked_is_in_the_folder_of_a_draw(project: Project, place: SourceProject) -> None:
    interrupted(project, place.home, parts=5)
    for path in unfinished(place.home).rglob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes()


@pytest.mark.parametrize("shared", [False, True], ids=["not shared", "shared"])
def test_a_sample_has_the_same_permissions_whatever_the_umask(
    shared: bool, monkeypatch: pytest.MonkeyPatch, project: Project, place: SourceProject
) -> None:
    if shared:
        monkeypatch.setenv("SANDBOX_SHARED", "1")
    modes = (0o755, 0o644) if shared else (0o750, 0o640) if os.getuid() == 0 else (0o700, 0o600)
    before = os.umask(0o077 if shared else 0)
    try:
        sample, _ = drawn(project, plan_sample(project, threads=2, progress=SilentProgress()), place.home)
    finally:
        os.umask(before)
    for path in (sample.path, *sample.path.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (modes[0] if path.is_dir() else modes[1])
        assert path.stat().st_gid == (RUN_GROUP_ID if os.getuid() == 0 else os.getgid())
