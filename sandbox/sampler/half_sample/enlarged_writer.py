"""Write the second half-sample, enlarged unevenly: a tenth of its units is copied, with fresh keys.

On it a bound binds that the sample does not reach: a limit, a threshold, the removal of duplicates. Copies stand beside
their originals, half of them before and half after. So files stay sorted by date, and the rows of a unit together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, quote_identifier, quote_literal
from sandbox.errors import DataRuleError, StoreError
from sandbox.formatting import format_count
from sandbox.manifest.separability import CopiedUnit, HalfSampleRecord
from sandbox.sampler.half_sample.copied_units import COPIES_COLUMN, UNIT_COLUMN, CopiedUnits
from sandbox.sampler.half_sample.copy_plan import plan_copies
from sandbox.sampler.half_sample.fresh_columns import FreshColumns, KeyedTables, choose_fresh_columns
from sandbox.sampler.half_sample.fresh_table import ColumnValues, create_fresh_table, format_fresh_table
from sandbox.sampler.half_sample.half_tables import (
    FILE_NUMBER_COLUMN,
    IN_HALF_COLUMN,
    ROW_NUMBER_COLUMN,
    HalfTables,
    build_parquet_relation,
)
from sandbox.sampler.plan.table_order import order_tables
from sandbox.sources.checks.schema_check import build_when_condition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from sandbox.config.settings import Settings
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from sandbox.sampler.half_sample.copy_plan import UnitCounts
    from sandbox.sampler.half_sample.fresh_columns import Column
    from sandbox.sampler.plan.plan import TableStep

MEMORY_SHARE = 1 / 8
"""Part of a run's memory that the enlarged half-sample may take, unless the sample itself takes more."""


def write_enlarged_half(
    sample: Sample,
    manifest: SampleManifest,
    settings: Settings,
    target: Path,
    *,
    unique: Mapping[str, Collection[str]],
    memory: int,
) -> HalfSampleRecord:
    """Write the enlarged second half-sample as ``target/tables/<table>/*.parquet``.

    Args:
        sample: The sample.
        manifest: Its manifest.
        settings: The settings of its tables.
        target: An existing folder.
        unique: Columns unique in the whole source, by table.
        memory: Bytes of memory of a run.

    Raises:
        StoreError: A file cannot be read or written.
        DataRuleError: A key cannot have fresh values.
    """
    steps = order_tables(settings, {name: table.source_rows for name, table in manifest.tables.items()})
    keys = {name: table.key for name, table in settings.tables.items() if table.key}
    keys |= {name: draw.key for name, draw in manifest.units.items()}
    named = {name: {*keys.get(name, ()), *unique.get(name, ())} for name in manifest.tables}
    with Session(memory=settings.sample.memory, failure=StoreError) as session:
        session.execute("set preserve_insertion_order = true")
        tables = HalfTables(session=session, sample=sample, manifest=manifest, steps=steps, more_columns=named)
        tables.read()
        _check_unique_columns(tables, unique)
        tables.keep_half("second")
        writer = _EnlargedHalfWriter(
            tables=tables, fresh=_choose_columns(tables, keys, unique), copied=CopiedUnits(tables=tables), target=target
        )
        return writer.write(memory)


def _check_unique_columns(tables: HalfTables, unique: Mapping[str, Collection[str]]) -> None:
    """Check that columns that are called unique are so in the sample.

    Raises:
        DataRuleError: A value repeats.
    """
    loose = {step.table for step in tables.loose_steps}
    for table, column in ((table, column) for table, names in unique.items() if table in loose for column in names):
        name = quote_identifier(column)
        [(repeated,)] = tables.session.fetch_rows(
            f"select count({name}) - count(distinct {name}) from {quote_identifier(table)}"
        )
        if repeated:
            raise DataRuleError(
                f"{table}.{column} is declared unique, and {format_count(repeated, 'row')} of the sample repeat a value"
            )


