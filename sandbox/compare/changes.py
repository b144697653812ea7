"""What happened in the rows that differ: counts, and each column's part in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.compare.columns import difference
from sandbox.compare.rows import SIDES, value
from sandbox.manifest.diff import ColumnChanges, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.compare.columns import Column, Shape, SideName
    from sandbox.compare.rows import Plan
    from sandbox.engine.duck import Session

_AT_ONCE = 40  # columns in one query; a table of thousands would make one that takes long to plan


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Row counts and each column's changes."""

    rows: Rows
    columns: dict[str, ColumnChanges]


def differs(column: Column) -> str:
    """Give the SQL that tells whether a column differs in a pair ``b``, ``c`` beyond its tolerance."""
    name = value(column)
    distinct = f"b.{name} is distinct from c.{name}"
    if column.tolerance is None or not column.numeric:
        return f"({distinct})"
    assert column.common is not None
    absolute, relative = column.tolerance
    change = difference(column.common, f"b.{name}", f"c.{name}")
    within = f"abs({change}::DOUBLE) <= {absolute!r}::DOUBLE + {relative!r}::DOUBLE * abs(b.{name}::DOUBLE)"
    return f"({distinct} and not coalesce({_finite(name)} and {within}, false))"


def pairs(plan: Plan) -> str:
    """Give the rows that both sides have and that may differ, as ``b`` and ``c``."""
    on = " and ".join(f"b.{key} = c.{key}" for key in plan.keys)
    return f"late_baseline b join late_candidate c on b.paired and c.paired and {on}"


def any_differs(plan: Plan) -> str:
    """Give the SQL that tells whether a pair differs at all."""
    return " or ".join(differs(column) for column in plan.columns if column not in plan.key) or "false"


def settle(session: Session, plan: Plan, unit: Sequence[Column], *, doing: str) -> None:
    """Put the keys of pairs that do differ into ``changed``, with the units ``b<n>`` and ``c<n>`` that they touch."""
    if not plan.key:
        return
    keys = ", ".join(f"b.{key}" for key in plan.keys)
    units = "".join(
        f", {row}.{value(column)} as {row}{place}" for row in "bc" for place, column in enumerate(unit)
    )
    session.execute(
        f"create or replace temp table changed as select {keys}{units} from {pairs(plan)} where {any_differs(plan)}",
        doing=doing,
    )


def count(session: Session, plan: Plan, shapes: dict[SideName, Shape], *, doing: str) -> Changes:
    """Count the rows that `settle` left.

    Without a key no row of one side is a row of the other; columns are then given only where nothing differs.
    """
    [(removed, added)] = session.rows(
        "select coalesce(sum(b - c) filter (b > c), 0), coalesce(sum(c - b) filter (c > b), 0) from loose",
        doing=doing,
    )
    [(changed,)] = session.rows("select count(*) from changed", doing=doing) if plan.key else [(0,)]
    baseline, candidate = (shapes[side].rows for side in SIDES)
    rows = Rows(
        baseline=baseline,
        candidate=candidate,
        added=int(added),
        removed=int(removed),
        changed=int(changed),
        unchanged=baseline - int(removed) - int(changed),
    )
    if not plan.key and rows.different:
        return Changes(rows=rows, columns={})
    common = rows.changed + rows.unchanged
    columns = {column.name: ColumnChanges(changed=0, match_rate=1.0) for column in plan.columns}
    if changed:
        columns |= _columns(session, plan, common, doing)
    return Changes(rows=rows, columns=columns)


def _columns(session: Session, plan: Plan, common: int, doing: str) -> dict[str, ColumnChanges]:
    given = {}
    for some in _batches([column for column in plan.columns if column not in plan.key]):
        wanted = ", ".join(expression for column in some for expression in _aggregates(column))
        [figures] = session.rows(f"select {wanted} from {pairs(plan)}", doing=doing)
        left = iter(figures)
        for column in some:
            given[column.name] = _change([next(left) for _ in _aggregates(column)], common)
    return given


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
    if column.numeric:
        assert column.common is not None
        name = value(column)
        change = difference(column.common, f"b.{name}", f"c.{name}")
        both = f"filter ({where} and {_finite(name)})"
        # Kahan's sum, so that threads and the order of rows do not show in the digits that are kept.
        total = "fsum" if change.endswith("::DOUBLE)") else "sum"
        given += [
            f"count(*) {both}",
            f"{total}({change}) {both}",
            f"min({change}) {both}",
            f"max({change}) {both}",
        ]
    return given


def _finite(name: str) -> str:
    return f"isfinite(b.{name}::DOUBLE) and isfinite(c.{name}::DOUBLE)"


def _change(figures: list[Any], common: int) -> ColumnChanges:
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
    )


def rounded(number: float) -> float | None:
    """Give a figure with twelve significant digits; None where it is too large for a number.

    >>> rounded(10.01 - 10.0)
    0.01
    """
    return float(f"{number:.12g}") if math.isfinite(number) else None
