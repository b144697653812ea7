"""Compute the report's charts as plain positions and paths, drawn by a template without scripts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.formatting import NO_VALUE, format_number, format_share, format_value, truncate_text
from sandbox.report.figures import get_unit_name

if TYPE_CHECKING:
    from pydantic import JsonValue

    from sandbox.manifest.diff import ColumnProfile, ColumnSummary, Histogram, RowCounts
    from sandbox.manifest.output_estimate import OutputEstimate

HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT = 240, 64  # of a histogram, in its own units
_MAX_FREQUENT_VALUES = 6
_MAX_VALUE_LENGTH = 40
_DECIMAL_PATTERN = re.compile(r"(-?)(\d+)((?:\.\d+)?)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class BarSegment:
    """A part of a bar: its number of rows, and its share of the bar's width in percent."""

    kind: str
    count: int
    width: float


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """The share of the population affected, with positions in percent of an axis from 0.

    ``filled`` is the position of the estimate on an axis of the whole population. ``ticks`` are positions and labels.
    """

    population: str
    part: str
    filled: float
    interval: str
    low: float
    estimate: float
    high: float
    ticks: list[tuple[float, str]]


@dataclass(frozen=True, kw_only=True)
class HistogramChart:
    """A histogram of both sides: production's as the path of an area, the candidate's as the path of a line."""

    baseline: str
    candidate: str
    low: str
    high: str
    description: str


@dataclass(frozen=True, kw_only=True)
class FrequentValue:
    """A frequent value: its share of each side's rows, as text and in percent of the largest share."""

    value: JsonValue
    baseline: str
    candidate: str
    widths: tuple[float, float]


def build_row_bar(rows: RowCounts) -> list[BarSegment]:
    """Build the segments of an output's bar; nonempty ones are wide enough to be visible.

    >>> from sandbox.manifest.diff import RowCounts
    >>> rows = RowCounts(baseline=1000, candidate=1000, added=0, removed=0, changed=1, unchanged=999)
    >>> [(piece.kind, piece.width) for piece in build_row_bar(rows)]
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
        BarSegment(kind=kind, count=counts[kind], width=round(100 * part / sum(least.values()), 2))
        for kind, part in least.items()
    ]


def build_gauge(estimate: OutputEstimate) -> Gauge | None:
    """Build the gauge of affected units in production; None if there is no interval to draw.

    >>> from sandbox.manifest.output_estimate import OutputEstimate, AffectedUnits
    >>> units = AffectedUnits(status="estimated", sample=9, estimate=300.0, low=200.0, high=380.0)
    >>> gauge = build_gauge(OutputEstimate(status="estimated", reason=None, unit="customers", population=10_000, units_affected=units))
    >>> gauge.interval, gauge.low, gauge.estimate, gauge.high, gauge.ticks
    ('2.0 % to 3.8 %', 50.0, 75.0, 95.0, [(0.0, '0 %'), (50.0, '2.0 %'), (100.0, '4.0 %')])
    """
    units, population = estimate.units_affected, estimate.population
    if units is None or not population or not units.sample:
        return None
    if units.estimate is None or units.low is None or units.high is None or units.low >= units.high:
        return None
    low, middle, high = (min(max(count / population, 0.0), 1.0) for count in (units.low, units.estimate, units.high))
    most = _choose_axis_end(high)

    def scale_to_axis(part: float) -> float:
        return round(100 * part / most, 1)

    return Gauge(
        population=f"all {format_number(population)} {get_unit_name(estimate)}",
        part=format_share(middle),
        filled=round(100 * middle, 2),
        interval=f"{format_share(low)} to {format_share(high)}",
        low=scale_to_axis(low),
        estimate=scale_to_axis(middle),
        high=scale_to_axis(high),
        ticks=[(0.0, "0 %"), (50.0, format_share(most / 2)), (100.0, format_share(most))],
    )


def _choose_axis_end(part: float) -> float:
    """Return the end of an axis for shares up to this one: 1, 2, 4 or 6 times a power of ten, at most 1."""
    power = 10.0 ** math.floor(math.log10(part))
    least: float = next(step for step in (1.0, 2.0, 4.0, 6.0, 10.0) if step * power >= part * (1 - 1e-9))
    return min(least * power, 1.0)


def build_histogram(histogram: Histogram) -> HistogramChart | None:
    """Build the chart of a histogram; None if all its bins are empty.

    >>> from sandbox.manifest.diff import Histogram
    >>> chart = build_histogram(Histogram(edges=[0, 5, 10], baseline=[0.5, 0.5], candidate=[0.25, 0.75]))
    >>> chart.baseline, chart.candidate, (chart.low, chart.high)
    ('M0 64V21.3H120V21.3H240V64Z', 'M0 42.7H120V0H240', ('0', '10'))
    """
    sides = (histogram.baseline, histogram.candidate)
    most = max((part for side in sides for part in side), default=0.0)
    bins = min(map(len, sides))
    if not most or not bins:
        return None
    paths = []
    for side in sides:
        steps = [
            f"{_format_coordinate(HISTOGRAM_HEIGHT * (1 - part / most))}H{_format_coordinate((index + 1) * HISTOGRAM_WIDTH / bins)}"
            for index, part in enumerate(side[:bins])
        ]
        paths.append("V".join(steps))
    before, after = sides
    farthest = max(range(bins), key=lambda index: abs(after[index] - before[index]))
    ends = (histogram.edges[0], histogram.edges[-1]) if histogram.edges else ("", "")
    low, high = (truncate_text(format_edge(end), 16) if end != "" else "" for end in ends)
    return HistogramChart(
        baseline=f"M0 {HISTOGRAM_HEIGHT}V{paths[0]}V{HISTOGRAM_HEIGHT}Z",
        candidate=f"M0 {paths[1]}",
        low=low,
        high=high,
        description=(
            f"histogram of {bins} bins{f' from {low} to {high}' if low else ''}, baseline as area and candidate as line; they differ "
            f"most in bin {farthest + 1}: {format_share(before[farthest])} and {format_share(after[farthest])}"
        ),
    )


def format_edge(edge: JsonValue) -> str:
    """Return the label of an axis end.

    >>> format_edge(72686.35), format_edge("2026-01-01"), format_edge(0.25)
    ('72,686', '2026-01-01', '0.25')
    """
    if isinstance(edge, int | float) and not isinstance(edge, bool):
        if edge == 0 or 0.001 <= abs(edge) < 1e15:
            text = f"{edge:,.0f}" if abs(edge) >= 1000 or edge == int(edge) else f"{edge:.4g}"
        else:
            text = f"{edge:.4g}"
        return text.replace("-", "−")
    return format_value(edge)


def list_frequent_values(profile: ColumnProfile) -> list[FrequentValue]:
    """Return the most frequent values of either side."""
    some = profile.top[:_MAX_FREQUENT_VALUES]
    most = max((part for frequency in some for part in (frequency.baseline, frequency.candidate)), default=0.0) or 1.0
    return [
        FrequentValue(
            value=truncate_text(frequency.value, _MAX_VALUE_LENGTH)
            if isinstance(frequency.value, str)
            else frequency.value,
            baseline=format_share(frequency.baseline),
            candidate=format_share(frequency.candidate),
            widths=(round(100 * frequency.baseline / most, 1), round(100 * frequency.candidate / most, 1)),
        )
        for frequency in some
    ]


def build_statistics_rows(profile: ColumnProfile) -> list[tuple[str, str, str]]:
    """Build the rows of a column's available statistics on both sides."""
    before, after = profile.baseline, profile.candidate
    rows = [
        ("NULL", _format_null_share(before), _format_null_share(after)),
        ("distinct", _format_distinct(before.distinct), _format_distinct(after.distinct)),
        ("least", _format_statistic(before, before.min), _format_statistic(after, after.min)),
        ("median", _format_median(before), _format_median(after)),
        ("mean", _format_scalar(before.mean), _format_scalar(after.mean)),
        ("greatest", _format_statistic(before, before.max), _format_statistic(after, after.max)),
    ]
    return [row for row in rows if {row[1], row[2]} != {NO_VALUE}]


