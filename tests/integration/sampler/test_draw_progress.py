"""How far a draw says it is: never back, also within a large file, and at the end exactly where it should be."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from sandbox.engine.duckdb import session as duckdb_session
from sandbox.errors import SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw import extraction
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.projects import SourceProject

SECTIONS = """
[sample]
salt = "s"
unit = "customers"
rate = 0.01
[tables.customers]
key = ["id"]
[tables.places]
keep = "all"
"""


class Recorded:
    """Progress that remembers by how much each step advanced, and from which thread."""

    def __init__(self) -> None:
        self.totals: dict[str, float | None] = {}
        self.amounts: dict[str, list[float]] = {}
        self.threads: set[str] = set()

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        del unit
        self.totals[name], amounts = total, self.amounts.setdefault(name, [])

        def advance(amount: float) -> None:
            self.threads.add(threading.current_thread().name)
            amounts.append(amount)

        yield advance

    def print_message(self, message: str) -> None:
        """Say nothing."""


def sources(place: SourceProject) -> None:
    for name, rows in (("customers", 1_000_000), ("places", 900_000)):
        place.copy(f"{name}.csv", f"select range as id, md5(range::varchar) as t from range({rows})")


def test_a_draw_says_how_far_it_is_within_a_large_file(place: SourceProject, monkeypatch: pytest.MonkeyPatch) -> None:
    sources(place)
    monkeypatch.setattr(duckdb_session, "PROGRESS_POLL_SECONDS", 0.01)
    monkeypatch.setattr(extraction, "MIN_WATCHED_BYTES", 2**20)
    project, progress = place.project(SECTIONS), Recorded()
    draw_sample(project, plan_sample(project, progress=SilentProgress()), home=place.home, progress=progress)
    amounts = progress.amounts["drawing"]
    assert sum(amounts) == progress.totals["drawing"]
    assert min(amounts) >= 0
    assert len(amounts) > 4, "more than one for each of two files"
    assert "watching a statement" in progress.threads


def test_a_draw_that_nobody_watches_starts_no_thread(place: SourceProject, monkeypatch: pytest.MonkeyPatch) -> None:
    place.copy("customers.csv", "select range as id from range(1000)")
    place.copy("places.csv", "select range as id from range(10)")
    monkeypatch.setattr(extraction, "MIN_WATCHED_BYTES", 0)
    started: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    project = place.project(SECTIONS)
    plan = plan_sample(project, progress=SilentProgress())
    draw_sample(project, plan, home=place.home, progress=SilentProgress())
    assert started == []
    draw_sample(project, plan, home=place.home / "other", progress=Recorded())
    assert set(started) == {"watching a statement"}


def test_watching_ends_with_its_block_also_when_a_statement_fails() -> None:
    with duckdb_session.Session() as session:
        setting = "select current_setting('enable_progress_bar')"
        with session.watch_progress(lambda _: None):
            assert session.fetch_rows(setting) == [(True,)]
        assert session.fetch_rows(setting) == [(False,)], "what is counted is slow"
        with pytest.raises(SourceError), session.watch_progress(lambda _: None):
            session.execute("select * from nowhere")
        assert session.fetch_rows(setting) == [(False,)]
