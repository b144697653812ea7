"""Choose the units of the second half-sample that are copied, and number the copies of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sampler.half_sample.copy_plan import MAX_RELATIVE_ROWS, UnitCounts, count_copied_units
from sandbox.sampler.half_sample.selection import build_half_units_query, build_unit_digits
from sandbox.sources.checks.schema_check import build_when_condition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sampler.half_sample.half_tables import HalfTables
    from sandbox.sampler.plan.plan import TableStep

UNIT_COLUMN = "number_of_unit"
COPIES_COLUMN = "number_of_copies"
"""Copies of a row; 0 where its unit is not copied."""


@dataclass(frozen=True, kw_only=True)
class CopiedUnits:
    """The units of the second half-sample, numbered in a pseudo-random order."""

    tables: HalfTables

    @property
    def families(self) -> list[TableStep]:
        """The unit tables and the tables that belong to units."""
        return [step for step in self.tables.steps if step.unit is not None]

    def number_units(self) -> None:
        """Add the unit's number to every row of the half's units; NULL for other rows."""
        for step in self.families:
            if step.through is None:
                self._add_column(step.table, UNIT_COLUMN, *self._build_unit_numbers(step.table))
            else:
                columns = ", ".join(map(quote_identifier, dict.fromkeys(step.through.key)))
                numbers = (
                    f"select {columns}, min({UNIT_COLUMN}) as {UNIT_COLUMN} from {quote_identifier(step.through.table)} "
                    f"where {UNIT_COLUMN} is not null group by {columns}"
                )
                on = self.tables.build_reference_condition(step.table, step.through)
                self._add_column(
                    step.table, UNIT_COLUMN, numbers, f"{on} and {build_when_condition(step.through, 'r')}"
                )

    def count_units(self) -> dict[str, UnitCounts]:
        """Choose the units to copy, and return the counts of each unit table."""
        counts = {}
        for unit, draw in self.tables.manifest.units.items():
            chosen = self._choose_units(unit)
            counts[unit] = UnitCounts(
                population=sum(stratum.population for stratum in draw.strata),
                sampled=sum(stratum.sampled for stratum in draw.strata),
                half=self._count_rows(_format_units_table(unit)),
                copied_rows=tuple(rows for _, rows in chosen),
            )
        return counts

    def list_chosen_units(self, unit: str) -> list[list[str]]:
        """List the keys of the units to copy as text, that of middle size first."""
        names = ", ".join(f"u.{quote_identifier(name)}::varchar" for name in self.tables.manifest.units[unit].key)
        rows = self.tables.session.fetch_rows(
            f"select {names} from {_format_chosen_table(unit)} c join {_format_units_table(unit)} u "
            f"using ({UNIT_COLUMN}) order by c.place"
        )
        return [list(map(str, row)) for row in rows]

    def set_copies(self, counts: Mapping[str, UnitCounts], copies: Mapping[str, int]) -> None:
        """Add the number of copies to every row of the tables of units."""
        for unit, number in copies.items():
            first, each, more = counts[unit].divide_copies(number)
            chosen = (
                f"select {UNIT_COLUMN}, case when place = 0 then {first} else {each} + (place <= {more})::INTEGER end "
                f"as {COPIES_COLUMN} from {_format_chosen_table(unit)}"
            )
            for step in self.families:
                if step.unit == unit:
                    on = f"r.{UNIT_COLUMN} = t.{UNIT_COLUMN}"
                    self._add_column(step.table, COPIES_COLUMN, chosen, on, default="0")

    def _build_unit_numbers(self, unit: str) -> tuple[str, str]:
        """Create the table of the half's units, and return the query of their numbers and the condition of its join."""
        manifest, session = self.tables.manifest, self.tables.session
        key = manifest.units[unit].key
        half = build_half_units_query(manifest, self.tables.sample.path, unit, "second")
        session.execute(
            f"create or replace temp table {_format_units_table(unit)} as select *, "
            f"row_number() over (order by {build_unit_digits(manifest, unit)}) as {UNIT_COLUMN} from ({half})",
            doing=f"halving {unit}",
        )
        on = " and ".join(f"r.{quote_identifier(name)} = t.{quote_identifier(name)}" for name in key)
        return f"select * from {_format_units_table(unit)}", on

    def _choose_units(self, unit: str) -> list[tuple[int, int]]:
        """Choose the units to copy, that of middle size first, and return the number and the rows of each."""
        session = self.tables.session
        rows = " union all ".join(
            f"select {UNIT_COLUMN} from {quote_identifier(step.table)} where {UNIT_COLUMN} is not null"
            for step in self.families
            if step.unit == unit
        )
        most = count_copied_units(self._count_rows(_format_units_table(unit)))
        session.execute(
            f"create or replace temp table {_format_chosen_table(unit)} as "
            f"with sizes as (select {UNIT_COLUMN}, count(*) as n from ({rows}) group by all), "
            f"chosen as (select * from sizes where n <= {MAX_RELATIVE_ROWS} * (select avg(n) from sizes) "
            f"order by {UNIT_COLUMN} limit {most}), "
            f"ranked as (select *, row_number() over (order by n, {UNIT_COLUMN}) = (count(*) over () + 1) // 2 as is_middle "
            "from chosen) "
            f"select {UNIT_COLUMN}, n, row_number() over (order by not is_middle, {UNIT_COLUMN}) - 1 as place from ranked",
            doing=f"choosing {unit} to copy",
        )
        return session.fetch_rows(f"select {UNIT_COLUMN}, n from {_format_chosen_table(unit)} order by place")

    def _add_column(self, table: str, column: str, query: str, on: str, *, default: str = "null") -> None:
        """Add a column of a query ``t`` to a table ``r``; the query has at most one row for each."""
        name = quote_identifier(table)
        self.tables.session.execute(
            f"create or replace temp table {name} as select r.*, coalesce(t.{column}, {default}) as {column} "
            f"from {name} r left join ({query}) t on {on}",
            doing=f"halving {table}",
        )

    def _count_rows(self, relation: str) -> int:
        return int(self.tables.session.fetch_rows(f"select count(*) from {relation}")[0][0])


def _format_units_table(unit: str) -> str:
    return quote_identifier(f"units of the half of {unit}")


def _format_chosen_table(unit: str) -> str:
    return quote_identifier(f"copied units of {unit}")
