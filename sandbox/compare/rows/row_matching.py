"""Matching of two tables' rows, and collection of those that differ.

Both tables are joined on the key and compared value by value; only differing rows are read whole.

A key that is null or repeated on a side tells no row apart. Rows with such keys, and all rows of a table without a
key, are compared as multisets: equal rows cancel one by one, the others are removed or added. They are never paired.
Rows cancel by a 128-bit MD5 of their text, with a secret prefix that is drawn for each comparison.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.compare.relations import (
    SIDES,
    CollectedRows,
    Differences,
    DifferingRows,
    MatchedKeys,
    SurplusRows,
    UnpairedRows,
    ValueRows,
    create_table,
    create_view,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn, TableShape
    from sandbox.compare.relations import Relation, SideName, SideRows
    from sandbox.engine.duckdb.session import Session

_MAX_COPIED_ROWS = 20_000  # so many rows are kept aside in no time
_MAX_VIEW_COLUMNS = 100  # values of more columns are stored: each query would plan all of them again
_NO_UNPAIRED_ROWS = "select 0::UHUGEINT as d, 0::UHUGEINT as u, 0::UBIGINT as h, 0::BIGINT as b, 0::BIGINT as c, 0::BIGINT as equal limit 0"


@dataclass(frozen=True, kw_only=True)
class KeyRepeats:
    """Rows whose declared key names more than one row of their side, or is null."""

    duplicates: dict[SideName, int]
    nulls: dict[SideName, int]


NO_KEY_REPEATS = KeyRepeats(duplicates={"baseline": 0, "candidate": 0}, nulls={"baseline": 0, "candidate": 0})


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan:
    """The SQL of the comparison of two tables with columns ``v<n>``; pure.

    Attributes:
        columns: What both sides have and is compared; a value's name is its position in the baseline.
        key: Which of them are the key; empty where there is none.
        unique: The key repeats on neither side and is never null.
        direct: Pairs are read from the tables themselves, because most rows differ; the key is unique then.
        one_in: Of so many rows one is looked at although it does not differ, a power of two; None where none is.
        differing: The columns that differ in some pair of rows; None where that is not known.
        salt: The secret prefix of the texts of rows.
    """

    columns: tuple[ComparedColumn, ...]
    key: tuple[ComparedColumn, ...]
    unique: bool = False
    direct: bool = False
    one_in: int | None = None
    differing: frozenset[ComparedColumn] | None = None
    salt: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def key_names(self) -> list[str]:
        """The names of the key's values."""
        return [format_value_name(column) for column in self.key]

    def render_values_sql(self, side: SideName, source: Relation | str) -> str:
        """Render the rows of a side with their values beside what was read."""
        given = ", ".join(
            f"{column.render_value_sql(side, key=column in self.key)} as {format_value_name(column)}"
            for column in self.columns
        )
        return f"select *{', ' if given else ''}{given} from {source}"

    def list_raw_names(self, side: SideName) -> list[str]:
        """Return the columns, as they were read, that are needed of rows that differ."""
        return [column.format_raw_name(side) for column in self.columns]

    @property
    def has_nondeterministic_columns(self) -> bool:
        """True where some column differs without any change of code."""
        return any(column.is_nondeterministic for column in self.columns)

    @property
    def other_columns(self) -> list[ComparedColumn]:
        """The columns that are not the key."""
        return [column for column in self.columns if column not in self.key]

    @property
    def differing_columns(self) -> list[ComparedColumn]:
        """The columns that may differ in pairs of rows."""
        return [column for column in self.other_columns if self.differing is None or column in self.differing]

    @property
    def row_hash(self) -> str:
        """The unkeyed hash of a whole row: chooses examples, and proves nothing."""
        return _render_hash_sql([column.hash_input_sql for column in self.columns])

    @property
    def row_digest(self) -> str:
        """The keyed digest of a whole row."""
        return self._render_digest_sql(self.columns)

    @property
    def deterministic_digest(self) -> str:
        """The keyed digest of a whole row without its nondeterministic columns."""
        return self._render_digest_sql([column for column in self.columns if not column.is_nondeterministic])

    def _render_digest_sql(self, columns: Sequence[ComparedColumn]) -> str:
        texts = "".join(f", '|', {column.text_sql}" for column in columns)
        return f"md5_number(concat('{self.salt}'{texts}))"

    def render_joined_keys_sql(self, rows: SideRows) -> str:
        """Render `MatchedKeys`, for keys that are unique on both sides.

        All other rows fall into one group without a key, and ``n`` counts rows of the join: so it shows afterwards
        whether the keys were unique.
        """
        keys, others = self.key_names, [format_value_name(column) for column in self.other_columns]
        names = ", ".join([*keys, *others])
        sides = (f"(select {names}, true as present from {rows[side]})" for side in SIDES)
        on = " and ".join(f"b.{key} = c.{key}" for key in keys)
        unequal = "".join(f" or b.{name} is distinct from c.{name}" for name in others)
        differs = f"(b.present is null or c.present is null{unequal})"
        sampled = self._render_sample_condition([f"coalesce(b.{key}, c.{key})" for key in keys])
        shown = ", ".join(
            f"case when {differs} or {sampled} then coalesce(b.{key}, c.{key}) end as {key}" for key in keys
        )
        return (
            f"select {shown}, "
            f"{differs} as differs, {sampled} as sampled, "
            "(b.present is not null)::BIGINT as b, (c.present is not null)::BIGINT as c, "
            f"count(*) as n from {next(sides)} b full join {next(sides)} c on {on} group by all"
        )

    def render_grouped_keys_sql(self, rows: SideRows) -> str:
        """Render `MatchedKeys` and the keys that repeat or are null, whatever the keys are like.

        Keys are counted first; the rows of those that both sides have once are compared by value. All keys without a
        difference are one group without values, which ``n`` counts.
        """
        keys = ", ".join(self.key_names)
        null = " or ".join(f"{key} is null" for key in self.key_names)
        sides = " union all ".join(f"select {int(side == 'baseline')} as b, {keys} from {rows[side]}" for side in SIDES)
        counted = f"select {keys}, sum(b)::BIGINT as b, sum(1 - b)::BIGINT as c from ({sides}) group by {keys}"
        names = [format_value_name(column) for column in self.other_columns]
        unequal = " or ".join(f"x.{name} is distinct from y.{name}" for name in names) or "false"
        joined = " ".join(
            f"join {rows[side]} {name} on {' and '.join(f'{name}.{key} = k.{key}' for key in self.key_names)}"
            for side, name in zip(SIDES, "xy", strict=True)
        )
        listed = ", ".join(f"k.{key}" for key in self.key_names)
        pairs = f"select {listed}, {unequal} as unequal from counted k {joined} where k.b = 1 and k.c = 1"
        same = " and ".join(f"p.{key} = k.{key}" for key in self.key_names)
        judged = f"select {listed}, k.b, k.c, coalesce(p.unequal, true) as differs from counted k left join ({pairs}) p on {same}"
        groups = (
            f"select {keys}, differs or {null} as differs, {self.sample_condition} as sampled, b, c from ({judged})"
        )
        shown = ", ".join(f"case when differs or sampled then {key} end as {key}" for key in self.key_names)
        return (
            f"with counted as materialized ({counted}) "
            f"select {shown}, differs, sampled, b, c, count(*) as n from ({groups}) group by all"
        )

    @property
    def sample_condition(self) -> str:
        """The condition on a row of one side to be looked at although it does not differ."""
        return self._render_sample_condition(self.key_names or [column.hash_input_sql for column in self.columns])

    def _render_sample_condition(self, named: Sequence[str]) -> str:
        """Render the condition on a row to be looked at although it does not differ.

        By its key alone (without a key, by the whole row), so that the two sides hold the same rows, and neither the
        order of rows nor the threads matter.
        """
        if self.one_in is None:
            return "false"
        return "true" if self.one_in == 1 else f"({_render_hash_sql(named)} & {self.one_in - 1}) = 0"

    def render_keyed_rows_sql(self, side: SideName, rows: ValueRows, keys: MatchedKeys) -> str:
        """Render the whole rows of one side that have one of the keys, ``paired`` where they can be paired.

        With them come those that are ``sampled``, so that the tables are read once for both.
        """
        shown = ", ".join(f"t.{raw}" for raw in self.list_raw_names(side))
        # Only by plain equality does the join tell the scan which rows not to decode.
        same = "=" if self.unique else "is not distinct from"
        on = " and ".join(f"t.{key} {same} k.{key}" for key in self.key_names)
        whole = " and ".join(f"{key} is not null" for key in self.key_names)
        differing = "differs and (b <> 1 or c <> 1)" if self.direct else "differs"
        return (
            f"select {shown}, k.paired, k.differing, k.sampled "
            f"from {rows} t join (select {', '.join(self.key_names)}, b = 1 and c = 1 and {whole} as paired, "
            f"{differing} as differing, sampled from {keys} where sampled or ({differing})) k on {on}"
        )

    def render_unpaired_sql(self, rows: Mapping[SideName, Relation], where: str = "true") -> str:
        """Render `UnpairedRows` of the rows that meet a condition.

        Two rows that alone have their unkeyed hash are compared by value, and cancel if they are equal. Digests are computed
        of all other rows.
        """
        u = self.deterministic_digest if self.has_nondeterministic_columns else "d"
        hashed = ", ".join(
            f"{name} as (select *, {self.row_hash} as h from {rows[side]} where {where})"
            for side, name in zip(SIDES, "xy", strict=True)
        )
        names = [format_value_name(column) for column in self.columns]
        unequal = " or ".join(f"x.{name} is distinct from y.{name}" for name in names) or "false"
        both = "select 1 as b, h from x union all select 0 as b, h from y"
        alone = f"select h from ({both}) group by h having sum(b) = 1 and sum(1 - b) = 1"
        cancelling = f"select x.h from ({alone}) k join x on x.h = k.h join y on y.h = k.h where not ({unequal})"
        sides = " union all ".join(
            f"select {number} as b, {self.row_digest} as d, {u} as u, h from {name} anti join cancelling using (h)"
            for name, number in (("x", 1), ("y", 0))
        )
        groups = (
            "select d, any_value(u) as u, any_value(h) as h, sum(b)::BIGINT as b, sum(1 - b)::BIGINT as c "
            f"from ({sides}) group by d"
        )
        shown = ", ".join(f"case when b <> c then {name} end as {name}" for name in ("d", "u", "h", "b", "c"))
        return (
            f"with {hashed}, cancelling as materialized ({cancelling}) "
            f"select {shown}, sum(least(b, c))::BIGINT as equal from ({groups}) group by all "
            "union all select null, null, null, null, null, count(*)::BIGINT from cancelling"
        )

    def render_surplus_sql(self, unpaired: UnpairedRows) -> str:
        """Render `SurplusRows`: the removed ones and the added ones.

        Rows of one ``u`` that both sides have more often are each other but for nondeterministic columns; ``noise`` is true
        where that explains all of them.
        """
        noise = "false"
        if self.has_nondeterministic_columns:
            net = "sum(b - c) over (partition by u)"
            noise = f"case when b > c then {net} <= 0 else {net} >= 0 end"
        return f"select d, u, h, b, c, {noise} as noise from {unpaired} where d is not null"

    def render_unpaired_rows_sql(self, rows: DifferingRows, surplus: Relation, more: str) -> str:
        """Render the unpaired rows of one side that can be in the surplus, with their ``row_digest``.

        Digests are computed only of rows whose unkeyed hash is there.

        Args:
            rows: The rows.
            surplus: What one side has more often.
            more: The condition on the surplus.
        """
        there = f"select * from {rows} where not paired and {self.row_hash} in (select h from {surplus} where {more})"
        return f"select *, {self.row_digest} as row_digest from ({there})"

    def render_surplus_rows_sql(self, side: SideName, rows: ValueRows, surplus: SurplusRows) -> str:
        """Render the whole rows of one side that are in the surplus; for tables without a key."""
        shown = ", ".join(f"t.{raw}" for raw in self.list_raw_names(side))
        differing = f"{self.row_digest} in (select d from {surplus})"
        return (
            f"select {shown}, false as paired, {differing} as differing, "
            f"{self.sample_condition} as sampled from {rows} t where {differing} or {self.sample_condition}"
        )

    def render_empty_rows_sql(self, side: SideName, rows: ValueRows) -> str:
        """Render no rows of one side: none differ."""
        shown = ", ".join([*self.list_raw_names(side), "false as paired", "false as differing", "false as sampled"])
        return f"select {shown} from {rows} limit 0"


