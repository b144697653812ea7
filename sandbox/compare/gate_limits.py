"""The gate's limits on totals in production, and percentages as the gate writes them. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sandbox.config.toml_quoting import quote_key, quote_text
from sandbox.manifest.diff import GateResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.manifest.diff import OutputDiff
    from sandbox.manifest.output_estimate import EstimatedFigure

LIMIT_TOLERANCE = 1e-12  # 0.7 / 100 is a little less than 7 / 1000


def split_output_column(named: str, outputs: Mapping[str, OutputDiff]) -> tuple[str, str]:
    """Return the output and the column of ``OUTPUT.COLUMN``; both may hold dots."""
    fitting = [name for name in outputs if named.startswith(f"{name}.")]
    output = max(fitting, key=len, default=named.partition(".")[0])
    return output, named[len(output) + 1 :]


def render_accept_line(key: str, value: str, *, output: str | None = None) -> str:
    """Return what to write into ``sandbox.toml`` to accept what was found.

    >>> render_accept_line("changed_rows", "3%", output="orders")
    '[outputs.orders.gate] changed_rows = "3%"'
    """
    table = "[gate]" if output is None else f"[outputs.{quote_key(output)}.gate]"
    return f"{table} {key} = {quote_text(value)}"


def render_accepted_share(share: float) -> str:
    """Return a share as a limit that accepts it: rounded up to two significant digits.

    >>> render_accepted_share(0.0258), render_accepted_share(1 / 3), render_accepted_share(1e-9), render_accepted_share(2)
    ('2.6%', '34%', '0.0000001%', '100%')
    """
    percent = min(share, 1.0) * 100
    digits = max(0, 1 - math.floor(math.log10(percent))) if percent > 0 else 0
    rounded = math.ceil(round(percent * 10**digits, 6)) / 10**digits
    text = f"{min(rounded, 100.0):.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def evaluate_total_change(
    name: str, column: str, limit: float, outputs: Mapping[str, OutputDiff], *, own: bool = False
) -> GateResult:
    """Judge the estimated change of a column's total in production, as a share of that total.

    It is held where the whole interval lies within the limit, or where no value of the sample changed. It is not where
    something changed and the figure is neither exact nor estimated with both limits. ``own``: the rule is of the output's own gate.
    """
    output, accept = outputs.get(name), None
    problem = _find_problem(output, column)
    if problem is not None or output is None:
        held, found = False, f"not estimated: {problem}"
    elif _is_unchanged(output, column):
        held, found = True, "no change in the sample"
    else:
        change = output.estimate.totals[column].relative
        held, found = _compare_with_limit(change, limit)
        accept = None if held else _render_accepted_change(name, column, change, own=own)
    return GateResult(
        rule=f"total_change {name}.{column}",
        output=None if output is None else name,
        limit=format_percent(limit),
        held=held,
        found=found,
        accept=accept,
    )


def _render_accepted_change(name: str, column: str, change: EstimatedFigure, *, own: bool) -> str | None:
    """Return the limit that accepts the whole interval; None where there is none, or it exceeds 100 %."""
    if change.status not in {"exact", "estimated"} or change.low is None or change.high is None:
        return None
    if max(abs(change.low), abs(change.high)) > 1:
        return None
    key = quote_key(column if own else f"{name}.{column}")
    limit = render_accepted_share(max(abs(change.low), abs(change.high)))
    table = f"[outputs.{quote_key(name)}.gate.total_change]" if own else "[gate.total_change]"
    return f"{table} {key} = {quote_text(limit)}"


def _find_problem(output: OutputDiff | None, column: str) -> str | None:
    """Describe why nothing can be said of a total, if so."""
    if output is None:
        return "there is no such output"
    if output.status != "compared":
        return f"output {output.status}"
    if column in output.tainted:
        return "the column differs from run to run"
    if column not in output.columns and column not in output.estimate.totals:
        return "there is no such column to compare"
    if not _is_unchanged(output, column) and column not in output.estimate.totals:
        return output.estimate.reason or "the column holds no numbers"
    return None


def _is_unchanged(output: OutputDiff, column: str) -> bool:
    """True where the column has the same values in the same rows on both sides of the sample."""
    rows = output.rows
    if not rows.different:
        return True
    found = output.columns.get(column)
    return not (rows.added or rows.removed) and found is not None and not found.changed


def _compare_with_limit(change: EstimatedFigure, limit: float) -> tuple[bool, str]:
    """Return whether a change stays within a limit, and what was found; one limit, or none, is not enough."""
    if change.estimate is None or change.status == "not_estimated":
        return False, "not estimated"
    if change.status == "lower_bound":
        bound = change.low if change.low is not None else change.high
        return False, f"{format_signed_percent(bound or 0.0)} at least, and nothing is known of the most"
    if change.low is None or change.high is None or change.status not in {"exact", "estimated"}:
        return False, "too few units carry it to say how far, or in which direction"
    held = max(abs(change.low), abs(change.high)) <= limit * (1 + LIMIT_TOLERANCE)
    if change.status == "exact":
        return held, format_signed_percent(change.estimate)
    limits = f"{format_signed_percent(change.low)} to {format_signed_percent(change.high)}"
    return held, f"{format_signed_percent(change.estimate)} (95 %: {limits})"


def has_uncounted_differences(output: OutputDiff) -> bool:
    """True where rows differ that no estimate counts."""
    return output.estimate.left_out is not None and output.estimate.left_out.different > 0


def format_signed_percent(part: float) -> str:
    """Return a change as a percentage with its sign.

    >>> format_signed_percent(0.02), format_signed_percent(-1 / 3), format_signed_percent(0.0)
    ('+2 %', '−33.33 %', '0 %')
    """
    return ("" if part == 0 else "+" if part > 0 else "−") + format_percent(abs(part))


def format_percent(part: float) -> str:
    """Return a share as a percentage that is never rounded down to nothing or up to all.

    >>> format_percent(0.02), format_percent(1 / 3), format_percent(1e-9), format_percent(0.99999)
    ('2 %', '33.33 %', '0.0000001 %', '99.999 %')
    """
    digits = 2
    while 0 < part < 1 and digits < 12 and float(f"{part * 100:.{digits}f}") in {0.0, 100.0}:
        digits += 1
    text = f"{part * 100:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"
