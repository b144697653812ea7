"""What happened in the rows that differ: counts, and each column's part in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sandbox.compare.relations import SIDES
from sandbox.compare.rows.column_differences import (
    render_change_sql,
    render_differs_sql,
    render_relative_difference_sql,
    render_rounding_sql,
)
from sandbox.compare.sql_types import has_exact_sums, render_count_sql
from sandbox.formatting import format_count
from sandbox.manifest.diff import ColumnChanges, RowCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import Differences
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session

_MEASURES = 4  # figures of a column whose changes have a size
_COLUMNS_PER_CHECK = 250  # columns in one query that asks of each whether it differs at all
_COLUMNS_PER_QUERY = 40  # columns in one query; a table of thousands would make one that takes long to plan


@dataclass(frozen=True, kw_only=True)
class ChangeCounts:
    """Row counts and each column's changes; ``changed`` are the changed rows that are neither noise nor rounding."""

    rows: RowCounts
    columns: dict[str, ColumnChanges]
    changed: int = 0


def render_pairs_sql(plan: ComparisonPlan, differences: Differences) -> str:
    """Render the rows that both sides have and that may differ, as ``b`` and ``c``."""
    on = " and ".join(f"b.{key} = c.{key}" for key in plan.key_names)
    if plan.direct:
        baseline, candidate = (differences.all_rows[side] for side in SIDES)
        return f"{baseline} b join {candidate} c on {on}"
    first, second = (differences.differing[side] for side in SIDES)
    return f"{first} b join {second} c on b.paired and c.paired and {on}"


def render_pair_differs_sql(plan: ComparisonPlan) -> str:
    """Render the SQL that tells whether a pair differs at all."""
    return _render_any_differs_sql(plan.differing_columns)


def render_accepted_sql(plan: ComparisonPlan) -> str:
    """Return the SQL that tells whether a differing pair is noise or rounding."""
    return f"({_render_noise_sql(plan)} or {_render_rounding_pair_sql(plan)})"


def _render_noise_sql(plan: ComparisonPlan) -> str:
    """Return the SQL that tells whether nondeterministic columns alone explain a differing pair."""
    if not plan.has_nondeterministic_columns:
        return "false"
    return f"not ({_render_any_differs_sql(_list_judged_columns(plan))})"


def _render_rounding_pair_sql(plan: ComparisonPlan) -> str:
    """Return the SQL that tells whether all that is judged of a differing pair, and something, differs by rounding."""
    judged = _list_judged_columns(plan)
    parts = [
        f"(not {differs} or {close})" if "isfinite" in close else f"not {differs}"
        for differs, close in ((render_differs_sql(column), render_rounding_sql(column)) for column in judged)
    ]
    if not any("isfinite" in part for part in parts):
        return "false"
    return f"(({_render_any_differs_sql(judged)}) and {' and '.join(parts)})"


def _list_judged_columns(plan: ComparisonPlan) -> list[ComparedColumn]:
    return [column for column in plan.differing_columns if not column.is_nondeterministic]


def render_added_and_removed_sql(
    plan: ComparisonPlan, differences: Differences, baseline: str, candidate: str
) -> list[str]:
    """Render the removed and the added rows: the columns of their unit, and ``n`` of them.

    Rows of one ``u`` are the same but for nondeterministic columns, so they have one unit, and cancel each other.
    """
    digest = plan.deterministic_digest if plan.has_nondeterministic_columns else plan.row_digest
    net = f"select u, sum(b - c)::BIGINT as net from {differences.surplus} group by u"
    return [
        f"select * exclude (u, net), {sign}net as n from ({net}) join "
        f"(select distinct on (u) {columns}, {digest} as u from {differences.differing[side]} where not paired) using (u) "
        f"where {sign}net > 0"
        for side, columns, sign in zip(SIDES, (baseline, candidate), ("", "-"), strict=True)
    ]


def _render_any_differs_sql(columns: Iterable[ComparedColumn]) -> str:
    return " or ".join(render_differs_sql(column) for column in columns) or "false"


