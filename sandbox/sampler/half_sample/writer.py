"""Write a half-sample: half of the units, their rows, and the rows these refer to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.errors import StoreError
from sandbox.sampler.half_sample.selection import build_half_sample, build_half_units_query
from sandbox.sampler.plan.table_order import order_tables
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import build_join_condition, build_when_condition
from sandbox.sources.files.frame_metadata import copy_frame
from sandbox.store.folder import translate_os_errors

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.sections.sample import Reference
    from sandbox.config.settings import Settings
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from sandbox.sampler.plan.plan import TableStep

IN_HALF_COLUMN = "in_half"
ROW_NUMBER_COLUMN = "place_in_file"
FILE_NUMBER_COLUMN = "number_of_file"
HALF_UNITS_TABLE = "units of the half"


def write_half_sample(sample: Sample, manifest: SampleManifest, settings: Settings, target: Path) -> Sample:
    """Write a half-sample as ``target/tables/<table>/*.parquet``, files and rows in the sample's order.

    Raises:
        StoreError: A file cannot be read or written.
    """
    rows = {name: table.source_rows for name, table in manifest.tables.items()}
    with Session(memory=settings.sample.memory, failure=StoreError) as session:
        half = _HalfSampleWriter(
            session=session,
            sample=sample,
            manifest=manifest,
            steps=order_tables(settings, rows),
            target=target,
        )
        half.read()
        half.keep_units()
        half.follow_references()
        half.write()
    return build_half_sample(target, manifest)


@dataclass(frozen=True, kw_only=True)
class _HalfSampleWriter:
    """A half-sample being written; tables except whole lookups are temp tables of keys and references."""

    session: Session
    sample: Sample
    manifest: SampleManifest
    steps: tuple[TableStep, ...]
    target: Path

    def read(self) -> None:
        """Read the needed columns with each row's file and row number."""
        for step in self.steps:
            if step.keep == "all":
                continue
            names = "".join(f", {quote_identifier(name)}" for name in self._list_needed_columns(step))
            parts = [
                f"select {number} as {FILE_NUMBER_COLUMN}, file_row_number as {ROW_NUMBER_COLUMN}{names} from {_build_parquet_relation(path)}"
                for number, path in enumerate(self._list_files(step))
            ]
            self.session.execute(
                f"create temp table {quote_identifier(step.table)} as select *, false as {IN_HALF_COLUMN} "
                f"from ({' union all '.join(parts)})",
                doing=f"reading {step.table} of the sample",
            )

    def keep_units(self) -> None:
        """Keep half of the units and, table by table, their rows."""
        for step in self.steps:
            if step.role == "unit":
                units = build_half_units_query(self.manifest, self.sample.path, step.table)
                self.session.execute(f"create or replace temp table {quote_identifier(HALF_UNITS_TABLE)} as {units}")
                same = " and ".join(
                    f"r.{quote_identifier(name)} = t.{quote_identifier(name)}"
                    for name in self.manifest.units[step.table].key
                )
                self._keep_rows(step.table, f"select 1 from {quote_identifier(HALF_UNITS_TABLE)} t where {same}")
            elif step.through is not None:
                on = self._build_join_condition(step.table, step.through)
                self._keep_rows(
                    step.table,
                    f"select 1 from {quote_identifier(step.through.table)} t where t.{IN_HALF_COLUMN} and {on} "
                    f"and {build_when_condition(step.through, 'r')}",
                )

    def follow_references(self) -> None:
        """Keep the rows referenced by kept rows until none is added."""
        loose = {step.table for step in self.steps if step.keep != "all"}
        links = [
            (step.table, reference)
            for step in self.steps
            if step.table in loose
            for reference in step.references
            if reference.table in loose
        ]
        while sum(self._keep_referenced_rows(table, reference) for table, reference in links):
            pass

    def write(self) -> None:
        """Write the kept rows of each file; whole lookups are copied."""
        for step in self.steps:
            for number, path in enumerate(self._list_files(step)):
                output_path = self.target / path.relative_to(self.sample.path)
                with translate_os_errors(output_path):
                    output_path.parent.mkdir(parents=True, exist_ok=True)
                if step.keep == "all":
                    with translate_os_errors(output_path):
                        shutil.copyfile(path, output_path)
                    continue
                kept = f"select {ROW_NUMBER_COLUMN} from {quote_identifier(step.table)} where {IN_HALF_COLUMN} and {FILE_NUMBER_COLUMN} = {number}"
                self.session.execute(
                    f"copy (select * exclude (file_row_number) from {_build_parquet_relation(path)} "
                    f"where file_row_number in ({kept}) order by file_row_number) to {quote_literal(str(output_path))} (format parquet, compression zstd)",
                    doing=f"writing half of {step.table}",
                )
                copy_frame(path, output_path)

    def _keep_referenced_rows(self, table: str, reference: Reference) -> int:
        """Keep the targets of one reference and return the number of new ones.

        Targets are rows ``r`` here, and referring rows ``t``.
        """
        on = self._build_join_condition(table, reference, row="t", target="r")
        return self._keep_rows(
            reference.table,
            f"select 1 from {quote_identifier(table)} t where t.{IN_HALF_COLUMN} and {on} and {build_when_condition(reference, 't')}",
        )

    def _keep_rows(self, table: str, matching_rows: str) -> int:
        [(count,)] = self.session.fetch_rows(
            f"update {quote_identifier(table)} r set {IN_HALF_COLUMN} = true where not {IN_HALF_COLUMN} and exists ({matching_rows})",
            doing=f"halving {table}",
        )
        return int(count)

    def _build_join_condition(self, table: str, reference: Reference, *, row: str = "r", target: str = "t") -> str:
        types = {
            name: {column.name: column.type for column in self.manifest.tables[name].columns}
            for name in (table, reference.table)
        }
        pairs = [
            ((column, types[table][column]), (name, types[reference.table][name]))
            for column, name in zip(reference.columns, reference.key, strict=True)
        ]
        return f"{build_join_condition(pairs, row, target)} and {build_not_null_condition(reference.columns, row)}"

    def _list_needed_columns(self, step: TableStep) -> list[str]:
        named = {name for reference in step.references for name in reference.columns}
        named |= {name for reference in step.references for name, _ in reference.when}
        named |= {
            name
            for other in self.steps
            for reference in other.references
            if reference.table == step.table
            for name in reference.key
        }
        if step.role == "unit":
            named |= set(self.manifest.units[step.table].key)
        return sorted(named)

    def _list_files(self, step: TableStep) -> list[Path]:
        return [self.sample.path / file.path for file in self.manifest.tables[step.table].files]


def _build_parquet_relation(path: Path) -> str:
    return f"read_parquet({format_file_list([path])}, hive_partitioning = false, file_row_number = true)"