def format_value_name(column: ComparedColumn) -> str:
    """Return the name of a column's compared value."""
    return f"v{column.baseline}"


def _render_hash_sql(values: Sequence[str]) -> str:
    return f"hash({', '.join(values)})" if values else "0::UBIGINT"


def create_value_views(
    session: Session, plan: ComparisonPlan, shapes: Mapping[SideName, TableShape]
) -> dict[SideName, ValueRows]:
    """Create a view of all rows of each side with the values that are compared."""
    return {
        side: create_view(
            session,
            ValueRows(name=f"all_{side}", rows=shape.rows),
            plan.render_values_sql(side, shape.relation),
        )
        for side, shape in shapes.items()
    }


def match_unique_keys(session: Session, plan: ComparisonPlan, rows: SideRows, *, doing: str) -> MatchedKeys | None:
    """Find the keys whose rows differ; None unless the key is unique and never null on both sides.

    Args:
        session: Holds the rows.
        plan: What is compared.
        rows: The rows that may differ.
        doing: What a failure is the failure of.
    """
    if not can_be_unique(session, plan, rows):
        return None
    keys = create_table(session, MatchedKeys(name="matched_keys"), plan.render_joined_keys_sql(rows), doing=doing)
    null = " or ".join(f"{key} is null" for key in plan.key_names)
    [(both, baseline, candidate, most, nulls)] = session.fetch_rows(
        "select coalesce(sum(n) filter (b = 1 and c = 1), 0), coalesce(sum(n) filter (c = 0), 0), "
        "coalesce(sum(n) filter (b = 0), 0), coalesce(max(n) filter (differs), 0), "
        f"count(*) filter (differs and ({null})) from {keys}",
        doing=doing,
    )
    matched = (rows["baseline"].rows - baseline, rows["candidate"].rows - candidate)
    return keys if matched == (both, both) and most <= 1 and not nulls else None


