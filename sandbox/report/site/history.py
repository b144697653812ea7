"""Compute the charts of a project's diffs over time as plain positions, drawn by a template without scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.formatting import format_count, format_share
from sandbox.report.estimates import describe_affected_units
from sandbox.report.figures import describe_interval
from sandbox.report.findings import find_failed_rules, sort_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sandbox.manifest.diff import OutputDiff
    from sandbox.report.site.contents import SiteDiff

CHART_WIDTH, CHART_HEIGHT = 480, 80  # in its own units
MARGIN = 6
MAX_POINTS = 60
"""Diffs of one output and branch in a chart; older ones are in the table of all diffs."""


@dataclass(frozen=True, kw_only=True)
class OutputEntry:
    """One output in one diff: the share of production affected, with the limits of its interval, or None."""

    diff: SiteDiff
    output: OutputDiff
    is_within_gate: bool
    share: float
    low: float | None
    high: float | None

    @property
    def effect(self) -> str:
        """The effect on production, or the difference in the sample where it is not estimated."""
        said = describe_affected_units(self.output)
        if said is None:
            rows = self.output.rows
            return (
                f"{format_share(rows.differing_share)} of the sample's rows differ"
                if rows.different
                else "no row differs"
            )
        units = self.output.estimate.units_affected
        limits = describe_interval(units) if units is not None and units.status == "estimated" else ""
        return f"{said}, 95 %: {limits}" if limits else said


@dataclass(frozen=True, kw_only=True)
class ChartPoint:
    """A point of a chart; ``low`` and ``high`` are the ends of its interval, None without one."""

    x: float
    y: float
    low: float | None
    high: float | None
    kind: str


@dataclass(frozen=True, kw_only=True)
class HistoryChart:
    """A chart of values over time: its points, the value at its top, and what it shows in words."""

    points: list[ChartPoint]
    path: str
    top: str
    description: str


@dataclass(frozen=True, kw_only=True)
class OutputHistory:
    """The diffs of one output on one branch, the last one first."""

    output: str
    branch: str
    entries: list[OutputEntry]
    chart: HistoryChart | None


def build_output_histories(diffs: Iterable[SiteDiff]) -> list[OutputHistory]:
    """Build the history of each output and branch, by name; diffs come the last one first."""
    found: dict[tuple[str, str], list[OutputEntry]] = {}
    for diff in diffs:
        for name, output in diff.document.outputs.items():
            found.setdefault((name, diff.document.candidate.ref), []).append(_build_entry(diff, name, output))
    return [
        OutputHistory(output=output, branch=branch, entries=entries, chart=_build_share_chart(entries[:MAX_POINTS]))
        for (output, branch), entries in sorted(found.items(), key=lambda item: item[0])
    ]


def build_cost_chart(
    diffs: Sequence[SiteDiff], figure: str, name: str, form: Callable[[float], str]
) -> HistoryChart | None:
    """Build the chart of a cost of the candidates' runs; None with fewer than two runs.

    Args:
        diffs: The diffs, the last one first.
        figure: The field of `DiffSide`.
        name: What it is called.
        form: Formats a value.
    """
    values = [
        float(value)
        for diff in reversed(diffs)
        if (value := getattr(diff.document.candidate, figure)) is not None and not diff.document.candidate.cached
    ][-MAX_POINTS:]
    if len(values) < 2 or not max(values):
        return None
    top = max(values)
    description = f"{name} of {format_count(len(values), 'run')}, at most {form(top)}"
    return _build_chart([(value, None, None, "within") for value in values], top, form(top), description)


def describe_effect(diff: SiteDiff) -> str | None:
    """Return the effect on production of the most important output; None if none is estimated."""
    for name, output in sort_outputs(diff.document)[:1]:
        if describe_affected_units(output) is not None:
            return _build_entry(diff, name, output).effect
    return None


def _build_entry(diff: SiteDiff, name: str, output: OutputDiff) -> OutputEntry:
    units, population = output.estimate.units_affected, output.estimate.population
    share = output.rows.differing_share if output.rows.different else 0.0
    low = high = None
    if units is not None and population and units.estimate is not None:
        share = min(units.estimate / population, 1.0)
        low, high = (
            None if limit is None else min(max(limit / population, 0.0), 1.0) for limit in (units.low, units.high)
        )
    is_within_gate = not find_failed_rules(diff.document, name)
    return OutputEntry(diff=diff, output=output, is_within_gate=is_within_gate, share=share, low=low, high=high)


def _build_share_chart(entries: Sequence[OutputEntry]) -> HistoryChart | None:
    top = max((max(entry.share, entry.high or 0.0) for entry in entries), default=0.0)
    if len(entries) < 2 or not top:
        return None
    values = [
        (entry.share, entry.low, entry.high, "within" if entry.is_within_gate else "outside")
        for entry in reversed(entries)
    ]
    description = f"share affected in {format_count(len(values), 'diff')}, at most {format_share(top)}"
    return _build_chart(values, top, format_share(top), description)


def _build_chart(
    values: Sequence[tuple[float, float | None, float | None, str]], top: float, label: str, description: str
) -> HistoryChart:
    """Build a chart of values with their intervals and kinds, from the oldest to the last.

    >>> chart = _build_chart([(1.0, None, None, "within"), (2.0, 1.0, 2.0, "outside")], 2.0, "2", "two")
    >>> [(point.x, point.y, point.high) for point in chart.points], chart.path
    ([(6.0, 40.0, None), (474.0, 6.0, 6.0)], 'M6.0 40.0L474.0 6.0')
    """
    step = (CHART_WIDTH - 2 * MARGIN) / max(len(values) - 1, 1)

    def scale(value: float) -> float:
        return round(CHART_HEIGHT - MARGIN - (CHART_HEIGHT - 2 * MARGIN) * min(value / top, 1.0), 1)

    points = [
        ChartPoint(
            x=round(MARGIN + index * step, 1),
            y=scale(value),
            low=None if low is None else scale(low),
            high=None if high is None else scale(high),
            kind=kind,
        )
        for index, (value, low, high, kind) in enumerate(values)
    ]
    path = "M" + "L".join(f"{point.x} {point.y}" for point in points)
    return HistoryChart(points=points, path=path, top=label, description=description)
