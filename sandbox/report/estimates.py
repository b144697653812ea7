"""Describe a change's estimated effect on production, for every report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import (
    NO_VALUE,
    format_count,
    format_number,
    format_share,
    truncate_text,
)
from sandbox.report.figures import (
    describe_interval,
    format_estimated_count,
    format_least,
    format_to_precision,
    get_unit_name,
    has_direction,
    list_changed_totals,
    rank_total,
)

if TYPE_CHECKING:
    from sandbox.manifest.diff import DiffDocument, OutputDiff
    from sandbox.manifest.output_estimate import EstimatedFigure, GroupEstimate, OutputEstimate

INTERVAL_CAVEAT = (
    "95 % is over draws: of a hundred samples with other salts, about 95 would have intervals that hold the truth. One salt "
    "always misses the same units, and of many intervals some are wrong."
)
_MAX_SENTENCES = 3
_MAX_NAMES = 5
_MAX_NAME_LENGTH = 60  # characters of an output's name


def describe_estimate(output: OutputDiff) -> str | None:
    """Return the estimate in one sentence; None if there is no estimate."""
    estimate = output.estimate
    units = estimate.units_affected
    if estimate.status == "estimated" and estimate.groups is not None:
        return _describe_groups(output, estimate.groups)
    if estimate.status != "estimated" or units is None or units.estimate is None:
        return None
    if not units.sample:
        return _describe_no_effect(output)
    population = estimate.population or 0
    limits = "" if units.status == "exact" else _format_share_interval(units, population)
    start = f"In production {_describe_units(estimate, units, limits)}"
    total = _describe_total_change(output)
    return f"{start} would {_describe_unit_effect(output)}{f'; {total}' if total else ''}."


def describe_affected_units(output: OutputDiff) -> str | None:
    """Return how much of production is affected, without limits; None if it is not estimated."""
    units = output.estimate.units_affected
    if output.estimate.status != "estimated" or units is None or units.estimate is None or not units.sample:
        return None
    return f"in production {_describe_units(output.estimate, units, '')}"


def _describe_units(estimate: OutputEstimate, units: EstimatedFigure, limits: str) -> str:
    population = estimate.population or 0
    part = format_share(units.estimate / population) if population and units.estimate is not None else NO_VALUE
    about = "" if units.status == "exact" else "about "
    return f"{about}{format_estimated_count(units)} of {format_number(population)} {get_unit_name(estimate)} ({part}{limits})"


def explain_missing_estimate(output: OutputDiff) -> str | None:
    """Return the reason for a missing estimate; None if there is an estimate."""
    return output.estimate.reason if output.estimate.status != "estimated" else None


def explain_missing_estimates(ordered: list[tuple[str, OutputDiff]]) -> list[str]:
    """Return why outputs have no estimate: each reason once, with the outputs that it applies to, the first few by name."""
    outputs_by_reason: dict[str, list[str]] = {}
    for name, output in ordered:
        if (why := explain_missing_estimate(output)) is not None:
            outputs_by_reason.setdefault(why, []).append(truncate_text(name, _MAX_NAME_LENGTH))
    return [f"{_list_names(names)}: not estimated for production: {why}" for why, names in outputs_by_reason.items()]


def _list_names(names: list[str]) -> str:
    """Return names of outputs, few enough that the line's end is shown.

    >>> _list_names(["a", "b"]), _list_names(list("abcdefgh"))
    ('a, b', 'a, b, c, d, e and 3 more outputs')
    """
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {format_count(more, 'more output')}" if more > 0 else "")


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
    estimate, unit = output.estimate, get_unit_name(output.estimate)
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
    if estimate.groups is not None:
        phrases += [f"{column} is not estimated: {why}" for column, why in estimate.groups.left_out.items()]
    if estimate.checked_units is not None and estimate.checked_units < (estimate.population or 0):
        phrases.append(f"a limit above {format_number(estimate.checked_units)} {unit} would not be seen")
    return phrases


def _describe_groups(output: OutputDiff, groups: GroupEstimate) -> str:
    """Return what random groups tell about an output whose rows name no unit."""
    source = f"from {groups.count} random groups of {get_unit_name(output.estimate)}"
    total = _describe_total_change(output)
    return f"In production {total} ({source})." if total else f"No total of it changes in the sample ({source})."


def _describe_no_effect(output: OutputDiff) -> str:
    """Return the meaning of a sample without affected units."""
    estimate = output.estimate
    units, unit = estimate.units_affected, get_unit_name(estimate)
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
    """Return the change of the most important total, the relative one first; empty if none changes."""
    estimate = output.estimate
    moved = list_changed_totals(estimate)
    if not moved:
        return ""
    name, total = moved[0], estimate.totals[moved[0]]
    alone = sum(bool(column.changed) for column in output.columns.values()) == 1
    what = "the total" if alone else f"the total of {name}"
    if name in estimate.truth_columns:
        what = f"the number of rows with {name}"
    if rank_total(total) == len({"estimated", "lower_bound"}):
        few = "too few of them were drawn" if estimate.groups is None else "too few units were drawn"
        return f"{few} to say how far {what} moves; direction unclear"
    relative, change = total.relative, total.change
    leading = relative if relative.status not in {"bounded", "not_estimated"} else change
    if leading.status == "estimated" and not has_direction(leading):
        ranges = [
            describe_interval(relative, factor=100, unit=" %", signed=True),
            describe_interval(change, signed=True),
        ]
        return f"{what} has no clear direction ({'; '.join(text for text in ranges if text)})"
    verb = "falls" if (leading.estimate or 0) < 0 else "rises"
    amounts = [_describe_amount(relative, factor=100, unit=" %"), _describe_amount(change)]
    known = ", that is by ".join(amount for amount in amounts if amount)
    return f"{what} {verb} by {known}{_describe_unseen_change(estimate, change)}"


def _describe_amount(figure: EstimatedFigure, *, factor: float = 1, unit: str = "") -> str:
    """Return how far a total moves in its direction, with both limits if they are known; empty without a direction."""
    if figure.status in {"bounded", "not_estimated"} or figure.estimate is None:
        return ""
    if figure.status == "lower_bound":
        limit = figure.low if figure.low is not None else figure.high
        return f"at least {format_least(abs(limit or 0.0) * factor)}{unit}"
    if figure.low is None or figure.high is None or not has_direction(figure):
        return ""
    half = (figure.high - figure.low) / 2 * factor
    amount = format_to_precision(abs(figure.estimate) * factor, half)
    near, far = sorted((abs(figure.low) * factor, abs(figure.high) * factor))
    limits = f" ({format_to_precision(near, half)} to {format_to_precision(far, half)}{unit})" if half else ""
    return f"{amount}{unit}{limits}"


def _describe_unseen_change(estimate: OutputEstimate, change: EstimatedFigure) -> str:
    """Return how much the largest units that were not drawn could add, where that is not small beside the interval."""
    if change.status != "estimated" or change.low is None or change.high is None or not change.unseen_change:
        return ""
    half = (change.high - change.low) / 2
    if change.unseen_change <= half / 2:
        return ""
    more = format_to_precision(change.unseen_change, half or change.unseen_change)
    return f"; if the ten largest {get_unit_name(estimate)} not drawn changed too, up to {more} more"