def match_repeated_keys(
    session: Session, plan: ComparisonPlan, rows: SideRows, *, doing: str
) -> tuple[MatchedKeys, KeyRepeats]:
    """Find the keys whose rows differ, repeat or are null, and count the latter; for keys that `match_unique_keys` refused."""
    keys = create_table(session, MatchedKeys(name="matched_keys"), plan.render_grouped_keys_sql(rows), doing=doing)
    null = " or ".join(f"{key} is null" for key in plan.key_names)
    [counts] = session.fetch_rows(
        f"select coalesce(sum(b) filter (b > 1 and not ({null})), 0), "
        f"coalesce(sum(c) filter (c > 1 and not ({null})), 0), "
        f"coalesce(sum(b) filter ({null}), 0), coalesce(sum(c) filter ({null}), 0) from {keys} where differs",
        doing=doing,
    )
    repeats = KeyRepeats(
        duplicates={"baseline": int(counts[0]), "candidate": int(counts[1])},
        nulls={"baseline": int(counts[2]), "candidate": int(counts[3])},
    )
    return keys, repeats


def has_mostly_changed_rows(session: Session, keys: MatchedKeys, all_rows: SideRows, *, doing: str) -> bool:
    """Return whether so many rows differ that to store them would be to copy the tables."""
    [(differing,)] = session.fetch_rows(f"select count(*) from {keys} where differs and b = 1 and c = 1", doing=doing)
    return int(differing) > _MAX_COPIED_ROWS and 4 * int(differing) > max(rows.rows for rows in all_rows.values())


