"""A comparison as one HTML file that needs neither scripts nor a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sandbox
from sandbox.report import findings
from sandbox.report.pages import page, shown
from sandbox.report.words import duration, number, size

if TYPE_CHECKING:
    from sandbox.manifest.diff import DiffDocument, Example, OutputDiff, Rows, Side


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a bar: how many rows, and the percentage of the bar's width that it takes."""

    kind: str
    count: int
    width: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One figure of both runs; the widths are percentages of the larger one."""

    name: str
    baseline: str
    candidate: str
    widths: tuple[float, float]


def html(document: DiffDocument) -> str:
    """Give the report: a whole HTML document; every name and value in it is text, whatever it holds."""
    ordered = findings.worst_first(document)
    return page(
        "report.html",
        finish=shown,
        given={
            "document": document,
            "verdict": findings.VERDICTS[document.verdict],
            "headline": findings.headline(document),
            "differing": [(name, output) for name, output in ordered if not output.same],
            "equal": [(name, output) for name, output in ordered if output.same],
            "tiles": tiles(document),
            "bar": bar,
            "examples": by_kind,
            "costs": costs(document.baseline, document.candidate),
            "version": sandbox.__version__,
        },
    )


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
    held_rules = sum(result.held for result in document.gate)
    given.append(("rules of the gate held", number(held_rules), f"of {number(len(document.gate))}"))
    return given


def bar(rows: Rows) -> list[Piece]:
    """Give the parts of an output's bar; those that are not empty are wide enough to be seen.

    >>> from sandbox.manifest.diff import Rows
    >>> rows = Rows(baseline=1000, candidate=1000, added=0, removed=0, changed=1, unchanged=999)
    >>> [(piece.kind, piece.width) for piece in bar(rows)]
    [('unchanged', 99.01), ('changed', 0.99)]
    """
    counts = {
        "unchanged": rows.unchanged,
        "changed": rows.changed,
        "added": rows.added,
        "removed": rows.removed,
    }
    total = sum(counts.values())
    least = {kind: max(count, total / 100) for kind, count in counts.items() if count}
    return [
        Piece(kind=kind, count=counts[kind], width=round(100 * part / sum(least.values()), 2))
        for kind, part in least.items()
    ]


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


def costs(baseline: Side, candidate: Side) -> list[Cost]:
    """Give what both runs took, as far as it was measured."""
    figures = [
        ("wall time", baseline.seconds, candidate.seconds, duration),
        ("processor time", baseline.cpu_seconds, candidate.cpu_seconds, duration),
        ("peak memory", baseline.peak_memory_bytes, candidate.peak_memory_bytes, _size),
    ]
    return [
        Cost(name=name, baseline=words(before), candidate=words(after), widths=_widths(before, after))
        for name, before, after, words in figures
        if before is not None or after is not None
    ]


def _size(count: float | None) -> str:
    return size(None if count is None else int(count))


def _widths(before: float | None, after: float | None) -> tuple[float, float]:
    most = max(before or 0, after or 0) or 1
    return round(100 * (before or 0) / most, 1), round(100 * (after or 0) / most, 1)
