"""What an output holds of each drawn unit, and what a difference does to it: SQL in the session of a comparison.

It works on what `sandbox.compare.rows.collect` left there: ``all_<side>``, ``late_<side>`` and ``loose``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.compare.changes import any_differs, only_noise, pairs
from sandbox.compare.estimated import PerUnit
from sandbox.compare.kinds import is_exact
from sandbox.compare.rows import SIDES, value
from sandbox.engine.duck import file_list, quote
from sandbox.engine.types import comparable
from sandbox.errors import SandboxError, StoreError
from sandbox.manifest.diff import LeftOut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import Column, SideName
    from sandbox.compare.estimated import Array, Drawn
    from sandbox.compare.rows import Plan
    from sandbox.engine.duck import Session

TAINTED = "its unit key differs from run to run"

_AT_ONCE = 40  # columns in one query
_BATCH = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units of one output: the draw, and the columns that name one, in the order of the draw's key."""

    drawn: Drawn
    columns: Sequence[Column]

    @property
    def names(self) -> list[str]:
        """What a unit's key is called in the session."""
        return [f"u{place}" for place in range(len(self.columns))]

    def key(self, side: SideName, row: str = "") -> list[str]:
        """Give the SQL of a row's unit key in the types of the draw; NULL where a value has no equal there."""
        prefix = f"{row}." if row else ""
        return [
            _converted(f"{prefix}{column.raw(side)}", column.type(side), wanted)
            for column, wanted in zip(self.columns, self.drawn.types, strict=True)
        ]

    def named(self, side: SideName, row: str = "") -> str:
        """Give the same as columns to select."""
        return ", ".join(
            f"{sql} as {name}" for sql, name in zip(self.key(side, row), self.names, strict=True)
        )

    @property
    def same(self) -> str:
        """The condition between a drawn unit ``d`` and rows ``t``."""
        return " and ".join(f"d.{name} = t.{name}" for name in self.names)

    def problem(self) -> str | None:
        """Say why no row's unit can be told, if so."""
        for column, wanted in zip(self.columns, self.drawn.types, strict=True):
            if column.tainted:
                return TAINTED
            for type_ in column.types:
                if not comparable(type_, wanted):
                    return f"its {column.name} is {type_}, and the key of {self.drawn.table} is {wanted}"
        return None


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


def _converted(raw: str, type_: str, wanted: str) -> str:
    """Give a value in another type, NULL where that is not the same value."""
    if type_ == wanted:
        return raw
    return f"(case when try_cast(try_cast({raw} as {wanted}) as {type_}) = {raw} then try_cast({raw} as {wanted}) end)"