def collect_differing_rows(
    session: Session, plan: ComparisonPlan, all_rows: SideRows, rows: SideRows, keys: MatchedKeys | None, *, doing: str
) -> Differences:
    """Collect the whole rows that may differ, and what one side has more often.

    Args:
        session: Holds the rows.
        plan: What is compared.
        all_rows: All rows of both sides.
        rows: Those that may differ.
        keys: The keys whose rows differ; None without a key.
        doing: What a failure is the failure of.
    """
    unpaired, surplus = UnpairedRows(name="unpaired"), SurplusRows(name="surplus")
    if keys is None:
        create_table(session, unpaired, plan.render_unpaired_sql(rows), doing=doing)
        create_table(session, surplus, plan.render_surplus_sql(unpaired), doing=doing)
    found = f"{keys} where differs" if keys else surplus
    [(is_any,)] = session.fetch_rows(f"select exists (select 1 from {found})", doing=doing)
    collected, differing = {}, {}
    for side in SIDES:
        query = plan.render_empty_rows_sql(side, all_rows[side])
        if is_any and keys:
            query = plan.render_keyed_rows_sql(side, rows[side], keys)
        elif is_any:
            query = plan.render_surplus_rows_sql(side, rows[side], surplus)
        collected[side] = create_table(session, CollectedRows(name=f"collected_{side}"), query, doing=doing)
        differing[side] = _select_differing_rows(session, plan, side, collected[side], doing)
    if keys:
        _create_unpaired_table(session, plan, unpaired, differing, doing)
        create_table(session, surplus, plan.render_surplus_sql(unpaired), doing=doing)
    equal = _count_equal_rows(session, plan, all_rows, rows, keys, unpaired, doing)
    return Differences(all_rows=all_rows, collected=collected, differing=differing, surplus=surplus, equal=equal)