def count_changes(session: Session, plan: ComparisonPlan, differences: Differences, *, doing: str) -> ChangeCounts:
    """Count the rows that were added, removed and changed, and the changes of each column.

    Without a key no row of one side is a row of the other; columns are then given only where nothing differs.

    Raises:
        AssertionError: The rows counted are not all rows of both sides.
    """
    [(removed, added, net)] = session.fetch_rows(
        "select coalesce(sum(b - c) filter (b > c), 0), coalesce(sum(c - b) filter (c > b), 0), "
        "(select coalesce(sum(abs(net)), 0) from "
        f"(select sum(b - c) as net from {differences.surplus} group by u)) from {differences.surplus}",
        doing=doing,
    )
    pairs, columns = _count_pairs(session, plan, differences, doing) if plan.key else (_NO_PAIRS, {})
    baseline, candidate = (differences.all_rows[side].rows for side in SIDES)
    unchanged = differences.equal + pairs.equal
    # Every row of both sides was counted, or some row was lost on the way: no verdict may rest on that.
    counted = (unchanged + int(removed) + pairs.changed, unchanged + int(added) + pairs.changed)
    assert counted == (baseline, candidate), (
        f"{doing}: {format_count(counted[0], 'row')} of {baseline:,} and {counted[1]:,} of {candidate:,} counted"
    )
    rows = RowCounts(
        baseline=baseline,
        candidate=candidate,
        added=int(added),
        removed=int(removed),
        changed=pairs.changed,
        unchanged=unchanged,
        noise=pairs.noise + int(removed) + int(added) - int(net),
        rounding=pairs.rounding,
        largest_rounding=pairs.largest_rounding,
    )
    if not plan.key and rows.different:
        return ChangeCounts(rows=rows, columns={}, changed=0)
    common = rows.changed + rows.unchanged
    given = {
        column.name: _build_column_changes(column, columns.get(column.name, [0, 0, 0]), common)
        for column in plan.columns
    }
    return ChangeCounts(rows=rows, columns=given, changed=pairs.changed - pairs.noise - pairs.rounding)


@dataclass(frozen=True, kw_only=True)
class _PairCounts:
    """The differing pairs, those of them that are noise or rounding, and the pairs that proved equal."""

    changed: int
    equal: int
    noise: int
    rounding: int
    largest_rounding: float | None


_NO_PAIRS = _PairCounts(changed=0, equal=0, noise=0, rounding=0, largest_rounding=None)


def _count_pairs(
    session: Session, plan: ComparisonPlan, differences: Differences, doing: str
) -> tuple[_PairCounts, dict[str, list[Any]]]:
    """Count the pairs that differ and what happened to each column.

    Raises:
        AssertionError: Some rows that differ were not paired again.
    """
    counts: dict[str, list[Any]] = {}
    totals: list[Any] = []
    if len(plan.other_columns) > _COLUMNS_PER_QUERY:
        plan = replace(plan, differing=_find_differing_columns(session, plan, differences, doing))
    batches = list(_split_columns(plan.differing_columns)) or [[]]
    if len(batches) > 1:  # the totals name every column: beside other aggregates they take several times as long
        batches = [[], *batches]
    for some in batches:
        wanted = [] if totals else _render_pair_totals(plan)
        size = len(wanted)
        wanted += [expression for column in some for expression in _render_aggregates(column)]
        [figures] = session.fetch_rows(
            f"select {', '.join(wanted)} from {render_pairs_sql(plan, differences)}", doing=doing
        )
        totals = totals or list(figures[:size])
        left = iter(figures[size:])
        counts |= {column.name: [next(left) for _ in _render_aggregates(column)] for column in some}
    changed, equal, noise, rounding, largest, pairs = totals
    if not plan.direct:
        [(expected,)] = session.fetch_rows(
            f"select count(*) from {differences.differing['baseline']} where paired", doing=doing
        )
        assert pairs == expected, f"{doing}: {format_count(expected - pairs, 'row')} not paired again"
    found = _PairCounts(changed=changed, equal=equal, noise=noise, rounding=rounding, largest_rounding=largest)
    return found, counts


