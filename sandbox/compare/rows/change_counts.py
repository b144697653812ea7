"""What happened in the rows that differ: counts, and each column's part in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.compare.rows.row_matching import SIDES
from sandbox.compare.sql_types import is_exact
from sandbox.compare.tolerance import change, differs
from sandbox.manifest.diff import ColumnChanges, Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sandbox.compare.columns import Column, Shape, SideName
    from sandbox.compare.rows.row_matching import Plan
    from sandbox.engine.duckdb.session import Session

_AT_ONCE = 40  # columns in one query; a table of thousands would make one that takes long to plan


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Row counts and each column's changes; ``changed`` are the changed rows that are no noise."""

    rows: Rows
    columns: dict[str, ColumnChanges]
    changed: int = 0


def pairs(plan: Plan) -> str:
    """Give the rows that both sides have and that may differ, as ``b`` and ``c``."""
    on = " and ".join(f"b.{key} = c.{key}" for key in plan.keys)
    if plan.direct:
        return f"all_baseline b join all_candidate c on {on}"
    return f"late_baseline b join late_candidate c on b.paired and c.paired and {on}"


def any_differs(plan: Plan) -> str:
    """Give the SQL that tells whether a pair differs at all."""
    return _any(column for column in plan.columns if column not in plan.key)


def only_noise(plan: Plan) -> str:
    """Give the SQL that tells whether tainted columns alone explain that a pair differs."""
    if not plan.tainted:
        return "false"
    return f"not ({_any(column for column in plan.columns if column not in plan.key and not column.tainted)})"


def differing(plan: Plan, baseline: str, candidate: str) -> list[str]:
    """Give the removed and the added rows: the columns of their unit, and ``n`` of them.

    Rows of one ``u`` are the same but for tainted columns, so they have one unit, and cancel each other.
    """
    hashed = plan.untainted if plan.tainted else plan.hashed
    net = "select u, sum(b - c)::BIGINT as net from loose group by u"
    return [
        f"select * exclude (u, net), {sign}net as n from ({net}) join "
        f"(select distinct on (u) {columns}, {hashed} as u from late_{side} where not paired) using (u) "
        f"where {sign}net > 0"
        for side, columns, sign in zip(SIDES, (baseline, candidate), ("", "-"), strict=True)
    ]


def _any(columns: Iterable[Column]) -> str:
    return " or ".join(differs(column) for column in columns) or "false"


def count(session: Session, plan: Plan, shapes: dict[SideName, Shape], *, doing: str) -> Changes:
    """Count what `collect` left.

    Without a key no row of one side is a row of the other; columns are then given only where nothing differs.
    """
    [(removed, added, net)] = session.rows(
        "select coalesce(sum(b - c) filter (b > c), 0), coalesce(sum(c - b) filter (c > b), 0), "
        "(select coalesce(sum(abs(net)), 0) from (select sum(b - c) as net from loose group by u)) from loose",
        doing=doing,
    )
    changed, noise, columns = _paired(session, plan, doing) if plan.key else (0, 0, {})
    baseline, candidate = (shapes[side].rows for side in SIDES)
    rows = Rows(
        baseline=baseline,
        candidate=candidate,
        added=int(added),
        removed=int(removed),
        changed=changed,
        unchanged=baseline - int(removed) - changed,
        noise=noise + int(removed) + int(added) - int(net),
    )
    if not plan.key and rows.different:
        return Changes(rows=rows, columns={}, changed=0)
    common = rows.changed + rows.unchanged
    given = {
        column.name: _change(column, columns.get(column.name, [0, 0, 0]), common) for column in plan.columns
    }
    return Changes(rows=rows, columns=given, changed=changed - noise)


def _paired(session: Session, plan: Plan, doing: str) -> tuple[int, int, dict[str, list[Any]]]:
    """Count in one pass the pairs that differ, those that are noise, and what happened to each column."""
    given: dict[str, list[Any]] = {}
    changed = noise = 0
    batches = list(_batches([column for column in plan.columns if column not in plan.key])) or [[]]
    for number, some in enumerate(batches):
        wanted = [expression for column in some for expression in _aggregates(column)]
        if number == 0:
            differ = any_differs(plan)
            wanted += [f"count(*) filter ({differ})", f"count(*) filter (({differ}) and {only_noise(plan)})"]
        [figures] = session.rows(f"select {', '.join(wanted)} from {pairs(plan)}", doing=doing)
        left = iter(figures)
        given |= {column.name: [next(left) for _ in _aggregates(column)] for column in some}
        if number == 0:
            changed, noise = left
    return changed, noise, given


def _batches(columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    for start in range(0, len(columns), _AT_ONCE):
        yield columns[start : start + _AT_ONCE]


def _aggregates(column: Column) -> list[str]:
    raw, where = (column.raw("baseline"), column.raw("candidate")), differs(column)
    given = [
        f"count(*) filter ({where})",
        f"count(*) filter ({where} and b.{raw[0]} is not null and c.{raw[1]} is null)",
        f"count(*) filter ({where} and b.{raw[0]} is null and c.{raw[1]} is not null)",
    ]
    if column.measured:
        assert column.common is not None
        # Kahan's sum, so that threads and the order of rows do not show in the digits that are kept.
        functions = ("count", "sum" if is_exact(column.common) else "fsum", "min", "max")
        given += [f"{function}({change(column)}) filter ({where})" for function in functions]
    return given


def _change(column: Column, figures: list[Any], common: int) -> ColumnChanges:
    changed, to_null, from_null, *numbers = figures
    mean = largest = total = None
    if numbers and numbers[0]:
        numeric, sum_, low, high = numbers
        total = rounded(float(sum_))
        mean = rounded(float(sum_) / numeric)
        largest = rounded(float(high if abs(high) >= abs(low) else low))
    return ColumnChanges(
        changed=changed,
        match_rate=1.0 - changed / common if common else 1.0,
        to_null=to_null,
        from_null=from_null,
        mean_change=mean,
        max_change=largest,
        total_change=total,
        change_in="seconds" if column.measured and not column.numeric else None,
    )


def rounded(number: float) -> float | None:
    """Give a figure with twelve significant digits; None where it is too large for a number.

    >>> rounded(10.01 - 10.0)
    0.01
    """
    return float(f"{number:.12g}") if math.isfinite(number) else None