def _count_equal_rows(  # noqa: PLR0917 -- each is needed
    session: Session,
    plan: ComparisonPlan,
    all_rows: SideRows,
    rows: SideRows,
    keys: MatchedKeys | None,
    unpaired: UnpairedRows,
    doing: str,
) -> int:
    """Count the rows that have an equal one: those that were set aside, those of keys with equal rows, those that cancel.

    Where pairs are read directly, these are compared by column, and not counted here.
    """
    [(equal,)] = session.fetch_rows(f"select coalesce(sum(equal), 0) from {unpaired}", doing=doing)
    if plan.direct:
        return int(equal)
    aside, other = (all_rows[side].rows - rows[side].rows for side in SIDES)
    assert aside == other >= 0, f"{doing}: set aside are {aside:,} of the baseline, {other:,} of the candidate"
    if keys:
        [(pairs,)] = session.fetch_rows(f"select coalesce(sum(n) filter (not differs), 0) from {keys}", doing=doing)
        equal += pairs
    return int(equal) + aside


def _select_differing_rows(
    session: Session, plan: ComparisonPlan, side: SideName, collected: CollectedRows, doing: str
) -> DifferingRows:
    """Create a view of the differing rows, or in a wide table a table."""
    stored = DifferingRows(name=f"stored_differing_{side}")
    session.execute(f"drop table if exists {stored}", doing=doing)  # of an output before
    query = plan.render_values_sql(side, f"(select * from {collected} where differing)")
    view = create_view(session, DifferingRows(name=f"differing_{side}"), query, doing=doing)
    if len(plan.columns) <= _MAX_VIEW_COLUMNS:
        return view
    return create_table(session, stored, f"from {view}", doing=doing)


def _create_unpaired_table(
    session: Session,
    plan: ComparisonPlan,
    unpaired: UnpairedRows,
    differing: Mapping[SideName, DifferingRows],
    doing: str,
) -> None:
    """Store the rows that are not paired; a digest of very many columns takes long to plan."""
    exists = " or ".join(f"exists (select 1 from {rows} where not paired)" for rows in differing.values())
    [(is_any,)] = session.fetch_rows(f"select {exists}", doing=doing)
    query = plan.render_unpaired_sql(differing, "not paired") if is_any else _NO_UNPAIRED_ROWS
    create_table(session, unpaired, query, doing=doing)


_SAMPLED_ROWS = 300_000  # rows


def can_be_unique(session: Session, plan: ComparisonPlan, rows: SideRows) -> bool:
    """Return quickly whether both sides' keys may be unique; False only where one is not, or is null in places.

    Some blocks of the tables are looked at, where no key may be there twice. A key of m rows is missed with a
    probability of about (1 + sm)·e^-sm, where s is the share that is looked at: without this, a join on the key could
    make any number of rows. Whether the key is unique the join itself tells afterwards.
    """
    sides = " union all ".join(_render_uniqueness_sql(plan, rows[side]) for side in SIDES)
    found = session.fetch_rows(sides, doing="looking for the key")
    return all(not missing and count == distinct for count, distinct, missing in found)


def _render_uniqueness_sql(plan: ComparisonPlan, rows: ValueRows) -> str:
    """Render the SQL that counts rows, keys and nulls in some blocks of one side."""
    values = ", ".join(plan.key_names)
    null = " or ".join(f"{key} is null" for key in plan.key_names)
    share = 100.0 * min(1.0, _SAMPLED_ROWS / rows.rows) if rows.rows else 100.0
    some = f" using sample {share:.6f} percent (system, 7)" if share < 100 else ""
    return (
        "select coalesce(sum(n), 0), count(*), coalesce(sum(missing), 0) from ("
        f"select count(*) as n, count(*) filter ({null}) as missing from "
        f"(select {values} from {rows}{some}) group by {values})"
    )
