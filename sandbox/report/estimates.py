"""Describe and draw a change's estimated effect on production, for every report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.formatting import (
    NO_VALUE,
    format_change,
    format_count,
    format_number,
    format_share,
    truncate_text,
)

if TYPE_CHECKING:
    from sandbox.manifest.diff import DiffDocument, EstimatedFigure, OutputDiff, OutputEstimate

INTERVAL_CAVEAT = (
    "95 % is over draws: of a hundred samples with other salts, about 95 would have intervals that hold the truth. One salt "
    "always misses the same units, and of many intervals some are wrong."
)
_MAX_SENTENCES = 3
_MAX_COLUMNS = 8
_MAX_NAME_LENGTH = 60  # characters of an output's name


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


def describe_estimate(output: OutputDiff) -> str | None:
    """Return the estimate in one sentence; None if there is no estimate."""
    estimate = output.estimate
    units = estimate.units_affected
    if estimate.status != "estimated" or units is None or units.estimate is None:
        return None
    if not units.sample:
        return _describe_no_effect(output)
    unit, population = estimate.unit or "units", estimate.population or 0
    part = format_share(units.estimate / population) if population else NO_VALUE
    if units.status == "exact":
        start = f"In production {format_number(round(units.estimate))} of {format_rounded(population)} {unit} ({part})"
    else:
        start = f"In production about {format_rounded(round(units.estimate))} of {format_rounded(population)} {unit} ({part}{_format_share_interval(units, population)})"
    total = _describe_total_change(output)
    return f"{start} would {_describe_unit_effect(output)}{f'; {total}' if total else ''}."


def explain_missing_estimate(output: OutputDiff) -> str | None:
    """Return the reason for a missing estimate; None if there is an estimate."""
    return output.estimate.reason if output.estimate.status != "estimated" else None


def describe_worst_outputs(document: DiffDocument, ordered: list[tuple[str, OutputDiff]]) -> list[str]:
    """Return a short report's sentences on the differing outputs, worst first; without any, on the detection limit."""
    differing = [(name, output) for name, output in ordered if not output.is_same]
    sentences = [
        f"{truncate_text(name, _MAX_NAME_LENGTH)}: {text}"
        for name, output in differing
        if (text := describe_estimate(output)) is not None
    ]
    if sentences or differing:
        left = len(sentences) - _MAX_SENTENCES
        more = [f"{format_count(left, 'more estimate')} in the report"] if left > 0 and document.report else []
        return sentences[:_MAX_SENTENCES] + more
    return [text for _, output in ordered if (text := describe_estimate(output)) is not None][:1]


def describe_equal_outputs(equal: list[tuple[str, OutputDiff]]) -> list[str]:
    """Return the meaning of equal outputs: each sentence once, with the outputs it applies to."""
    outputs_by_sentence: dict[str, list[str]] = {}
    for name, output in equal:
        why = explain_missing_estimate(output)
        text = describe_estimate(output) or (f"Not estimated for production: {why}." if why else None)
        if text is not None:
            outputs_by_sentence.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}" for text, names in outputs_by_sentence.items()]


def has_estimates(document: DiffDocument) -> bool:
    """Return whether any output has an estimate."""
    return any(output.estimate.status == "estimated" for output in document.outputs.values())


def describe_exclusions(output: OutputDiff) -> list[str]:
    """Return the rows and columns excluded from one output's figures."""
    estimate, unit = output.estimate, output.estimate.unit or "units"
    if estimate.status != "estimated":
        return []
    phrases = []
    left = estimate.left_out
    if left is not None and (left.baseline or left.candidate):
        differing = f", {format_number(left.different)} of which differ" if left.different else ""
        phrases.append(
            f"left out: {format_count(left.baseline, 'row')} of the baseline and {format_number(left.candidate)} of the candidate{differing}, "
            f"which name none of the {unit} that were drawn"
        )
    if estimate.outside:
        counted = [
            f"{'an unknown number' if count is None else format_number(count)} of {table}"
            for table, count in estimate.outside.items()
        ]
        phrases.append(f"no figure counts production's rows that belong to none of the {unit}: {', '.join(counted)}")
    return phrases


def build_figure_rows(output: OutputDiff) -> list[FigureRow]:
    """Build the figure rows of one output; columns are sorted by the size of their change."""
    estimate = output.estimate
    if estimate.status != "estimated" or estimate.units_affected is None or not estimate.units_affected.sample:
        return []
    counts: list[tuple[str, EstimatedFigure]] = [
        (f"{estimate.unit} affected", estimate.units_affected),
        ("rows added", estimate.rows_added),
        ("rows removed", estimate.rows_removed),
        ("rows changed", estimate.rows_changed),
    ]
    rows = [
        FigureRow(
            label=what,
            value=format_rounded(round(count.estimate)),
            interval=_describe_interval(count),
            chart=build_interval_chart(count),
        )
        for what, count in counts
        if count.estimate
    ]
    for name in _list_changed_totals(estimate)[:_MAX_COLUMNS]:
        total, mean = estimate.totals[name], estimate.means.get(name)
        rows.append(_build_change_row(f"total of {name}", total.change, before=total.baseline))
        if mean is not None and mean.change.estimate:
            rows.append(_build_change_row(f"mean of {name}", mean.change, before=mean.baseline))
    return rows


