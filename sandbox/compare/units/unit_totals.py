"""What an output holds of each drawn unit, and what a difference does to it: SQL in the session of a comparison.

It works on what `sandbox.compare.rows.row_matching.collect` left there: ``all_<side>``, ``late_<side>`` and ``loose``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sandbox.compare.rows.change_counts import any_differs, differing, only_noise, pairs
from sandbox.compare.rows.row_matching import SIDES, value
from sandbox.compare.sql_types import is_exact
from sandbox.compare.units.output_estimate import PerUnit
from sandbox.engine.duckdb.session import quote
from sandbox.engine.duckdb.table_functions import file_list
from sandbox.errors import SandboxError, StoreError
from sandbox.manifest.diff import LeftOut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import Column, SideName
    from sandbox.compare.rows.row_matching import Plan
    from sandbox.compare.units.output_estimate import Array
    from sandbox.compare.units.sampled_units import Drawn, Units
    from sandbox.engine.duckdb.session import Session

_AT_ONCE = 40  # columns in one query
_BATCH = 1 << 16


def load(session: Session, drawn: Drawn) -> None:
    """Make ``drawn``: the sampled units ``u0``, ``u1`` … of a draw with their stratum.

    Raises:
        StoreError: The weights cannot be read.
    """
    names = ", ".join(f"u{place}" for place in range(len(drawn.key)))
    chosen = ", ".join(quote(name) for name in drawn.key)
    weights = f"read_parquet({file_list([drawn.weights])}, hive_partitioning = false)"
    try:
        session.execute(
            f"create or replace temp table drawn as select {names}, stratum::BIGINT as stratum "
            f"from (select {chosen}, stratum from {weights}) as w({names}, stratum)",
            doing=f"reading the weights of {drawn.table}",
        )
    except SandboxError as error:
        raise StoreError(error.message, hint="sandbox verify") from error


def touched(session: Session, plan: Plan, units: Units, *, doing: str) -> None:
    """Make ``touched``: each unit with rows that differ, noise aside, and how many were added, removed, changed."""
    names = ", ".join(units.names)
    removed, added = differing(plan, units.named("baseline"), units.named("candidate"))
    parts = [
        f"select {names}, 0 as added, n as removed, 0 as changed from ({removed})",
        f"select {names}, n as added, 0 as removed, 0 as changed from ({added})",
    ]
    if plan.key:
        where = f"({any_differs(plan)}) and not ({only_noise(plan)})"
        # A row whose unit changed is one changed row, of the baseline's unit; it touches both.
        parts += [
            f"select {units.named('baseline', 'b')}, 0, 0, 1 from {pairs(plan)} where {where}",
            f"select {units.named('candidate', 'c')}, 0, 0, 0 from {pairs(plan)} where {where}",
        ]
    session.execute(
        f"create or replace temp table touched as select {names}, sum(added)::BIGINT as added, "
        f"sum(removed)::BIGINT as removed, sum(changed)::BIGINT as changed from ({' union all '.join(parts)}) "
        "group by all",
        doing=doing,
    )


def numeric(plan: Plan, units: Units) -> list[Column]:
    """Give the columns that have totals: numbers that are no key and do not differ from run to run."""
    keys = {column.name for column in (*plan.key, *units.columns)}
    return [
        column for column in plan.columns if column.numeric and not column.tainted and column.name not in keys
    ]


def summed_up(session: Session, units: Units, columns: Sequence[Column], *, doing: str) -> PerUnit:
    """Sum both sides within their units, and put beside that what `touched` found."""
    parts: dict[str, Array] = {}
    for start in range(0, max(len(columns), 1), _AT_ONCE):
        some = columns[start : start + _AT_ONCE]
        for side in SIDES:
            session.execute(_summed(side, units, some), doing=doing)
        parts |= arrays(session, _joined(units, some), doing=doing)
    return PerUnit(
        stratum=parts["stratum"],
        affected=parts["touched"],
        added=parts["added"],
        removed=parts["removed"],
        changed=parts["changed"],
        rows=(parts["rows_b"], parts["rows_c"]),
        sums=_pairs(parts, "s", columns),
        counts=_pairs(parts, "n", columns),
        left_out=_left_out(session, units, doing=doing),
    )


def _pairs(
    parts: Mapping[str, Array], what: str, columns: Sequence[Column]
) -> dict[str, tuple[Array, Array]]:
    return {
        column.name: (parts[f"{what}b{column.baseline}"], parts[f"{what}c{column.baseline}"])
        for column in columns
    }


def _summed(side: SideName, units: Units, columns: Sequence[Column]) -> str:
    """Give ``unit_<side>``: each unit's rows, and of each column its sum and how often it is not null."""
    values = "".join(f", {value(column)}" for column in columns)
    sums = "".join(
        f", coalesce({_sum(column)}, 0)::DOUBLE as s{column.baseline}, "
        f"count({value(column)})::DOUBLE as n{column.baseline}"
        for column in columns
    )
    names = ", ".join(units.names)
    return (
        f"create or replace temp table unit_{side} as select {names}, count(*)::BIGINT as rows{sums} "
        f"from (select {units.named(side)}{values} from all_{side}) group by {names}"
    )


def _sum(column: Column) -> str:
    """Give the SQL of a sum that neither overflows nor shows the order of the rows."""
    assert column.common is not None
    name = value(column)
    return f"sum({name})" if is_exact(column.common) else f"fsum({name}::DOUBLE)"


def _joined(units: Units, columns: Sequence[Column]) -> str:
    """Give for each drawn unit what the session's tables have of it, zeros where that is nothing."""
    given = [f"coalesce({side}.rows, 0) as rows_{side}" for side in "bc"]
    given += [f"coalesce(t.{name}, 0) as {name}" for name in ("added", "removed", "changed")]
    given += [
        f"coalesce({side}.{what}{column.baseline}, 0) as {what}{side}{column.baseline}"
        for column in columns
        for side in "bc"
        for what in "sn"
    ]
    joins = " ".join(
        f"left join {table} {row} on " + " and ".join(f"d.{name} = {row}.{name}" for name in units.names)
        for table, row in (("unit_baseline", "b"), ("unit_candidate", "c"), ("touched", "t"))
    )
    order = ", ".join(f"d.{name}" for name in units.names)
    return (
        f"select d.stratum, (t.added is not null)::BIGINT as touched, {', '.join(given)} "
        f"from drawn d {joins} order by {order}"
    )


def _left_out(session: Session, units: Units, *, doing: str) -> LeftOut:
    """Count rows whose unit was not drawn, or is not named."""
    counts = {"unit_baseline": "rows", "unit_candidate": "rows", "touched": "added + removed + changed"}
    queries = ", ".join(
        f"(select coalesce(sum({what}), 0)::BIGINT from {table} t anti join drawn d on {units.same})"
        for table, what in counts.items()
    )
    [(baseline, candidate, different)] = session.rows(f"select {queries}", doing=doing)
    return LeftOut(baseline=baseline, candidate=candidate, different=different)


def arrays(session: Session, query: str, *, doing: str) -> dict[str, Array]:
    """Give the columns of a query, none of which is ever null, as arrays."""
    batches = list(session.batches(query, size=_BATCH, doing=doing))
    if not batches:
        return {name: np.zeros(0, np.int64) for name, *_ in session.rows(f"describe {query}", doing=doing)}
    # Not `to_numpy`: it imports pandas, where there is one, and that takes longer than all the rest.
    return {
        name: np.concatenate([np.from_dlpack(batch.column(name)) for batch in batches])
        for name in batches[0].schema.names
    }
