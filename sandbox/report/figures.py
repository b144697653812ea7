"""Format and draw the figures of an estimate, for every report."""

from __future__ import annotations

import decimal
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.formatting import NO_VALUE, format_change, format_number, format_share

if TYPE_CHECKING:
    from sandbox.manifest.output_estimate import EstimatedFigure, GroupEstimate, OutputEstimate, TotalChange

_MAX_COLUMNS = 8
POINTS = "percentage points"


@dataclass(frozen=True, kw_only=True)
class IntervalChart:
    """An interval as a picture: positions along its width, in percent."""

    zero: float
    low: float
    estimate: float
    high: float


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One figure of an output: its name, its value in the sample, and its interval chart (None if it has none)."""

    label: str
    value: str
    interval: str
    chart: IntervalChart | None


def build_figure_rows(estimate: OutputEstimate) -> list[FigureRow]:
    """Build the figure rows of one output; columns are sorted by the size of their change."""
    if estimate.groups is not None:
        return _build_group_rows(estimate, estimate.groups)
    if estimate.status != "estimated" or estimate.units_affected is None or not estimate.units_affected.sample:
        return []
    counts: list[tuple[str, EstimatedFigure]] = [
        (f"{get_unit_name(estimate)} affected", estimate.units_affected),
        ("rows added", estimate.rows_added),
        ("rows removed", estimate.rows_removed),
        ("rows changed", estimate.rows_changed),
    ]
    rows = [
        FigureRow(
            label=what,
            value=format_estimated_count(count),
            interval=_describe_count_interval(count),
            chart=build_interval_chart(count),
        )
        for what, count in counts
        if count.estimate
    ]
    for name in list_changed_totals(estimate)[:_MAX_COLUMNS]:
        rows += _build_column_rows(estimate, name)
    return rows


def _build_group_rows(estimate: OutputEstimate, groups: GroupEstimate) -> list[FigureRow]:
    """Build the rows of changed totals: over all cells, then of each cell in the order of its key."""
    changed = list_changed_totals(estimate)[:_MAX_COLUMNS]
    rows = [row for name in changed for row in _build_column_rows(estimate, name)]
    for cell in groups.cells:
        label = ", ".join(f"{column} {NO_VALUE if value is None else value}" for column, value in cell.key.items())
        rows += [
            _build_change_row(f"total of {name}, {label}", cell.totals[name].change, before=cell.totals[name].baseline)
            for name in changed
            if cell.totals[name].change.estimate
        ]
    return rows


def _build_column_rows(estimate: OutputEstimate, name: str) -> list[FigureRow]:
    """Build the rows of one column: its total's relative change, its total, and its mean or share."""
    total, mean = estimate.totals[name], estimate.means.get(name)
    truth = name in estimate.truth_columns
    what = f"rows with {name}" if truth else f"total of {name}"
    rows = []
    if total.relative.estimate and total.relative.status != "bounded":
        rows.append(_build_change_row(f"{what}, relative", total.relative, factor=100, unit=" %"))
    rows.append(_build_change_row(what, total.change, before=total.baseline))
    if mean is not None and mean.change.estimate:
        label, factor, unit = (f"share of {name}", 100, f" {POINTS}") if truth else (f"mean of {name}", 1, "")
        rows.append(_build_change_row(label, mean.change, before=mean.baseline, factor=factor, unit=unit))
    return rows


def get_unit_name(estimate: OutputEstimate) -> str:
    """Return what sentences call the units of an estimate."""
    return estimate.called or estimate.unit or "units"


def list_changed_totals(estimate: OutputEstimate) -> list[str]:
    """Return the columns whose total changes: those with most known about the change first, then by share of the total."""

    def sort_key(name: str) -> tuple[int, float, str]:
        total = estimate.totals[name]
        return rank_total(total), -abs(total.relative.estimate or 0.0), name

    return sorted((name for name, total in estimate.totals.items() if total.change.estimate), key=sort_key)


def rank_total(total: TotalChange) -> int:
    """Return how much is known about the change of a total: 0 for an interval, 1 for one limit, 2 for none."""
    ranks = {"exact": 0, "estimated": 0, "lower_bound": 1, "bounded": 2, "not_estimated": 2}
    return min(ranks[total.change.status], ranks[total.relative.status])


def build_interval_chart(figure: EstimatedFigure) -> IntervalChart | None:
    """Build an interval's chart on an axis from 0 to the interval's far end.

    >>> from sandbox.manifest.output_estimate import EstimatedFigure
    >>> build_interval_chart(EstimatedFigure(status="estimated", estimate=5.0, low=4.0, high=6.0))
    IntervalChart(zero=4.0, low=65.3, estimate=80.7, high=96.0)
    """
    if figure.estimate is None or figure.low is None or figure.high is None or figure.low == figure.high:
        return None
    least, most = min(figure.low, 0.0), max(figure.high, 0.0)
    if not math.isfinite(most - least):
        return None

    def scale_to_axis(at: float) -> float:
        return round(4 + 92 * (at - least) / (most - least), 1)

    return IntervalChart(
        zero=scale_to_axis(0.0),
        low=scale_to_axis(figure.low),
        estimate=scale_to_axis(figure.estimate),
        high=scale_to_axis(figure.high),
    )


def format_rounded(count: float | None) -> str:
    """Return a count with three significant digits, millions abbreviated.

    >>> format_rounded(41283.4), format_rounded(1_234_567), format_rounded(7.6), format_rounded(999_700), format_rounded(None)
    ('41,300', '1.23 M', '7.6', '1 M', '–')
    """
    if count is None:
        return NO_VALUE
    if abs(count) < 100:
        return f"{count:.3g}".replace("-", "−")
    rounded = float(f"{count:.3g}")
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(rounded) >= size:
            return f"{rounded / size:.3g} {letter}".replace("-", "−")
    return f"{rounded:,.0f}".replace("-", "−")