def _format_null_share(summary: ColumnSummary) -> str:
    return format_share(summary.nulls / summary.rows) if summary.nulls and summary.rows else NO_VALUE


def _format_distinct(count: int | None) -> str:
    return NO_VALUE if count is None else format_number(count)


def _format_median(summary: ColumnSummary) -> str:
    return _format_statistic(summary, summary.quantiles[len(summary.quantiles) // 2]) if summary.quantiles else NO_VALUE


def _format_statistic(summary: ColumnSummary, value: JsonValue) -> str:
    """Return a value of a column as text; decimals are stored as texts and formatted like other numbers.

    >>> from sandbox.manifest.diff import ColumnSummary
    >>> numbers, texts = (ColumnSummary(rows=9, nulls=0, distinct=9, mean=mean) for mean in (3.5, None))
    >>> _format_statistic(numbers, "-539085.80"), _format_statistic(texts, "-539085.80"), _format_statistic(numbers, "NaN")
    ('−539,085.80', '-539085.80', 'NaN')
    """
    decimal = _DECIMAL_PATTERN.fullmatch(value) if isinstance(value, str) and summary.mean is not None else None
    if decimal is None:
        return _format_scalar(value)
    sign, whole, fraction = decimal.groups()
    return f"{'−' if sign else ''}{int(whole):,}{fraction}"


def _format_scalar(value: JsonValue) -> str:
    if value is None:
        return NO_VALUE
    if isinstance(value, float):
        return (f"{value:,.2f}" if 100 <= abs(value) < 1e15 else f"{value:.4g}").replace("-", "−")
    if isinstance(value, int) and not isinstance(value, bool):
        return format_number(value).replace("-", "−")
    return truncate_text(format_value(value), _MAX_VALUE_LENGTH)


def _format_coordinate(amount: float) -> str:
    return f"{amount:.1f}".removesuffix(".0")