def build_interval_chart(figure: EstimatedFigure) -> IntervalChart | None:
    """Build an interval's chart on an axis from 0 to the interval's far end.

    >>> from sandbox.manifest.diff import EstimatedFigure
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


def format_with_margin(estimate: float, half: float) -> str:
    """Return an amount and half its interval, to two significant digits of the latter.

    >>> format_with_margin(182_345.6, 20_987.0), format_with_margin(0.123456, 0.0045), format_with_margin(-3.0, 0.0)
    ('182,000 ± 21,000', '0.1235 ± 0.0045', '3')
    """
    size = abs(estimate)
    if half <= 0 or not math.isfinite(half):
        return format_change(size).lstrip("+−")
    return f"{format_to_precision(size, half)} ± {format_to_precision(half, half)}"


def format_to_precision(amount: float, half: float) -> str:
    """Return an amount, rounded to the second significant digit of half its interval.

    >>> format_to_precision(-182_345.6, 20_987.0), format_to_precision(0.5, 1e-20)
    ('−182,000', '0.5')
    """
    digits = 1 - math.floor(math.log10(float(f"{half:.1e}")))
    text = f"{abs(amount):.4g}" if digits > 12 else f"{round(abs(amount), digits):,.{max(digits, 0)}f}"
    return ("−" if amount < 0 else "") + text


def _describe_no_effect(output: OutputDiff) -> str:
    """Return the meaning of a sample without affected units."""
    estimate = output.estimate
    units, unit = estimate.units_affected, estimate.unit or "units"
    assert units is not None
    where = "No difference" if output.is_same else f"No difference in rows of the {unit} that were drawn"
    if units.status == "exact":
        return f"{where}, in all {format_number(estimate.population or 0)} {unit}."
    if units.high is None:
        return f"{where}."
    return (
        f"{where}; a change that affects more than {format_number(int(units.high))} {unit} "
        "would have been seen with 95 % probability."
    )


def _format_share_interval(units: EstimatedFigure, population: int) -> str:
    if units.low is None or units.high is None or not population:
        return ""
    low, high = format_share(units.low / population), format_share(units.high / population)
    return f", 95 %: {low.removesuffix(' %')} to {high}"


def _describe_unit_effect(output: OutputDiff) -> str:
    """Return the effect on one affected unit."""
    rows = output.rows
    changed = [name for name, column in output.columns.items() if column.changed and name not in output.tainted]
    if len(changed) == 1 and not rows.added and not rows.removed:
        name = changed[0].replace("_", " ")
        return f"get {'other' if name.endswith('s') else 'another'} {name}"
    if (rows.changed and changed) or (rows.added and rows.removed):
        return "get other rows"
    return "get further rows" if rows.added else "lose rows" if rows.removed else "be affected"


def _describe_total_change(output: OutputDiff) -> str:
    """Return the change of the most important total; empty if none changes."""
    moved = _list_changed_totals(output.estimate)
    if not moved:
        return ""
    name = moved[0]
    change = output.estimate.totals[name].change
    assert change.estimate is not None
    what = (
        "the total" if sum(bool(column.changed) for column in output.columns.values()) == 1 else f"the total of {name}"
    )
    if change.low is None or change.high is None:
        return f"too few of them were drawn to say how far {what} moves"
    verb = "falls" if change.estimate < 0 else "rises"
    doubt = ", probably more" if change.status == "probably_too_narrow" else ""
    return f"{what} {verb} by {format_with_margin(change.estimate, (change.high - change.low) / 2)}{doubt}"


def _list_changed_totals(estimate: OutputEstimate) -> list[str]:
    """Return the columns whose total changes: those with an interval first, then by share of the total."""

    def sort_key(name: str) -> tuple[bool, float, str]:
        total = estimate.totals[name]
        return total.change.low is None, -abs(total.relative.estimate or 0.0), name

    return sorted((name for name, total in estimate.totals.items() if total.change.estimate), key=sort_key)


def _build_change_row(what: str, figure: EstimatedFigure, *, before: EstimatedFigure) -> FigureRow:
    of = f" of {format_rounded(before.estimate)}" if before.estimate is not None else ""
    amount = format_change(figure.estimate)
    half = _compute_half_width(figure)
    if half and figure.estimate:
        amount = ("+" if figure.estimate > 0 else "") + format_to_precision(figure.estimate, half)
    return FigureRow(
        label=what,
        value=f"{amount}{of}",
        interval=_describe_interval(figure, half=half),
        chart=build_interval_chart(figure),
    )


def _compute_half_width(figure: EstimatedFigure) -> float | None:
    """Compute half the width of an interval; None if it does not exist or has no width."""
    if figure.low is None or figure.high is None or not 0 < figure.high - figure.low < math.inf:
        return None
    return (figure.high - figure.low) / 2


def _describe_interval(figure: EstimatedFigure, *, half: float | None = None) -> str:
    if figure.status == "exact":
        return "exact: every unit was drawn"
    if figure.low is None and figure.high is None:
        return "no interval: too few units"
    low, high = (
        format_to_precision(limit, half) if half and limit is not None else format_rounded(limit and round(limit))
        for limit in (figure.low, figure.high)
    )
    text = f"at least {low}" if figure.high is None else f"{low} to {high}"
    return text + (", probably wider" if figure.status == "probably_too_narrow" else "")
