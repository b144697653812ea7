"""A few differing rows of each kind, as JSON values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sandbox.compare.relations import Relation
from sandbox.compare.rows.change_counts import (
    render_accepted_sql,
    render_pair_differs_sql,
    render_pairs_sql,
)
from sandbox.compare.rows.column_differences import render_differs_sql
from sandbox.compare.sql_types import INTEGER_TYPES
from sandbox.manifest.diff import RowExample

if TYPE_CHECKING:
    from pydantic import JsonValue

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import Differences, SideName
    from sandbox.compare.rows.change_counts import ChangeCounts
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session

MAX_EXAMPLES_PER_KIND = 5
MAX_TEXT_LENGTH = 200
_SEARCHED_ROWS = 2000


def find_examples(
    session: Session, plan: ComparisonPlan, differences: Differences, changes: ChangeCounts, *, doing: str
) -> list[RowExample]:
    """Return up to five changed, five removed and five added rows; noise only where there is nothing else.

    Which ones depends on the rows alone: those with the smallest hash of the key, or of the row.
    """
    changed = (
        _find_changed_rows(session, plan, differences, changes, doing) if plan.key and changes.rows.changed else []
    )
    return [
        *changed,
        *(_find_surplus_rows(session, plan, differences, "baseline", doing) if changes.rows.removed else []),
        *(_find_surplus_rows(session, plan, differences, "candidate", doing) if changes.rows.added else []),
    ]


def _find_changed_rows(
    session: Session, plan: ComparisonPlan, differences: Differences, changes: ChangeCounts, doing: str
) -> list[RowExample]:
    others = plan.differing_columns
    first, second = (", ".join(f"{row}.{key}" for key in plan.key_names) for row in "bc")
    where = render_pair_differs_sql(plan)
    if changes.changed:
        where = f"({where}) and not ({render_accepted_sql(plan)})"
    if (parts := changes.changed // _SEARCHED_ROWS) > 1:  # of very many rows only those with a small hash are looked at
        where += "".join(f" and hash({keys}) < {2**64 // parts}::UBIGINT" for keys in (first, second))
    wanted = [_render_example_sql(column, "baseline", "b") for column in plan.key]
    for column in others:
        wanted += [
            render_differs_sql(column),
            _render_example_sql(column, "baseline", "b"),
            _render_example_sql(column, "candidate", "c"),
        ]
    found = session.fetch_rows(
        f"select {', '.join(wanted)} from {render_pairs_sql(plan, differences)} where {where} "
        f"order by hash({first}), {first} limit {MAX_EXAMPLES_PER_KIND}",
        doing=doing,
    )
    given = []
    for row in found:
        left = iter(row)
        key = {column.name: convert_to_json(next(left)) for column in plan.key}
        cells = [(column.name, next(left), next(left), next(left)) for column in others]
        given.append(
            RowExample(
                kind="changed",
                key=key,
                baseline={name: convert_to_json(before) for name, differ, before, _ in cells if differ},
                candidate={name: convert_to_json(after) for name, differ, _, after in cells if differ},
            )
        )
    return given


def _find_surplus_rows(
    session: Session, plan: ComparisonPlan, differences: Differences, side: SideName, doing: str
) -> list[RowExample]:
    """Rows that one side has more often: removed ones of the baseline, added ones of the candidate."""
    if not plan.columns:
        return []
    wanted = ", ".join(_render_example_sql(column, side, "t") for column in plan.columns)
    more = "b > c" if side == "baseline" else "c > b"
    chosen = f"select d, h from {differences.surplus} where {more} order by noise, h limit {MAX_EXAMPLES_PER_KIND}"
    rows = plan.render_unpaired_rows_sql(differences.differing[side], Relation(name="chosen"), "true")
    found = session.fetch_rows(
        f"with chosen as materialized ({chosen}) "
        f"select distinct on (l.h, l.d) {wanted} from ({rows}) t join chosen l on l.d = t.row_digest order by l.h",
        doing=doing,
    )
    given = []
    for row in found:
        cells = dict(zip(plan.columns, map(convert_to_json, row), strict=True))
        key = {column.name: cells[column] for column in plan.key}
        others = {column.name: shown for column, shown in cells.items() if column not in plan.key}
        if side == "baseline":
            given.append(RowExample(kind="removed", key=key, baseline=others, candidate=None))
        else:
            given.append(RowExample(kind="added", key=key, baseline=None, candidate=others))
    return given


def _render_example_sql(column: ComparedColumn, side: SideName, row: str) -> str:
    """Render the SQL of a value as a number, a truth value or a text that is not much longer than what is shown."""
    raw, type_ = f"{row}.{column.format_raw_name(side)}", column.select_type(side)
    if type_ in INTEGER_TYPES or type_ in {"BOOLEAN", "DOUBLE", "HUGEINT", "UHUGEINT"}:
        return raw
    if type_ == "FLOAT":  # by way of its text: 0.1, not 0.10000000149011612
        return f"{raw}::VARCHAR::DOUBLE"
    if type_ == "BLOB":
        return f"left(hex({raw}), {MAX_TEXT_LENGTH + 1})"
    return f"left({raw}::VARCHAR, {MAX_TEXT_LENGTH + 1})"


def convert_to_json(found: Any) -> JsonValue:
    """Return a value as JSON; floats that are no numbers as text, and long text cut.

    >>> convert_to_json(float("nan")), convert_to_json("x" * 300)[-3:]
    ('NaN', 'xx…')
    """
    if isinstance(found, float) and not math.isfinite(found):
        return "NaN" if math.isnan(found) else "Infinity" if found > 0 else "-Infinity"
    if isinstance(found, str) and len(found) > MAX_TEXT_LENGTH:
        return found[: MAX_TEXT_LENGTH - 1] + "…"
    given: JsonValue = found
    return given
