"""A few differing rows of each kind, as JSON values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sandbox.compare.rows.change_counts import any_differs, only_noise, pairs
from sandbox.compare.sql_types import INTEGERS
from sandbox.compare.tolerance import differs
from sandbox.manifest.diff import Example

if TYPE_CHECKING:
    from pydantic import JsonValue

    from sandbox.compare.columns import Column, SideName
    from sandbox.compare.rows.change_counts import Changes
    from sandbox.compare.rows.row_matching import Plan
    from sandbox.engine.duckdb.session import Session

OF_EACH_KIND = 5
LONGEST = 200
_ENOUGH = 2000


def examples(session: Session, plan: Plan, changes: Changes, *, doing: str) -> list[Example]:
    """Give up to five changed, five removed and five added rows; noise only where there is nothing else.

    Which ones depends on the rows alone: those with the smallest hash of the key, or of the row.
    """
    changed = _changed(session, plan, changes, doing) if plan.key and changes.rows.changed else []
    return [
        *changed,
        *_surplus(session, plan, "baseline", doing),
        *_surplus(session, plan, "candidate", doing),
    ]


def _changed(session: Session, plan: Plan, changes: Changes, doing: str) -> list[Example]:
    others = [column for column in plan.columns if column not in plan.key]
    first, second = (", ".join(f"{row}.{key}" for key in plan.keys) for row in "bc")
    where = any_differs(plan)
    if changes.changed:
        where = f"({where}) and not ({only_noise(plan)})"
    if (
        parts := changes.changed // _ENOUGH
    ) > 1:  # of very many rows only those with a small hash are looked at
        where += "".join(f" and hash({keys}) < {2**64 // parts}::UBIGINT" for keys in (first, second))
    wanted = [_shown(column, "baseline", "b") for column in plan.key]
    for column in others:
        wanted += [differs(column), _shown(column, "baseline", "b"), _shown(column, "candidate", "c")]
    found = session.rows(
        f"select {', '.join(wanted)} from {pairs(plan)} where {where} "
        f"order by hash({first}), {first} limit {OF_EACH_KIND}",
        doing=doing,
    )
    given = []
    for row in found:
        left = iter(row)
        key = {column.name: json_value(next(left)) for column in plan.key}
        cells = [(column.name, next(left), next(left), next(left)) for column in others]
        given.append(
            Example(
                kind="changed",
                key=key,
                baseline={name: json_value(before) for name, differ, before, _ in cells if differ},
                candidate={name: json_value(after) for name, differ, _, after in cells if differ},
            )
        )
    return given


def _surplus(session: Session, plan: Plan, side: SideName, doing: str) -> list[Example]:
    """Rows that one side has more often: removed ones of the baseline, added ones of the candidate."""
    if not plan.columns:
        return []
    wanted = ", ".join(_shown(column, side, "t") for column in plan.columns)
    more = "l.b > l.c" if side == "baseline" else "l.c > l.b"
    found = session.rows(
        f"select distinct on (l.h) {wanted} from late_{side} t join "
        f"(select h from loose l where {more} order by noise, h limit {OF_EACH_KIND}) l on l.h = {plan.hashed} "
        "where not t.paired order by l.h",
        doing=doing,
    )
    given = []
    for row in found:
        cells = dict(zip(plan.columns, map(json_value, row), strict=True))
        key = {column.name: cells[column] for column in plan.key}
        others = {column.name: shown for column, shown in cells.items() if column not in plan.key}
        if side == "baseline":
            given.append(Example(kind="removed", key=key, baseline=others, candidate=None))
        else:
            given.append(Example(kind="added", key=key, baseline=None, candidate=others))
    return given


def _shown(column: Column, side: SideName, row: str) -> str:
    """Give the SQL of a value as a number, a truth value or a text that is not much longer than what is shown."""
    raw, type_ = f"{row}.{column.raw(side)}", column.type(side)
    if type_ in INTEGERS or type_ in {"BOOLEAN", "DOUBLE", "HUGEINT", "UHUGEINT"}:
        return raw
    if type_ == "FLOAT":  # by way of its text: 0.1, not 0.10000000149011612
        return f"{raw}::VARCHAR::DOUBLE"
    if type_ == "BLOB":
        return f"left(hex({raw}), {LONGEST + 1})"
    return f"left({raw}::VARCHAR, {LONGEST + 1})"


def json_value(found: Any) -> JsonValue:
    """Give a value as JSON; floats that are no numbers as text, and long text cut.

    >>> json_value(float("nan")), json_value("x" * 300)[-3:]
    ('NaN', 'xx…')
    """
    if isinstance(found, float) and not math.isfinite(found):
        return "NaN" if math.isnan(found) else "Infinity" if found > 0 else "-Infinity"
    if isinstance(found, str) and len(found) > LONGEST:
        return found[: LONGEST - 1] + "…"
    given: JsonValue = found
    return given