def _choose_columns(
    tables: HalfTables, keys: Mapping[str, Collection[str]], unique: Mapping[str, Collection[str]]
) -> FreshColumns:
    """Choose the columns with fresh values."""
    types = {
        name: {column.name: column.type for column in table.columns} for name, table in tables.manifest.tables.items()
    }
    distinct = {
        (table, column): int(
            tables.session.fetch_rows(
                f"select count(distinct {quote_identifier(column)}) from {quote_identifier(table)}"
            )[0][0]
        )
        for table, key in keys.items()
        if len(key) > 1 and any(step.table == table for step in tables.loose_steps)
        for column in key
    }
    keyed = KeyedTables(
        steps=tables.steps,
        keys={name: tuple(key) for name, key in keys.items()},
        unique=unique,
        types=types,
        distinct=distinct,
    )
    return choose_fresh_columns(keyed)


@dataclass(frozen=True, kw_only=True)
class _EnlargedHalfWriter:
    """An enlarged half-sample being written."""

    tables: HalfTables
    fresh: FreshColumns
    copied: CopiedUnits
    target: Path

    def write(self, memory: int) -> HalfSampleRecord:
        """Write all files."""
        self.copied.number_units()
        counts = self.copied.count_units()
        sample_rows = sum(table.rows for table in self.tables.manifest.tables.values())
        half_rows = sum(self._count_half(step) for step in self.tables.steps)
        copies = plan_copies(
            counts,
            sample_rows=sample_rows,
            half_rows=half_rows,
            most_rows=int(sample_rows * memory * MEMORY_SHARE / max(self._measure_bytes(), 1)),
        )
        self.copied.set_copies(counts, copies)
        self._find_copied_targets()
        for step in self.copied.families:
            for column in self.fresh.fresh[step.table]:
                create_fresh_table(self.tables.session, self._collect_values((step.table, column)))
        for step in self.tables.steps:
            self._write_table(step)
        rows = half_rows + sum(counts[unit].count_copied_rows(number) for unit, number in copies.items())
        return HalfSampleRecord(
            units={unit: counts[unit].half + number for unit, number in copies.items()},
            rows=rows,
            cost=round(rows / max(sample_rows, 1), 2),
            copied=self._list_copied_units(counts, copies),
        )

    def _list_copied_units(self, counts: Mapping[str, UnitCounts], copies: Mapping[str, int]) -> list[CopiedUnit]:
        """List the copied units of the only unit table; none if there are several."""
        if len(counts) != 1:
            return []
        [(unit, number)] = copies.items()
        keys = self.copied.list_chosen_units(unit)
        first, each, more = counts[unit].divide_copies(number)
        shares = [first if place == 0 else each + (place <= more) for place in range(len(keys))]
        return [CopiedUnit(key=key, copies=share) for key, share in zip(keys, shares, strict=True) if share]

    def _count_half(self, step: TableStep) -> int:
        if step.keep == "all":
            return self.tables.manifest.tables[step.table].rows
        query = f"select count(*) from {quote_identifier(step.table)} where {IN_HALF_COLUMN}"
        return int(self.tables.session.fetch_rows(query)[0][0])

    def _measure_bytes(self) -> int:
        """Return the bytes of the sample's values before compression."""
        paths = [path for step in self.tables.steps for path in self.tables.list_files(step)]
        return sum(
            int(
                self.tables.session.fetch_rows(
                    f"select coalesce(sum(total_uncompressed_size), 0) from parquet_metadata({quote_literal(str(path))})",
                    doing="measuring the sample",
                )[0][0]
            )
            for path in paths
        )

    def _find_copied_targets(self) -> None:
        """Add to the rows of each table, for each reference to another unit, the copies of its target."""
        for step in self.copied.families:
            for place, entry in enumerate(self.fresh.following[step.table]):
                if entry.is_within_unit:
                    continue
                reference = entry.reference
                columns = ", ".join(map(quote_identifier, dict.fromkeys(reference.key)))
                targets = (
                    f"select {columns}, min({COPIES_COLUMN}) as target_copies_{place} "
                    f"from {quote_identifier(reference.table)} where {COPIES_COLUMN} > 0 group by {columns}"
                )
                on = self.tables.build_reference_condition(step.table, reference)
                name = quote_identifier(step.table)
                self.tables.session.execute(
                    f"create or replace temp table {name} as select r.*, t.target_copies_{place} from {name} r "
                    f"left join ({targets}) t on {on} and {build_when_condition(reference, 'r')}",
                    doing=f"halving {step.table}",
                )

    def _collect_values(self, column: Column) -> ColumnValues:
        table, name = quote_identifier(column[0]), quote_identifier(column[1])
        used = [f"select {name} as v from {table} where {IN_HALF_COLUMN}"]
        type_ = self._get_type(column)
        used += [
            f"select try_cast({quote_identifier(entry.column)} as {type_}) from {quote_identifier(step.table)} where {IN_HALF_COLUMN}"
            for step in self.copied.families
            for entry in self.fresh.following[step.table]
            if entry.target == column
        ]
        return ColumnValues(
            column=column,
            engine_type=type_,
            known=f"select {name} as v from {table}",
            used=" union all ".join(used),
            originals=(
                f"select {name}, max({COPIES_COLUMN}) from {table} where {COPIES_COLUMN} > 0 and {name} is not null "
                f"group by {name}"
            ),
        )

    def _get_type(self, column: Column) -> str:
        return next(entry.type for entry in self.tables.manifest.tables[column[0]].columns if entry.name == column[1])

    def _write_table(self, step: TableStep) -> None:
        if step.keep == "all":
            self.tables.copy_lookup(step, self.target)
            return
        for number, path in enumerate(self.tables.list_files(step)):
            self.tables.write_file(
                path,
                self._build_query(step, number, path),
                self.target,
                doing=f"writing the other half of {step.table}",
                replaced=[name for name, _, _ in self._list_replacements(step)],
            )

    def _build_query(self, step: TableStep, number: int, path: Path) -> str:
        """Build the SELECT of the rows of one file: k is the row's entry in the half, r the row itself."""
        kept = (
            f"select * from {quote_identifier(step.table)} where {IN_HALF_COLUMN} and {FILE_NUMBER_COLUMN} = {number}"
        )
        if step.unit is None:
            kept = f"select *, 0 as run, 0 as copy from ({kept})"
        else:
            kept = (
                f"select *, sum(starts) over (order by {ROW_NUMBER_COLUMN}) as run, unnest(range({COPIES_COLUMN} + 1)) as copy "
                f"from (select *, ({UNIT_COLUMN} is distinct from lag({UNIT_COLUMN}) over (order by {ROW_NUMBER_COLUMN}))::INTEGER "
                f"as starts from ({kept}))"
            )
        values, joins = self._build_values(step)
        order = f"k.run, case when k.copy % 2 = 1 then -k.copy else k.copy end, k.{ROW_NUMBER_COLUMN}"
        return (
            f"select {values} from ({kept}) k join {build_parquet_relation(path)} r "
            f"on r.file_row_number = k.{ROW_NUMBER_COLUMN} {joins} order by {order}"
        )

    def _build_values(self, step: TableStep) -> tuple[str, str]:
        """Build the SQL of a row's columns, and the joins with the tables of fresh values."""
        types = {column.name: column.type for column in self.tables.manifest.tables[step.table].columns}
        replaced: dict[str, list[str]] = {}
        joins = []
        for place, (name, target, condition) in enumerate(self._list_replacements(step)):
            column, fresh = f"r.{quote_identifier(name)}", f"f{place}"
            old = f"{fresh}.old"
            if types[name] != self._get_type(target):
                column, old = f"{column}::VARCHAR", f"{old}::VARCHAR"
            joins.append(
                f"left join {format_fresh_table(target)} {fresh} on {old} = {column} and {fresh}.copy = k.copy{condition}"
            )
            replaced.setdefault(name, []).append(f"{fresh}.new::{types[name]}")
        values = ", ".join(
            f"coalesce({', '.join(replaced[name])}, r.{quote_identifier(name)}) as {quote_identifier(name)}"
            if name in replaced
            else f"r.{quote_identifier(name)}"
            for name in types
        )
        return values, " ".join(joins)

    def _list_replacements(self, step: TableStep) -> list[tuple[str, Column, str]]:
        """List the replaced columns of a table, with the fresh column and a further condition."""
        if step.unit is None:
            return []
        own = [(name, (step.table, name), "") for name in self.fresh.fresh[step.table]]
        return own + [
            (
                entry.column,
                entry.target,
                "" if entry.is_within_unit else f" and k.copy <= k.target_copies_{place}",
            )
            for place, entry in enumerate(self.fresh.following[step.table])
        ]
