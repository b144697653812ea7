"""Write a part of a sample: chosen units, their rows, and the rows these refer to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.model import Sample, TableFiles
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
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from sandbox.config.settings import Settings
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.sample import SampleManifest
    from sandbox.sampler.plan.plan import TableStep

DROPPED_TABLE = "rows left out"

UnitKey = tuple[str, ...]
"""The key of a unit, as text."""


class RowAddress(NamedTuple):
    """A row of the sample: its table, the number of its file there, and its row number in the file."""

    table: str
    file: int
    row: int


@dataclass(frozen=True, kw_only=True)
class SubSample:
    """What a part of a sample consists of.

    Attributes:
        unit_table: The table of the units.
        units: The keys of its units.
        dropped: Rows of these units that are left out, with the rows that belong to them.
        nulled: Columns of which every value is NULL, as (table, column).
    """

    unit_table: str
    units: tuple[UnitKey, ...]
    dropped: frozenset[RowAddress] = frozenset()
    nulled: frozenset[tuple[str, str]] = frozenset()

    def compute_fingerprint(self, sample: str) -> str:
        """Return the part's own fingerprint, from the sample's."""
        content = [sample, self.unit_table, sorted(self.units), sorted(self.dropped), sorted(self.nulled)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class SubSampleWriter:
    """Writes parts of one sample; keys, references and row numbers of its tables are temporary tables.

    Args:
        session: The query engine.
        sample: The sample.
        manifest: Its manifest.
        settings: The settings of the sample.
        whole_lookups: Whether parts hold lookups whole, instead of the rows that they refer to.
    """

    def __init__(
        self,
        session: Session,
        sample: Sample,
        manifest: SampleManifest,
        settings: Settings,
        *,
        whole_lookups: bool = False,
    ) -> None:
        self._session = session
        self._manifest = manifest
        rows = {name: table.source_rows for name, table in manifest.tables.items()}
        steps = order_tables(settings, rows)
        self._steps = steps if whole_lookups else _mark_referenced_lookups(steps)
        self._tables = HalfTables(session=session, sample=sample, manifest=manifest, steps=self._steps)
        self._tables.read()
        session.execute(
            f"create temp table {quote_identifier(DROPPED_TABLE)} (table_name varchar, file bigint, row_number bigint)"
        )

    def list_units(self, unit_table: str) -> list[UnitKey]:
        """Return the keys of all units of a table, those with the fewest rows in other tables first."""
        key = self._manifest.units[unit_table].key
        names = ", ".join(f"u.{quote_identifier(name)}::varchar" for name in key)
        counts = " + ".join(
            f"(select count(*) from {quote_identifier(step.table)} r where {self._build_condition(step, 'u')})"
            for step in self._steps
            if step.through is not None and step.through.table == unit_table
        )
        rows = self._session.fetch_rows(
            f"select {names} from {quote_identifier(unit_table)} u order by {counts or '0'}, {names}",
            doing=f"reading {unit_table} of the sample",
        )
        return [tuple(map(str, row)) for row in rows]

    def keep(self, part: SubSample) -> None:
        """Mark the rows of a part."""
        for step in self._tables.loose_steps:
            self._session.execute(f"update {quote_identifier(step.table)} set {IN_HALF_COLUMN} = false")
        self._session.execute(f"delete from {quote_identifier(DROPPED_TABLE)}")
        if part.dropped:
            values = ", ".join(f"({quote_literal(row.table)}, {row.file}, {row.row})" for row in sorted(part.dropped))
            self._session.execute(f"insert into {quote_identifier(DROPPED_TABLE)} values {values}")
        for step in self._steps:
            if step.table == part.unit_table:
                self._keep_units(part)
            elif step.through is not None:
                self._keep_children(step, step.through.table)
        self._tables.follow_references()

    def list_child_rows(self) -> list[RowAddress]:
        """Return the marked rows of tables that belong to units."""
        return [
            RowAddress(step.table, int(file), int(row))
            for step in self._steps
            if step.through is not None
            for file, row in self._session.fetch_rows(
                f"select {FILE_NUMBER_COLUMN}, {ROW_NUMBER_COLUMN} "
                f"from {quote_identifier(step.table)} where {IN_HALF_COLUMN} order by 1, 2"
            )
        ]

    def list_plain_columns(self) -> list[tuple[str, str]]:
        """Return the columns that are neither keys nor references, as (table, column)."""
        return [
            (step.table, column.name)
            for step in self._tables.loose_steps
            for column in self._manifest.tables[step.table].columns
            if column.name not in self._tables.list_needed_columns(step)
        ]

    def write(self, part: SubSample, target: Path) -> Sample:
        """Write a part as ``target/tables/<table>/*.parquet``, files and rows in the sample's order.

        Raises:
            StoreError: A file cannot be read or written.
        """
        self.keep(part)
        tables = {}
        for step in self._steps:
            paths = self._write_table(step, part, target)
            tables[step.table] = TableFiles(name=step.table, format="parquet", paths=tuple(paths))
        return Sample(
            fingerprint=part.compute_fingerprint(self._manifest.fingerprint),
            path=target,
            tables=tables,
        )

    def _keep_units(self, part: SubSample) -> None:
        key = self._manifest.units[part.unit_table].key
        texts = ", ".join(f"r.{quote_identifier(name)}::varchar" for name in key)
        wanted = ", ".join(f"({', '.join(quote_literal(value) for value in unit)})" for unit in part.units)
        self._tables.keep_rows(part.unit_table, f"({texts}) in ({wanted})" if part.units else "false")

    def _keep_children(self, step: TableStep, parent: str) -> None:
        dropped = (
            f"exists (select 1 from {quote_identifier(DROPPED_TABLE)} d where d.table_name = {quote_literal(step.table)} "
            f"and d.file = r.{FILE_NUMBER_COLUMN} and d.row_number = r.{ROW_NUMBER_COLUMN})"
        )
        self._tables.keep_rows(
            step.table,
            f"not {dropped} and exists (select 1 from {quote_identifier(parent)} t where "
            f"t.{IN_HALF_COLUMN} and {self._build_condition(step, 't')})",
        )

    def _build_condition(self, step: TableStep, target: str) -> str:
        """Build the SQL condition between a row ``r`` of a table and the row it belongs to."""
        assert step.through is not None
        on = self._tables.build_reference_condition(step.table, step.through, target=target)
        return f"{on} and {build_when_condition(step.through, 'r')}"

    def _write_table(self, step: TableStep, part: SubSample, target: Path) -> list[Path]:
        """Write the marked rows of each file; files without any are left out, except the first."""
        counts: Mapping[int, int] = {}
        if step.keep != "all":
            rows = self._session.fetch_rows(
                f"select {FILE_NUMBER_COLUMN}, count(*) from {quote_identifier(step.table)} "
                f"where {IN_HALF_COLUMN} group by 1"
            )
            counts = {int(file): int(count) for file, count in rows}
        paths = []
        for number, path in enumerate(self._tables.list_files(step)):
            if step.keep != "all" and number and number not in counts:
                continue
            query = (
                f"select {self._render_columns(step, part.nulled)} from {build_parquet_relation(path)} "
                f"where {self._render_row_condition(step, number)} order by file_row_number"
            )
            paths.append(self._tables.write_file(path, query, target, doing=f"writing rows of {step.table}"))
        return paths

    def _render_columns(self, step: TableStep, nulled: Collection[tuple[str, str]]) -> str:
        names = [column for table, column in sorted(nulled) if table == step.table]
        replaced = ", ".join(
            f"case when false then {quote_identifier(name)} end as {quote_identifier(name)}" for name in names
        )
        return f"* exclude (file_row_number){f' replace ({replaced})' if replaced else ''}"

    def _render_row_condition(self, step: TableStep, number: int) -> str:
        if step.keep == "all":
            return "true"
        return (
            f"file_row_number in (select {ROW_NUMBER_COLUMN} from {quote_identifier(step.table)} "
            f"where {IN_HALF_COLUMN} and {FILE_NUMBER_COLUMN} = {number})"
        )


def _mark_referenced_lookups(steps: Sequence[TableStep]) -> tuple[TableStep, ...]:
    """Return the steps with every lookup that another table refers to kept by reference."""
    referenced = {reference.table for step in steps for reference in step.references if reference.table != step.table}
    return tuple(
        dataclasses.replace(step, keep="referenced") if step.keep == "all" and step.table in referenced else step
        for step in steps
    )
