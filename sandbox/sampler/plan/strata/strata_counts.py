"""Count a frame by its strata columns in one pass over keys and those columns."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule import sampling_rule
from sandbox.engine.rule.strata_labels import NAN_BIN
from sandbox.errors import DataRuleError
from sandbox.formatting import format_count
from sandbox.sampler.plan.bins import build_text_expression
from sandbox.sampler.plan.frame import add_filter, choose_relation
from sandbox.sampler.plan.plan import StratumLabel, build_sort_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.rule.strata_labels import LabelDefinition
    from sandbox.sampler.plan.plan import StrataColumn
    from sandbox.sampler.plan.pushdown import StrataSource
    from sandbox.sources.table import SourceTable

MAX_STRATA = 10_000
ESTIMATE_ROWS = 2_000_000  # rows of the quick estimate before an exact count of more
GROUPS_TABLE = "strata_counted"
LABELS_VIEW = "strata_labelled"


@dataclass(frozen=True, kw_only=True)
class StrataCounts:
    """Counts of a frame.

    Attributes:
        columns: The strata columns, with their common values.
        strata: Labels and N_h of each stratum, in order.
        rows: Rows of the frame, including those with NULL in the key.
        null_keys: Rows of the frame with NULL in the key.
    """

    columns: tuple[StrataColumn, ...]
    strata: list[tuple[tuple[StratumLabel, ...], int]]
    rows: int
    null_keys: int


@dataclass(frozen=True, kw_only=True)
class StrataCounter:
    """Counts the strata of one unit table.

    Attributes:
        session: The query engine.
        table: The table.
        source: The key and strata columns, or the source's counts of them.
        key: The unit's key.
        where: The frame's condition.
        shared: Whether rows of equal key form one unit.
        has_whole_keys: Whether keys are known to have no NULL, so that they need not be read.
    """

    session: Session
    table: SourceTable
    source: StrataSource
    key: tuple[str, ...]
    where: str | None
    shared: bool
    has_whole_keys: bool = False

    def build_values(self, labels: Sequence[LabelDefinition]) -> str:
        """Build SQL for the FROM clause: the frame's ``key_i``, and ``value_i`` of each strata column."""
        source = self.source
        key = source.counts or self.key
        select = sampling_rule.build_label_query(
            choose_relation(source.relation, self.where), source.columns, key, labels
        )
        return f"({add_filter(source.relation, self.where, select)})"

    @property
    def whole_key_condition(self) -> str:
        """SQL condition over `build_values` for keys without NULL."""
        if self.has_whole_keys:
            return "true"
        return " and ".join(f"key_{index} is not null" for index in range(len(self.key)))

    def count(self, columns: tuple[StrataColumn, ...], labels: Sequence[LabelDefinition]) -> StrataCounts:
        """Count the strata (see `sandbox.sampler.plan.strata.strata.count_strata` for errors)."""
        self._check_estimated_strata(columns, labels)
        rows, null_keys = self._count_groups(labels)
        self._check_population(rows, null_keys)
        columns = tuple(self._find_common_values(index, column) for index, column in enumerate(columns))
        self._create_labels_view(columns)
        strata = self._list_strata(columns)
        self.session.execute(f"drop view {LABELS_VIEW}; drop table {GROUPS_TABLE}")
        return StrataCounts(columns=columns, strata=strata, rows=rows, null_keys=null_keys)

    @property
    def _doing(self) -> str:
        return f"counting the strata of {self.table.name}"

    @property
    def _unit_count(self) -> str:
        """SQL aggregate of units over the groups."""
        return "count(distinct unit)" if self.shared else "sum(population)::bigint"

    def _check_estimated_strata(self, columns: Sequence[StrataColumn], labels: Sequence[LabelDefinition]) -> None:
        """Raise early if an estimate over the first rows shows far too many strata."""
        pairs = [
            (column, label)
            for column, label in zip(columns, labels, strict=True)
            if column.rare_below is None and column.edges is None and not column.path
        ]
        if self.table.rows <= ESTIMATE_ROWS or not pairs:
            return
        estimates = ", ".join(f"approx_count_distinct(value_{index})" for index in range(len(pairs)))
        values = self.build_values([label for _, label in pairs])
        counts = self.session.fetch_rows(
            f"select {estimates} from (from {values} limit {ESTIMATE_ROWS})", doing=self._doing
        )[0]
        if max(counts) > 2 * MAX_STRATA:
            counts = self.session.fetch_rows(f"select {estimates} from {values}", doing=self._doing)[0]
            raise self._build_too_many_error([column for column, _ in pairs], counts, is_estimate=True)

    def _count_groups(self, labels: Sequence[LabelDefinition]) -> tuple[int, int]:
        """Create the table of groups; return the rows of the frame, and those with NULL in the key."""
        values = [f"value_{index}" for index in range(len(labels))]
        groups = "".join(f"{value}, " for value in values)
        if self.shared:
            unit = f"row({', '.join(f'key_{index}' for index in range(len(self.key)))})"
            select = (
                f"select {groups}case when {self.whole_key_condition} then {unit} end as unit, count(*) as n "
                f"from {self.build_values(labels)} group by all"
            )
            totals = "sum(n), sum(n) filter (unit is null)"
        else:
            by = f"group by {', '.join(values)}" if values else ""
            counts = f"count(*) filter ({self.whole_key_condition}) as population, count(*) as n"
            if self.source.counts is not None:
                counts = "sum(key_0)::bigint as population, sum(key_1)::bigint as n"
            select = f"select {groups}{counts} from {self.build_values(labels)} {by}"
            totals = "sum(n), sum(n - population)"
        self.session.execute(f"create or replace temp table {GROUPS_TABLE} as {select}", doing=self._doing)
        rows, null_keys = self.session.fetch_rows(f"select {totals} from {GROUPS_TABLE}")[0]
        if self.shared:
            self.session.execute(f"delete from {GROUPS_TABLE} where unit is null")
        return int(rows or 0), int(null_keys or 0)

    def _check_population(self, rows: int, null_keys: int) -> None:
        if rows > null_keys:
            return
        if rows:
            what = f"in all {format_count(rows, 'row')} a part of the key ({', '.join(self.key)}) is NULL"
        elif self.table.rows:
            what = f"where holds for none of its {format_count(self.table.rows, 'row')}"
        else:
            what = "it has no rows"
        raise DataRuleError(
            f"there is nothing to sample in {self.table.name}: {what}", hint="look at the source's files"
        )

    def _find_common_values(self, index: int, column: StrataColumn) -> StrataColumn:
        """Find the common values by their counts over the whole frame."""
        if column.rare_below is None:
            return column
        rows = self.session.fetch_rows(
            f"select {build_text_expression(column.type, f'value_{index}')} from {GROUPS_TABLE} where value_{index} is not null "
            f"group by value_{index} having {self._unit_count} >= ? order by 1 limit {MAX_STRATA + 1}",
            [column.rare_below],
        )
        return dataclasses.replace(column, common=tuple(row[0] for row in rows))

    def _create_labels_view(self, columns: Sequence[StrataColumn]) -> None:
        """Create the view of groups with ``kind_i`` and ``text_i`` of their labels."""
        kinds, texts = [], []
        for index, column in enumerate(columns):
            value = f"value_{index}"
            text = build_text_expression("INTEGER" if column.edges is not None else column.type, value)
            other = "'value'"
            if column.edges is not None:
                other = f"case when {value} = {NAN_BIN} then 'nan' else 'bin' end"
            elif column.rare_below is not None:
                common = f"common {index}"
                self.session.execute(
                    f"create or replace temp table {quote_identifier(common)} as select unnest(?::varchar[]) as text",
                    [list(column.common)],
                )
                other = f"case when {text} in (from {quote_identifier(common)}) then 'value' else 'rare' end"
            kinds.append(f"case when {value} is null then 'null' else {other} end as kind_{index}")
            texts.append(f"case when kind_{index} in ('value', 'bin') then {text} end as text_{index}")
        names = [name for index in range(len(columns)) for name in (f"kind_{index}", f"text_{index}")]
        counted = "unit" if self.shared else "population"
        self.session.execute(
            f"create or replace temp view {LABELS_VIEW} as select {', '.join([*names, counted])} "
            f"from (select {', '.join([*texts, '*'])} from (select {', '.join([*kinds, '*'])} from {GROUPS_TABLE}))"
        )

    def _list_strata(self, columns: Sequence[StrataColumn]) -> list[tuple[tuple[StratumLabel, ...], int]]:
        names = [name for index in range(len(columns)) for name in (f"kind_{index}", f"text_{index}")]
        groups = "".join(f"{name}, " for name in names)
        if self.shared:
            self._check_one_stratum(names)
        rows = self.session.fetch_rows(
            f"select {groups}{self._unit_count} as n from {LABELS_VIEW} group by all having n > 0 order by all "
            f"limit {MAX_STRATA + 1}",
            doing=self._doing,
        )
        if len(rows) > MAX_STRATA:
            distinct = ", ".join(f"count(distinct row(kind_{i}, text_{i}))" for i in range(len(columns)))
            counts = self.session.fetch_rows(f"select {distinct} from {LABELS_VIEW}")[0]
            raise self._build_too_many_error(columns, counts, is_estimate=False)
        strata = [(_parse_labels(row[:-1]), int(row[-1])) for row in rows]
        return sorted(strata, key=lambda stratum: build_sort_key(columns, stratum[0]))

    def _check_one_stratum(self, names: list[str]) -> None:
        """Check that rows of equal key have the same stratum."""
        if not names:
            return
        conflicts = self.session.fetch_rows(
            f"select unit, list_sort(list(distinct row({', '.join(names)})))[:2] from {LABELS_VIEW} group by unit "
            f"having count(distinct row({', '.join(names)})) > 1 order by unit limit 1",
            doing=self._doing,
        )
        if not conflicts:
            return
        key, strata = conflicts[0]
        shown = ", ".join(f"{name} = {part}" for name, part in zip(self.key, key, strict=True))
        values = sorted(" and ".join(str(cell) for cell in stratum[1::2]) for stratum in strata)
        raise DataRuleError(
            f"{self.table.name}: rows that share a key are one unit and must lie in one stratum; "
            f"those with {shown} lie in {' | '.join(values)}",
            hint="take out of strata the columns in which such rows differ",
        )

    def _build_too_many_error(
        self, columns: Sequence[StrataColumn], counts: Sequence[int], *, is_estimate: bool
    ) -> DataRuleError:
        count, widest = max(zip(counts, columns, strict=True), key=lambda pair: pair[0])
        if widest.edges is not None:
            way = f"give {widest.name} fewer bins"
        else:
            way = f'merge its rare values: {{column = "{widest.name}", rare_below = 200}}'
        return DataRuleError(
            f"{self.table.name} would fall into more than {MAX_STRATA:,} strata; the widest column is {widest.name}, "
            f"with {'about ' if is_estimate else ''}{format_count(count, 'value')}",
            hint=f"{way}, or take it out of strata",
        )


def _parse_labels(cells: tuple[str | None, ...]) -> tuple[StratumLabel, ...]:
    pairs = zip(cells[::2], cells[1::2], strict=True)
    return tuple(StratumLabel(kind=kind, text=text) for kind, text in pairs)  # type: ignore[arg-type]