def _find_differing_columns(
    session: Session, plan: ComparisonPlan, differences: Differences, doing: str
) -> frozenset[ComparedColumn]:
    """Return the columns that differ in some pair; in a wide table few do."""
    found: list[Any] = []
    for start in range(0, len(plan.other_columns), _COLUMNS_PER_CHECK):
        some = plan.other_columns[start : start + _COLUMNS_PER_CHECK]
        wanted = ", ".join(f"bool_or({render_differs_sql(column)})" for column in some)
        [flags] = session.fetch_rows(f"select {wanted} from {render_pairs_sql(plan, differences)}", doing=doing)
        found += flags
    return frozenset(column for column, differs in zip(plan.other_columns, found, strict=True) if differs)


def select_differing_columns(plan: ComparisonPlan, changes: ChangeCounts) -> ComparisonPlan:
    """Return the plan that knows which columns differ in pairs, once their changes are counted."""
    if not plan.key:
        return plan
    changed = {name for name, column in changes.columns.items() if column.changed}
    return replace(plan, differing=frozenset(column for column in plan.other_columns if column.name in changed))


def _render_pair_totals(plan: ComparisonPlan) -> list[str]:
    differ, rounding = render_pair_differs_sql(plan), _render_rounding_pair_sql(plan)
    relative = [
        f"case when {render_differs_sql(column)} then {sql} end"
        for column in _list_judged_columns(plan)
        if (sql := render_relative_difference_sql(column)) is not None
    ]
    largest = f"max(case when {rounding} then greatest({', '.join([*relative, 'null'])}) end)" if relative else "null"
    return [
        render_count_sql(differ),
        render_count_sql(f"not ({differ})"),
        render_count_sql(f"({differ}) and {_render_noise_sql(plan)}"),
        render_count_sql(rounding),
        largest,
        "count(*)",
    ]


def _split_columns(columns: Sequence[ComparedColumn]) -> Iterator[Sequence[ComparedColumn]]:
    for start in range(0, len(columns), _COLUMNS_PER_QUERY):
        yield columns[start : start + _COLUMNS_PER_QUERY]


def _render_aggregates(column: ComparedColumn) -> list[str]:
    raw, where = (
        (column.format_raw_name("baseline"), column.format_raw_name("candidate")),
        render_differs_sql(column),
    )
    given = [
        render_count_sql(where),
        render_count_sql(f"{where} and b.{raw[0]} is not null and c.{raw[1]} is null"),
        render_count_sql(f"{where} and b.{raw[0]} is null and c.{raw[1]} is not null"),
    ]
    if column.is_measurable:
        assert column.common is not None
        # Kahan's sum, so that threads and the order of rows do not show in the digits that are kept.
        functions = ("count", "sum" if has_exact_sums(column.common) else "fsum", "min", "max")
        given += [f"{function}(case when {where} then {render_change_sql(column)} end)" for function in functions]
    if (relative := render_relative_difference_sql(column)) is not None:
        given.append(f"max(case when {where} then {relative} end)")
    return given


def _build_column_changes(column: ComparedColumn, figures: list[Any], common: int) -> ColumnChanges:
    changed, to_null, from_null, *numbers = figures
    mean = largest = total = None
    if numbers and numbers[0]:
        numeric, sum_, low, high = numbers[:_MEASURES]
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
        max_relative_change=round_number(numbers[_MEASURES])
        if numbers[_MEASURES:] and numbers[_MEASURES] is not None
        else None,
        change_in="seconds" if column.is_measurable and not column.is_numeric else None,
    )


def round_number(number: float) -> float | None:
    """Return a figure with twelve significant digits; None where it is too large for a number.

    >>> round_number(10.01 - 10.0)
    0.01
    """
    return float(f"{number:.12g}") if math.isfinite(number) else None
