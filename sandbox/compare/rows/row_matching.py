"""Matching of two tables' rows, and collection of those that differ.

Both tables are joined on the key and compared value by value; only differing rows are read whole.

A key that is null or repeated on a side tells no row apart. Rows with such keys, and all rows of a table without a
key, are compared as multisets: equal rows cancel one by one, the others are removed or added. They are never paired.
Rows cancel by a 128-bit MD5 of their text, with a secret prefix that is drawn for each comparison.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn, SideName, TableShape
    from sandbox.engine.duckdb.session import Session

_MAX_COPIED_ROWS = 20_000  # so many rows are kept aside in no time
_MAX_VIEW_COLUMNS = 100  # values of more columns are stored: each query would plan all of them again
_NO_LOOSE_ROWS = (
    "create or replace temp table loose as select 0::UHUGEINT as d, 0::UHUGEINT as u, 0::UBIGINT as h, "
    "0::BIGINT as b, 0::BIGINT as c, false as noise limit 0"
)

SIDES: tuple[SideName, SideName] = ("baseline", "candidate")


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
        view_prefix: What the views of the rows that may differ are called: ``all``, or ``left`` where others were set aside.
        differing: The columns that differ in some pair of rows; None where that is not known.
        salt: The secret prefix of the texts of rows.
    """

    columns: tuple[ComparedColumn, ...]
    key: tuple[ComparedColumn, ...]
    unique: bool = False
    direct: bool = False
    one_in: int | None = None
    view_prefix: Literal["all", "left"] = "all"
    differing: frozenset[ComparedColumn] | None = None
    salt: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def key_names(self) -> list[str]:
        """The names of the key's values."""
        return [format_value_name(column) for column in self.key]

    def render_view_sql(self, side: SideName, source: str, name: str) -> str:
        """Render a view of a side with its values beside what was read."""
        given = ", ".join(
            f"{column.render_value_sql(side, key=column in self.key)} as {format_value_name(column)}"
            for column in self.columns
        )
        return f"create or replace temp view {name}_{side} as select *{', ' if given else ''}{given} from {source}"

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

    def render_joined_keys_sql(self) -> str:
        """Render the keys whose rows differ or are ``sampled``, for keys that are unique on both sides.

        All other rows fall into one group without a key, and ``n`` counts rows of the join: so it shows afterwards
        whether the keys were unique.
        """
        keys, others = self.key_names, [format_value_name(column) for column in self.other_columns]
        names = ", ".join([*keys, *others])
        sides = (f"(select {names}, true as present from {self.view_prefix}_{side})" for side in SIDES)
        on = " and ".join(f"b.{key} = c.{key}" for key in keys)
        unequal = "".join(f" or b.{name} is distinct from c.{name}" for name in others)
        differs = f"(b.present is null or c.present is null{unequal})"
        sampled = self._render_sample_condition([f"coalesce(b.{key}, c.{key})" for key in keys])
        shown = ", ".join(
            f"case when {differs} or {sampled} then coalesce(b.{key}, c.{key}) end as {key}" for key in keys
        )
        return (
            f"create or replace temp table keys as select {shown}, "
            f"{differs} as differs, {sampled} as sampled, "
            "(b.present is not null)::BIGINT as b, (c.present is not null)::BIGINT as c, "
            f"count(*) as n from {next(sides)} b full join {next(sides)} c on {on} group by all"
        )

    def render_grouped_keys_sql(self) -> str:
        """Return the keys whose rows differ, repeat, are null or are ``sampled``, whatever the keys are like.

        Of two rows of a key the digests are compared.
        """
        keys = ", ".join(self.key_names)
        null = " or ".join(f"{key} is null" for key in self.key_names)
        digest = self._render_digest_sql(self.other_columns)
        sides = " union all ".join(
            f"select {int(side == 'baseline')} as b, {keys}, {digest} as d from all_{side}" for side in SIDES
        )
        differs = f"(sum(b) <> 1 or sum(1 - b) <> 1 or min(d) <> max(d) or {null})"
        sampled = self.sample_condition
        return (
            f"create or replace temp table keys as select {keys}, {differs} as differs, {sampled} as sampled, "
            f"sum(b)::BIGINT as b, sum(1 - b)::BIGINT as c, 1 as n from ({sides}) group by {keys} "
            f"having {differs} or {sampled}"
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

    def render_differing_rows_sql(self, side: SideName) -> str:
        """Render the whole rows of one side that have one of the found keys, ``paired`` where they can be paired.

        With them come those that are ``sampled``, so that the tables are read once for both.
        """
        kept = ", ".join(f"t.{raw}" for raw in self.list_raw_names(side))
        # Only by plain equality does the join tell the scan which rows not to decode.
        same = "=" if self.unique else "is not distinct from"
        on = " and ".join(f"t.{key} {same} k.{key}" for key in self.key_names)
        whole = " and ".join(f"{key} is not null" for key in self.key_names)
        late = "differs and (b <> 1 or c <> 1)" if self.direct else "differs"
        return (
            f"create or replace temp table kept_{side} as select {kept}, k.paired, k.differing, k.sampled "
            f"from {self.view_prefix}_{side} t join (select {', '.join(self.key_names)}, b = 1 and c = 1 and {whole} as paired, "
            f"{late} as differing, sampled from keys where sampled or ({late})) k on {on}"
        )

    def render_multiset_sql(self, source: str) -> str:
        """Return the rows, by their digest ``d``, that one side has more often: the removed ones and the added ones.

        ``u`` is the digest without nondeterministic columns. Rows of one ``u`` that both sides have more often are each
        other but for these; ``noise`` is true where that explains all of them. ``h`` is the unkeyed hash.
        """
        u = self.deterministic_digest if self.has_nondeterministic_columns else "d"
        sides = " union all ".join(
            f"select {int(side == 'baseline')} as b, {self.row_digest} as d, {u} as u, {self.row_hash} as h "
            f"from {source}_{side}" + (" where not paired" if source == "late" else "")
            for side in SIDES
        )
        loose = (
            "select d, any_value(u) as u, any_value(h) as h, sum(b)::BIGINT as b, sum(1 - b)::BIGINT as c "
            f"from ({sides}) group by d having sum(b) <> sum(1 - b)"
        )
        noise = "false"
        if self.has_nondeterministic_columns:
            net = "sum(b - c) over (partition by u)"
            noise = f"case when b > c then {net} <= 0 else {net} >= 0 end"
        return f"create or replace temp table loose as select *, {noise} as noise from ({loose})"

    def render_surplus_rows_sql(self, side: SideName) -> str:
        """Render the whole rows of one side that have one of the found hashes; for tables without a key."""
        kept = ", ".join(f"t.{raw}" for raw in self.list_raw_names(side))
        differing = f"{self.row_digest} in (select d from loose)"
        return (
            f"create or replace temp table kept_{side} as select {kept}, false as paired, {differing} as differing, "
            f"{self.sample_condition} as sampled from {self.view_prefix}_{side} t where {differing} or {self.sample_condition}"
        )

    def render_empty_rows_sql(self, side: SideName) -> str:
        """Render no rows of one side: none differ."""
        kept = ", ".join([*self.list_raw_names(side), "false as paired", "false as differing", "false as sampled"])
        return f"create or replace temp table kept_{side} as select {kept} from all_{side} limit 0"


def format_value_name(column: ComparedColumn) -> str:
    """Return the name of a column's compared value."""
    return f"v{column.baseline}"


def _render_hash_sql(values: Sequence[str]) -> str:
    return f"hash({', '.join(values)})" if values else "0::UBIGINT"


def create_views(session: Session, plan: ComparisonPlan) -> None:
    """Make ``all_baseline`` and ``all_candidate``."""
    for side in SIDES:
        session.execute(plan.render_view_sql(side, f"raw_{side}", "all"))


def match_unique_keys(
    session: Session, plan: ComparisonPlan, shapes: dict[SideName, TableShape], *, doing: str
) -> bool:
    """Find the keys whose rows differ, if the key is unique and never null on both sides; else give False.

    Args:
        session: Holds ``<among>_<side>``.
        plan: What is compared.
        shapes: What these views are like.
        doing: What a failure is the failure of.
    """
    if not can_be_unique(session, plan, shapes):
        return False
    session.execute(plan.render_joined_keys_sql(), doing=doing)
    null = " or ".join(f"{key} is null" for key in plan.key_names)
    [(both, baseline, candidate, most, nulls)] = session.fetch_rows(
        "select coalesce(sum(n) filter (b = 1 and c = 1), 0), coalesce(sum(n) filter (c = 0), 0), "
        "coalesce(sum(n) filter (b = 0), 0), coalesce(max(n) filter (differs), 0), "
        f"count(*) filter (differs and ({null})) from keys",
        doing=doing,
    )
    matched = (shapes["baseline"].rows - baseline, shapes["candidate"].rows - candidate)
    return matched == (both, both) and most <= 1 and not nulls


def match_repeated_keys(session: Session, plan: ComparisonPlan, *, doing: str) -> KeyRepeats:
    """Find the keys whose rows differ, repeat or are null, and count the latter; for keys that `match_unique_keys` refused."""
    session.execute(plan.render_grouped_keys_sql(), doing=doing)
    null = " or ".join(f"{key} is null" for key in plan.key_names)
    [counts] = session.fetch_rows(
        f"select coalesce(sum(b) filter (b > 1 and not ({null})), 0), "
        f"coalesce(sum(c) filter (c > 1 and not ({null})), 0), "
        f"coalesce(sum(b) filter ({null}), 0), coalesce(sum(c) filter ({null}), 0) from keys",
        doing=doing,
    )
    return KeyRepeats(
        duplicates={"baseline": int(counts[0]), "candidate": int(counts[1])},
        nulls={"baseline": int(counts[2]), "candidate": int(counts[3])},
    )


def has_mostly_changed_rows(session: Session, shapes: dict[SideName, TableShape], *, doing: str) -> bool:
    """Return whether so many rows differ that to keep them aside would be to copy the tables."""
    [(differing,)] = session.fetch_rows("select count(*) from keys where differs and b = 1 and c = 1", doing=doing)
    return int(differing) > _MAX_COPIED_ROWS and 4 * int(differing) > max(shape.rows for shape in shapes.values())


def collect_differing_rows(session: Session, plan: ComparisonPlan, *, doing: str) -> None:
    """Put the whole rows that may differ into ``late_<side>``, and what one side has more often into ``loose``."""
    if not plan.key:
        session.execute(plan.render_multiset_sql(plan.view_prefix), doing=doing)
    found = "keys where differs" if plan.key else "loose"
    [(any_,)] = session.fetch_rows(f"select exists (select 1 from {found})", doing=doing)
    for side in SIDES:
        kept = plan.render_differing_rows_sql(side) if plan.key else plan.render_surplus_rows_sql(side)
        session.execute(kept if any_ else plan.render_empty_rows_sql(side), doing=doing)
        _create_late_rows(session, plan, side, doing)
    if plan.key:
        _create_loose_table(session, plan, doing)


def _create_late_rows(session: Session, plan: ComparisonPlan, side: SideName, doing: str) -> None:
    """Make ``late_<side>``: a view, or in a wide table a table."""
    source = f"(select * from kept_{side} where differing)"
    stored = session.fetch_rows("select 1 from duckdb_tables() where table_name = ?", [f"late_{side}"], doing=doing)
    if stored:  # of an output before
        session.execute(f"drop table late_{side}", doing=doing)
    if len(plan.columns) <= _MAX_VIEW_COLUMNS:
        session.execute(plan.render_view_sql(side, source, "late"), doing=doing)
        return
    session.execute(f"drop view if exists late_{side}", doing=doing)
    session.execute(plan.render_view_sql(side, source, "wide"), doing=doing)
    session.execute(f"create temp table late_{side} as from wide_{side}", doing=doing)


def _create_loose_table(session: Session, plan: ComparisonPlan, doing: str) -> None:
    """Make ``loose`` of the rows that are not paired; a digest of very many columns takes long to plan."""
    unpaired = " or ".join(f"exists (select 1 from kept_{side} where differing and not paired)" for side in SIDES)
    [(some,)] = session.fetch_rows(f"select {unpaired}", doing=doing)
    session.execute(plan.render_multiset_sql("late") if some else _NO_LOOSE_ROWS, doing=doing)


_SAMPLED_ROWS = 300_000  # rows


def can_be_unique(session: Session, plan: ComparisonPlan, shapes: Mapping[SideName, TableShape]) -> bool:
    """Return quickly whether both sides' keys may be unique; False only where one is not, or is null in places.

    Some blocks of the tables are looked at, where no key may be there twice. A key of m rows is missed with a
    probability of about (1 + sm)·e^-sm, where s is the share that is looked at: without this, a join on the key could
    make any number of rows. Whether the key is unique the join itself tells afterwards.
    """
    sides = " union all ".join(_render_uniqueness_sql(plan, side, shape.rows) for side, shape in shapes.items())
    found = session.fetch_rows(sides, doing="looking for the key")
    return all(not missing and rows == distinct for rows, distinct, missing in found)


def _render_uniqueness_sql(plan: ComparisonPlan, side: SideName, rows: int) -> str:
    """Render the SQL that counts rows, keys and nulls in some blocks of one side."""
    values = ", ".join(plan.key_names)
    null = " or ".join(f"{key} is null" for key in plan.key_names)
    share = 100.0 * min(1.0, _SAMPLED_ROWS / rows) if rows else 100.0
    some = f" using sample {share:.6f} percent (system, 7)" if share < 100 else ""
    return (
        "select coalesce(sum(n), 0), count(*), coalesce(sum(missing), 0) from ("
        f"select count(*) as n, count(*) filter ({null}) as missing from "
        f"(select {values} from {plan.view_prefix}_{side}{some}) group by {values})"
    )
