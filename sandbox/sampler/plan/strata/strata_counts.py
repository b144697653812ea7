"""Counting a frame by the values of its strata columns: one pass that reads nothing but keys and those columns."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.engine.rule import sampling_rule
from sandbox.engine.rule.strata_labels import NOT_A_NUMBER
from sandbox.errors import RuleError
from sandbox.sampler.plan.bins import as_text
from sandbox.sampler.plan.frame import narrowed, reads
from sandbox.sampler.plan.plan import Label, order_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.rule.strata_labels import Labelled
    from sandbox.sampler.plan.plan import StrataColumn
    from sandbox.sampler.plan.pushdown import Counted
    from sandbox.sources.table import SourceTable

MOST = 10_000
LOOK_FIRST = 2_000_000  # rows that a quick estimate is made of before an exact count of more
COUNTED = "strata_counted"
LABELLED = "strata_labelled"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a frame holds.

    Attributes:
        columns: The strata columns, with the values that are not rare.
        strata: The labels of each stratum and N_h, in order.
        rows: Rows of the frame, those without a whole key among them.
        null_keys: Rows of the frame without a whole key.
    """

    columns: tuple[StrataColumn, ...]
    strata: list[tuple[tuple[Label, ...], int]]
    rows: int
    null_keys: int


@dataclass(frozen=True, kw_only=True)
class Counting:
    """The count of one unit table.

    Attributes:
        session: The engine.
        table: The table.
        source: The columns that decide, or what the source has counted of them.
        key: The unit's key.
        where: What narrows the frame.
        shared: Whether rows may share a key, and then are one unit together.
        keyed: Whether it is known that no row lacks a part of the key, so that keys need not be read.
    """

    session: Session
    table: SourceTable
    source: Counted
    key: tuple[str, ...]
    where: str | None
    shared: bool
    keyed: bool = False

    def values(self, found: Sequence[Labelled]) -> str:
        """Give SQL that can stand after ``from``: the frame's ``key_i``, and ``value_i`` of each strata column."""
        source = self.source
        key = source.counts or self.key
        select = sampling_rule.labelled(reads(source.relation, self.where), source.columns, key, found)
        return f"({narrowed(source.relation, self.where, select)})"

    @property
    def whole(self) -> str:
        """The SQL condition that no part of the key is NULL, over `values`."""
        if self.keyed:
            return "true"
        return " and ".join(f"key_{index} is not null" for index in range(len(self.key)))

    def counted(self, columns: tuple[StrataColumn, ...], found: Sequence[Labelled]) -> Counts:
        """Count the strata (see `sandbox.sampler.plan.strata.strata.sketched` for errors)."""
        self._look_first(columns, found)
        rows, null_keys = self._grouped(found)
        self._check_population(rows, null_keys)
        columns = tuple(self._with_common(index, column) for index, column in enumerate(columns))
        self._label(columns)
        strata = self._strata(columns)
        self.session.execute(f"drop view {LABELLED}; drop table {COUNTED}")
        return Counts(columns=columns, strata=strata, rows=rows, null_keys=null_keys)

    @property
    def _doing(self) -> str:
        return f"counting the strata of {self.table.name}"

    @property
    def _units(self) -> str:
        """The aggregate that counts units over the groups."""
        return "count(distinct unit)" if self.shared else "sum(population)::bigint"

    def _look_first(self, columns: Sequence[StrataColumn], found: Sequence[Labelled]) -> None:
        """Stop before counting millions of groups exactly, where the first rows show them; the estimate is good enough."""
        pairs = [
            (column, one)
            for column, one in zip(columns, found, strict=True)
            if column.rare_below is None and column.edges is None and not column.path
        ]
        if self.table.rows <= LOOK_FIRST or not pairs:
            return
        estimates = ", ".join(f"approx_count_distinct(value_{index})" for index in range(len(pairs)))
        values = self.values([one for _, one in pairs])
        counts = self.session.rows(
            f"select {estimates} from (from {values} limit {LOOK_FIRST})", doing=self._doing
        )[0]
        if max(counts) > 2 * MOST:
            counts = self.session.rows(f"select {estimates} from {values}", doing=self._doing)[0]
            raise self._too_many([column for column, _ in pairs], counts, about=True)

    def _grouped(self, found: Sequence[Labelled]) -> tuple[int, int]:
        """Make the table of groups; give the rows of the frame, and how many have no whole key."""
        values = [f"value_{index}" for index in range(len(found))]
        groups = "".join(f"{value}, " for value in values)
        if self.shared:
            unit = f"row({', '.join(f'key_{index}' for index in range(len(self.key)))})"
            select = (
                f"select {groups}case when {self.whole} then {unit} end as unit, count(*) as n "
                f"from {self.values(found)} group by all"
            )
            totals = "sum(n), sum(n) filter (unit is null)"
        else:
            by = f"group by {', '.join(values)}" if values else ""
            counts = f"count(*) filter ({self.whole}) as population, count(*) as n"
            if self.source.counts is not None:
                counts = "sum(key_0)::bigint as population, sum(key_1)::bigint as n"
            select = f"select {groups}{counts} from {self.values(found)} {by}"
            totals = "sum(n), sum(n - population)"
        self.session.execute(f"create or replace temp table {COUNTED} as {select}", doing=self._doing)
        rows, null_keys = self.session.rows(f"select {totals} from {COUNTED}")[0]
        if self.shared:
            self.session.execute(f"delete from {COUNTED} where unit is null")
        return int(rows or 0), int(null_keys or 0)

    def _check_population(self, rows: int, null_keys: int) -> None:
        if rows > null_keys:
            return
        if rows:
            what = f"in all {rows:,} rows a part of the key ({', '.join(self.key)}) is NULL"
        elif self.table.rows:
            what = f"where holds for none of its {self.table.rows:,} rows"
        else:
            what = "it has no rows"
        raise RuleError(
            f"there is nothing to sample in {self.table.name}: {what}", hint="look at the source's files"
        )

    def _with_common(self, index: int, column: StrataColumn) -> StrataColumn:
        """Find the values that are not rare, by their count over the whole frame."""
        if column.rare_below is None:
            return column
        found = self.session.rows(
            f"select {as_text(column.type, f'value_{index}')} from {COUNTED} where value_{index} is not null "
            f"group by value_{index} having {self._units} >= ? order by 1 limit {MOST + 1}",
            [column.rare_below],
        )
        return dataclasses.replace(column, common=tuple(row[0] for row in found))

    def _label(self, columns: Sequence[StrataColumn]) -> None:
        """Make the groups readable by ``kind_i`` and ``text_i`` of their labels."""
        kinds, texts = [], []
        for index, column in enumerate(columns):
            value = f"value_{index}"
            text = as_text("INTEGER" if column.edges is not None else column.type, value)
            other = "'value'"
            if column.edges is not None:
                other = f"case when {value} = {NOT_A_NUMBER} then 'nan' else 'bin' end"
            elif column.rare_below is not None:
                common = f"common {index}"
                self.session.execute(
                    f"create or replace temp table {quote(common)} as select unnest(?::varchar[]) as text",
                    [list(column.common)],
                )
                other = f"case when {text} in (from {quote(common)}) then 'value' else 'rare' end"
            kinds.append(f"case when {value} is null then 'null' else {other} end as kind_{index}")
            texts.append(f"case when kind_{index} in ('value', 'bin') then {text} end as text_{index}")
        names = [name for index in range(len(columns)) for name in (f"kind_{index}", f"text_{index}")]
        counted = "unit" if self.shared else "population"
        self.session.execute(
            f"create or replace temp view {LABELLED} as select {', '.join([*names, counted])} "
            f"from (select {', '.join([*texts, '*'])} from (select {', '.join([*kinds, '*'])} from {COUNTED}))"
        )

    def _strata(self, columns: Sequence[StrataColumn]) -> list[tuple[tuple[Label, ...], int]]:
        names = [name for index in range(len(columns)) for name in (f"kind_{index}", f"text_{index}")]
        groups = "".join(f"{name}, " for name in names)
        if self.shared:
            self._check_one_stratum(names)
        found = self.session.rows(
            f"select {groups}{self._units} as n from {LABELLED} group by all having n > 0 order by all "
            f"limit {MOST + 1}",
            doing=self._doing,
        )
        if len(found) > MOST:
            distinct = ", ".join(f"count(distinct row(kind_{i}, text_{i}))" for i in range(len(columns)))
            counts = self.session.rows(f"select {distinct} from {LABELLED}")[0]
            raise self._too_many(columns, counts, about=False)
        strata = [(_labels(row[:-1]), int(row[-1])) for row in found]
        return sorted(strata, key=lambda one: order_of(columns, one[0]))

    def _check_one_stratum(self, names: list[str]) -> None:
        """Make sure that rows which share a key share a stratum."""
        if not names:
            return
        found = self.session.rows(
            f"select unit, list_sort(list(distinct row({', '.join(names)})))[:2] from {LABELLED} group by unit "
            f"having count(distinct row({', '.join(names)})) > 1 order by unit limit 1",
            doing=self._doing,
        )
        if not found:
            return
        key, strata = found[0]
        shown = ", ".join(f"{name} = {part}" for name, part in zip(self.key, key, strict=True))
        values = sorted(" and ".join(str(cell) for cell in one[1::2]) for one in strata)
        raise RuleError(
            f"{self.table.name}: rows that share a key are one unit and must lie in one stratum; "
            f"those with {shown} lie in {' | '.join(values)}",
            hint="take out of strata the columns in which such rows differ",
        )

    def _too_many(self, columns: Sequence[StrataColumn], counts: Sequence[int], *, about: bool) -> RuleError:
        count, widest = max(zip(counts, columns, strict=True), key=lambda one: one[0])
        if widest.edges is not None:
            way = f"give {widest.name} fewer bins"
        else:
            way = f'merge its rare values: {{column = "{widest.name}", rare_below = 200}}'
        return RuleError(
            f"{self.table.name} would fall into more than {MOST:,} strata; the widest column is {widest.name}, "
            f"with {'about ' if about else ''}{count:,} values",
            hint=f"{way}, or take it out of strata",
        )


def _labels(cells: tuple[str | None, ...]) -> tuple[Label, ...]:
    pairs = zip(cells[::2], cells[1::2], strict=True)
    return tuple(Label(kind=kind, text=text) for kind, text in pairs)  # type: ignore[arg-type]