def format_least(amount: float) -> str:
    """Return an amount that is at least reached, rounded down to three significant digits.

    >>> format_least(120_345.6), format_least(0.0567891), format_least(0.0)
    ('120,000', '0.0567', '0')
    """
    if not amount:
        return "0"
    digits = 2 - math.floor(math.log10(abs(amount)))
    with decimal.localcontext(prec=30, rounding=decimal.ROUND_DOWN):
        rounded = float(decimal.Decimal(repr(amount)).quantize(decimal.Decimal(1).scaleb(-digits)))
    return format_change(rounded).lstrip("+−")


def format_estimated_count(figure: EstimatedFigure) -> str:
    """Return a count: whole if it is known, otherwise rounded.

    >>> from sandbox.manifest.output_estimate import EstimatedFigure
    >>> format_estimated_count(EstimatedFigure(status="exact", estimate=6194.0))
    '6,194'
    """
    if figure.estimate is None:
        return NO_VALUE
    return format_number(round(figure.estimate)) if figure.status == "exact" else format_rounded(round(figure.estimate))


def describe_interval(figure: EstimatedFigure, *, factor: float = 1, unit: str = "", signed: bool = False) -> str:
    """Return both limits of a figure, to the second significant digit of half the interval's width; empty without them.

    >>> from sandbox.manifest.output_estimate import EstimatedFigure
    >>> describe_interval(EstimatedFigure(status="estimated", estimate=9e4, low=-90_412.6, high=290_358.6), signed=True)
    '−90,000 to +290,000'
    """
    if figure.low is None or figure.high is None:
        return ""
    half = (figure.high - figure.low) / 2 * factor
    low, high = (
        ("+" if signed and limit > 0 else "") + format_to_precision(limit * factor, half)
        for limit in (figure.low, figure.high)
    )
    return f"{low} to {high}{unit}"


def has_direction(figure: EstimatedFigure) -> bool:
    """Return whether a figure's interval excludes 0.

    >>> from sandbox.manifest.output_estimate import EstimatedFigure
    >>> has_direction(EstimatedFigure(status="estimated", estimate=1.0, low=-1.0, high=3.0))
    False
    """
    return (figure.low is not None and figure.low > 0) or (figure.high is not None and figure.high < 0)


def format_to_precision(amount: float, half: float) -> str:
    """Return an amount, rounded to the second significant digit of half its interval; whole if that has no width.

    >>> format_to_precision(-182_345.6, 20_987.0), format_to_precision(0.5, 1e-20), format_to_precision(1234.5, 0.0)
    ('−182,000', '0.5', '1,234.5')
    """
    if not 0 < half < math.inf:
        return format_change(amount).removeprefix("+")
    digits = 1 - math.floor(math.log10(float(f"{half:.1e}")))
    text = f"{abs(amount):.4g}" if digits > 12 else f"{round(abs(amount), digits):,.{max(digits, 0)}f}"
    return ("−" if amount < 0 else "") + text


def _build_change_row(
    what: str, figure: EstimatedFigure, *, before: EstimatedFigure | None = None, factor: float = 1, unit: str = ""
) -> FigureRow:
    """Build the row of a change; ``factor`` and ``unit`` turn its figures into what is shown."""
    amount = format_change(figure.estimate if figure.estimate is None else figure.estimate * factor)
    half = _compute_half_width(figure)
    if half and figure.estimate:
        amount = ("+" if figure.estimate > 0 else "") + format_to_precision(figure.estimate * factor, half * factor)
    of = ""
    if before is not None and before.estimate is not None:
        of = f" of {_format_before(before, before.estimate, is_share=unit.endswith(POINTS))}"
    return FigureRow(
        label=what,
        value=f"{amount}{unit}{of}",
        interval=_describe_change_interval(figure, factor=factor, unit=unit),
        chart=build_interval_chart(figure),
    )


def _format_before(figure: EstimatedFigure, value: float, *, is_share: bool) -> str:
    """Return the figure before a change: not rounded if it is known exactly."""
    if is_share:
        return format_share(value)
    return format_change(value).removeprefix("+") if figure.status == "exact" else format_rounded(value)


def _compute_half_width(figure: EstimatedFigure) -> float | None:
    """Compute half the width of an interval; None if it does not exist or has no width."""
    if figure.low is None or figure.high is None or not 0 < figure.high - figure.low < math.inf:
        return None
    return (figure.high - figure.low) / 2


def _describe_change_interval(figure: EstimatedFigure, *, factor: float, unit: str) -> str:
    """Return the limits of a change, or what is known instead of them."""
    if figure.status == "exact":
        return "exact"
    if figure.status == "lower_bound":
        limit = figure.low if figure.low is not None else figure.high
        beyond = "more" if figure.low is not None else "less"
        sign = "+" if figure.low is not None else "−"
        return f"{sign}{format_least(abs(limit or 0.0) * factor)}{unit} or {beyond}"
    if figure.status != "estimated":
        return "unknown: direction unclear"
    return describe_interval(figure, factor=factor, unit=unit)


def _describe_count_interval(figure: EstimatedFigure) -> str:
    if figure.status == "exact":
        return "exact: every unit was drawn"
    if figure.low is None or figure.high is None:
        return "unknown: too few units"
    low, high = (format_rounded(round(limit)) for limit in (figure.low, figure.high))
    return f"{low} to {high}"
