"""A comparison as one HTML file that needs neither scripts nor a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sandbox
from sandbox.formatting import duration, number, size
from sandbox.report import dbt_changes, estimates, findings
from sandbox.report import sample_profile as profile_words
from sandbox.report.html import charts
from sandbox.report.templates import page, shown

if TYPE_CHECKING:
    from sandbox.manifest.diff import ColumnProfile, DiffDocument, Example, OutputDiff, Side
    from sandbox.manifest.profile import Profile
    from sandbox.report.html.charts import Gauge

LARGEST = 900_000
"""So many bytes a report may have before it shows less of the outputs that weigh least."""
_OPEN = 4  # so many outputs are unfolded


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much is shown: of how many outputs everything, of how many at least the bar; then items of each list."""

    whole: int
    bars: int = 200
    columns: int = 40
    charts: int = 9
    cells: int = 60
    shown_charts: int = 3


ROOMS = (
    Room(whole=60),
    Room(whole=60, columns=15, charts=3, cells=15),
    Room(whole=12),
    Room(whole=3, bars=50),
    Room(whole=0, bars=20),
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One figure of both runs."""

    name: str
    baseline: str
    candidate: str


@dataclass(frozen=True, kw_only=True)
class Lead:
    """What is said of production at the top, and the picture of it."""

    name: str | None
    said: str
    gauge: Gauge | None


def html(document: DiffDocument, profile: Profile | None = None) -> str:
    """Give the report: a whole HTML document; every name and value in it is text, whatever it holds.

    It stays under a megabyte: where everything does not fit, the outputs that weigh least show less.
    """
    text = ""
    for room in ROOMS:
        text = _page(document, profile, room)
        if len(text.encode()) <= LARGEST:
            break
    return text


def _page(document: DiffDocument, profile: Profile | None, room: Room) -> str:
    ordered = findings.worst_first(document)
    differing = [(name, output) for name, output in ordered if not output.same]
    return page(
        "report.html",
        finish=shown,
        given={
            "document": document,
            "verdict": findings.VERDICTS[document.verdict],
            "headline": findings.headline(document),
            "dbt_changes": dbt_changes.changes(document),
            "lead": lead(document, ordered),
            "differing": differing,
            "equal": [(name, output) for name, output in ordered if output.same],
            "tiles": tiles(document),
            "pictures": charts,
            "room": room,
            "open": _OPEN,
            "examples": by_kind,
            "distributions": distributions,
            "costs": costs(document.baseline, document.candidate),
            "profile": profile,
            "profile_words": profile_words,
            "version": sandbox.__version__,
        },
    )


def lead(document: DiffDocument, ordered: list[tuple[str, OutputDiff]]) -> Lead | None:
    """Give what the change would do to production, by the output that weighs most."""
    said = findings.in_production(document)
    if not said:
        return None
    for name, output in ordered:
        if not output.same and estimates.sentence(output) is not None:
            return Lead(name=name, said=said[0], gauge=charts.gauge(output.estimate))
    return Lead(name=None, said=said[0], gauge=None)


def tiles(document: DiffDocument) -> list[tuple[str, str, str]]:
    """Give the figures at the top: what it is, how much, and of what."""
    outputs = list(document.outputs.values())
    differing = [output for output in outputs if not output.same]
    rows = sum(output.rows.different for output in outputs)
    given = [
        ("outputs that differ", number(len(differing)), f"of {number(len(outputs))}"),
        ("rows that differ", number(rows), f"of {number(sum(output.rows.baseline for output in outputs))}"),
    ]
    counted = [
        (output.estimate.units_affected.sample, output.estimate.unit)
        for output in outputs
        if output.estimate.units_affected is not None and output.estimate.unit is not None
    ]
    if counted and document.sample:
        most, unit = max(counted)
        held = document.sample.units.get(unit)
        of = f"of {number(held)} in the sample" if held is not None else "in the sample"
        given.append((f"{unit} affected", number(most), f"{of}, by one output"))
    if document.tests:
        failing = sum(test.outcome == "newly_failing" for test in document.tests)
        given.append(("data tests newly failing", number(failing), f"of {number(len(document.tests))}"))
    broken_rules = sum(not result.held for result in document.gate)
    given.append(("rules of the gate broken", number(broken_rules), f"of {number(len(document.gate))}"))
    return given


def by_kind(output: OutputDiff) -> list[tuple[str, list[Example], list[str]]]:
    """Give the examples of each kind that there is, and the columns of added and removed rows."""
    given = []
    for kind in ("changed", "added", "removed"):
        some = [example for example in output.examples if example.kind == kind]
        names: dict[str, None] = {}
        for example in some:
            names |= dict.fromkeys([*example.key, *(example.candidate or example.baseline or {})])
        if some:
            given.append((kind, some, list(names)))
    return given


def distributions(output: OutputDiff) -> list[tuple[str, ColumnProfile]]:
    """Give the profiles, those of the columns that changed most first."""

    def weight(item: tuple[str, ColumnProfile]) -> int:
        found = output.columns.get(item[0])
        return -found.changed if found else 0

    return sorted(output.profiles.items(), key=weight)


def costs(baseline: Side, candidate: Side) -> list[Cost]:
    """Give what both runs took, as far as it was measured."""
    figures = [
        ("wall time", baseline.seconds, candidate.seconds, duration),
        ("processor time", baseline.cpu_seconds, candidate.cpu_seconds, duration),
        ("peak memory", baseline.peak_memory_bytes, candidate.peak_memory_bytes, _size),
        ("read from disk", baseline.bytes_read, candidate.bytes_read, _size),
        ("written to disk", baseline.bytes_written, candidate.bytes_written, _size),
        ("outputs", baseline.output_bytes, candidate.output_bytes, _size),
    ]
    return [
        Cost(name=name, baseline=words(before), candidate=words(after))
        for name, before, after, words in figures
        if before is not None or after is not None
    ]


def _size(count: float | None) -> str:
    return size(None if count is None else int(count))
