"""What happened in the rows that differ: counts, and each column's part in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.compare.rows.row_matching import SIDES
from sandbox.compare.sql_types import has_exact_sums
from sandbox.compare.tolerance import render_change_sql, render_differs_sql
from sandbox.manifest.diff import ColumnChanges, RowCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sandbox.compare.columns import ComparedColumn, SideName, TableShape
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session

_COLUMNS_PER_QUERY = 40  # columns in one query; a table of thousands would make one that takes long to plan


@dataclass(frozen=True, kw_only=True)
class ChangeCounts:
    """Row counts and each column's changes; ``changed`` are the changed rows that are no noise."""

    rows: RowCounts
    columns: dict[str, ColumnChanges]
    changed: int = 0


def render_pairs_sql(plan: ComparisonPlan) -> str:
    """Give the rows that both sides have and that may differ, as ``b`` and ``c``."""
    on = " and ".join(f"b.{key} = c.{key}" for key in plan.key_names)
    if plan.direct:
        return f"all_baseline b join all_candidate c on {on}"
    return f"late_baseline b join late_candidate c on b.paired and c.paired and {on}"


def render_pair_differs_sql(plan: ComparisonPlan) -> str:
    """Give the SQL that tells whether a pair differs at all."""
    return _render_any_differs_sql(column for column in plan.columns if column not in plan.key)


def render_only_noise_sql(plan: ComparisonPlan) -> str:
    """Give the SQL that tells whether tainted columns alone explain that a pair differs."""
    if not plan.has_nondeterministic_columns:
        return "false"
    return f"not ({_render_any_differs_sql(column for column in plan.columns if column not in plan.key and not column.is_nondeterministic)})"


def render_added_and_removed_sql(plan: ComparisonPlan, baseline: str, candidate: str) -> list[str]:
    """Give the removed and the added rows: the columns of their unit, and ``n`` of them.

    Rows of one ``u`` are the same but for tainted columns, so they have one unit, and cancel each other.
    """
    digest = plan.deterministic_digest if plan.has_nondeterministic_columns else plan.row_digest
    net = "select u, sum(b - c)::BIGINT as net from loose group by u"
    return [
        f"select * exclude (u, net), {sign}net as n from ({net}) join "
        f"(select distinct on (u) {columns}, {digest} as u from late_{side} where not paired) using (u) "
        f"where {sign}net > 0"
        for side, columns, sign in zip(SIDES, (baseline, candidate), ("", "-"), strict=True)
    ]


def _render_any_differs_sql(columns: Iterable[ComparedColumn]) -> str:
    return " or ".join(render_differs_sql(column) for column in columns) or "false"


def count_changes(
    session: Session, plan: ComparisonPlan, shapes: dict[SideName, TableShape], *, doing: str
) -> ChangeCounts:
    """Count what `collect` left.

    Without a key no row of one side is a row of the other; columns are then given only where nothing differs.
    """
    [(removed, added, net)] = session.fetch_rows(
        "select coalesce(sum(b - c) filter (b > c), 0), coalesce(sum(c - b) filter (c > b), 0), "
        "(select coalesce(sum(abs(net)), 0) from (select sum(b - c) as net from loose group by u)) from loose",
        doing=doing,
    )
    changed, noise, columns = _count_pairs(session, plan, doing) if plan.key else (0, 0, {})
    baseline, candidate = (shapes[side].rows for side in SIDES)
    rows = RowCounts(
        baseline=baseline,
        candidate=candidate,
        added=int(added),
        removed=int(removed),
        changed=changed,
        unchanged=baseline - int(removed) - changed,
        noise=noise + int(removed) + int(added) - int(net),
    )
    if not plan.key and rows.different:
        return ChangeCounts(rows=rows, columns={}, changed=0)
    common = rows.changed + rows.unchanged
    given = {
        column.name: _build_column_changes(column, columns.get(column.name, [0, 0, 0]), common)
        for column in plan.columns
    }
    return ChangeCounts(rows=rows, columns=given, changed=changed - noise)


def _count_pairs(session: Session, plan: ComparisonPlan, doing: str) -> tuple[int, int, dict[str, list[Any]]]:
    """Count in one pass the pairs that differ, those that are noise, and what happened to each column."""
    given: dict[str, list[Any]] = {}
    changed = noise = 0
    batches = list(_split_columns([column for column in plan.columns if column not in plan.key])) or [[]]
    for number, some in enumerate(batches):
        wanted = [expression for column in some for expression in _render_aggregates(column)]
        if number == 0:
            differ = render_pair_differs_sql(plan)
            wanted += [
                f"count(*) filter ({differ})",
                f"count(*) filter (({differ}) and {render_only_noise_sql(plan)})",
            ]
        [figures] = session.fetch_rows(f"select {', '.join(wanted)} from {render_pairs_sql(plan)}", doing=doing)
        left = iter(figures)
        given |= {column.name: [next(left) for _ in _render_aggregates(column)] for column in some}
        if number == 0:
            changed, noise = left
    return changed, noise, given


def _split_columns(columns: Sequence[ComparedColumn]) -> Iterator[Sequence[ComparedColumn]]:
    for start in range(0, len(columns), _COLUMNS_PER_QUERY):
        yield columns[start : start + _COLUMNS_PER_QUERY]


def _render_aggregates(column: ComparedColumn) -> list[str]:
    raw, where = (
        (column.format_raw_name("baseline"), column.format_raw_name("candidate")),
        render_differs_sql(column),
    )
    given = [
        f"count(*) filter ({where})",
        f"count(*) filter ({where} and b.{raw[0]} is not null and c.{raw[1]} is null)",
        f"count(*) filter ({where} and b.{raw[0]} is null and c.{raw[1]} is not null)",
    ]
    if column.is_measurable:
        assert column.common is not None
        # Kahan's sum, so that threads and the order of rows do not show in the digits that are kept.
        functions = ("count", "sum" if has_exact_sums(column.common) else "fsum", "min", "max")
        given += [f"{function}({render_change_sql(column)}) filter ({where})" for function in functions]
    return given


def _build_column_changes(column: ComparedColumn, figures: list[Any], common: int) -> ColumnChanges:
    changed, to_null, from_null, *numbers = figures
    mean = largest = total = None
    if numbers and numbers[0]:
        numeric, sum_, low, high = numbers
        total = round_number(float(sum_))
        mean = round_number(float(sum_) / numeric)
        largest = round_number(float(high if abs(high) >= abs(low) else low))
    return ColumnChanges(
        changed=changed,
        match_rate=1.0 - changed / common if common else 1.0,
        to_null=to_null,
        from_null=from_null,
        mean_change=mean,
        max_change=largest,
        total_change=total,
        change_in="seconds" if column.is_measurable and not column.is_numeric else None,
    )


def round_number(number: float) -> float | None:
    """Give a figure with twelve significant digits; None where it is too large for a number.

    >>> round_number(10.01 - 10.0)
    0.01
    """
    return float(f"{number:.12g}") if math.isfinite(number) else None
