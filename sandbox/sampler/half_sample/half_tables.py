"""Find the rows of a half-sample: half of the units, their rows, and the rows these refer to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_copy, format_file_list
from sandbox.sampler.half_sample.selection import build_half_units_query
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import build_join_condition, build_when_condition
from sandbox.sources.files.pandas_metadata import copy_pandas_metadata
from sandbox.store.folder import translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from sandbox.config.sections.sample import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from sandbox.sampler.half_sample.selection import HalfName
    from sandbox.sampler.plan.plan import TableStep

IN_HALF_COLUMN = "in_half"
ROW_NUMBER_COLUMN = "row_number_in_file"
FILE_NUMBER_COLUMN = "number_of_file"
HALF_UNITS_TABLE = "units of the half"


@dataclass(frozen=True, kw_only=True)
class HalfTables:
    """The tables of a sample, as temporary tables of keys, references and row numbers; whole lookups have none.

    Attributes:
        session: The query engine.
        sample: The sample.
        manifest: Its manifest.
        steps: Its tables, each after the table it belongs to.
        more_columns: Further columns to read, by table.
    """

    session: Session
    sample: Sample
    manifest: SampleManifest
    steps: tuple[TableStep, ...]
    more_columns: Mapping[str, Collection[str]] = field(default_factory=dict)

    @property
    def loose_steps(self) -> list[TableStep]:
        """The tables of which rows are left out: all but whole lookups."""
        return [step for step in self.steps if step.keep != "all"]

    def read(self) -> None:
        """Read the needed columns with each row's file and row number."""
        for step in self.loose_steps:
            names = "".join(f", {quote_identifier(name)}" for name in self.list_needed_columns(step))
            parts = [
                f"select {number} as {FILE_NUMBER_COLUMN}, file_row_number as {ROW_NUMBER_COLUMN}{names} from {build_parquet_relation(path)}"
                for number, path in enumerate(self.list_files(step))
            ]
            self.session.execute(
                f"create temp table {quote_identifier(step.table)} as select *, false as {IN_HALF_COLUMN} "
                f"from ({' union all '.join(parts)})",
                doing=f"reading {step.table} of the sample",
            )

    def keep_half(self, half: HalfName) -> None:
        """Keep the units of a half and, table by table, their rows; then all rows that kept rows refer to."""
        self._keep_units(half)
        self.follow_references()

    def _keep_units(self, half: HalfName) -> None:
        for step in self.steps:
            if step.role == "unit":
                units = build_half_units_query(self.manifest, self.sample.path, step.table, half)
                self.session.execute(f"create or replace temp table {quote_identifier(HALF_UNITS_TABLE)} as {units}")
                same = " and ".join(
                    f"r.{quote_identifier(name)} = t.{quote_identifier(name)}"
                    for name in self.manifest.units[step.table].key
                )
                self.keep_rows(
                    step.table, f"exists (select 1 from {quote_identifier(HALF_UNITS_TABLE)} t where {same})"
                )
            elif step.through is not None:
                on = self.build_reference_condition(step.table, step.through)
                self.keep_rows(
                    step.table,
                    f"exists (select 1 from {quote_identifier(step.through.table)} t where t.{IN_HALF_COLUMN} and {on} "
                    f"and {build_when_condition(step.through, 'r')})",
                )

    def follow_references(self) -> None:
        """Keep the rows that kept rows refer to until none is added, or for the levels of a reference."""
        loose = {step.table for step in self.loose_steps}
        links = [
            (step.table, reference)
            for step in self.loose_steps
            for reference in step.references
            if reference.table in loose
        ]
        turn = 0
        while links:
            turn += 1
            links = [link for link in links if link[1].levels is None or turn <= link[1].levels]
            if not sum(self._keep_referenced_rows(table, reference) for table, reference in links):
                break

    def _keep_referenced_rows(self, table: str, reference: Reference) -> int:
        """Keep the targets of one reference and return the number of new ones.

        Targets are rows ``r`` here, and referring rows ``t``.
        """
        on = self.build_reference_condition(table, reference, row="t", target="r")
        return self.keep_rows(
            reference.table,
            f"exists (select 1 from {quote_identifier(table)} t where t.{IN_HALF_COLUMN} and {on} "
            f"and {build_when_condition(reference, 't')})",
        )

    def keep_rows(self, table: str, condition: str) -> int:
        """Keep the rows ``r`` of a table that meet an SQL condition and return the number of new ones."""
        [(count,)] = self.session.fetch_rows(
            f"update {quote_identifier(table)} r set {IN_HALF_COLUMN} = true where not {IN_HALF_COLUMN} and {condition}",
            doing=f"choosing rows of {table}",
        )
        return int(count)

    def build_reference_condition(self, table: str, reference: Reference, *, row: str = "r", target: str = "t") -> str:
        """Build the SQL condition between a referring row and its target."""
        types = {
            name: {column.name: column.type for column in self.manifest.tables[name].columns}
            for name in (table, reference.table)
        }
        pairs = [
            ((column, types[table][column]), (name, types[reference.table][name]))
            for column, name in zip(reference.columns, reference.key, strict=True)
        ]
        return f"{build_join_condition(pairs, row, target)} and {build_not_null_condition(reference.columns, row)}"

    def list_needed_columns(self, step: TableStep) -> list[str]:
        """List the columns of keys, references and their conditions."""
        named = {name for reference in step.references for name in reference.columns}
        named |= {name for reference in step.references for name, _ in reference.when}
        named |= set(self.more_columns.get(step.table, ()))
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

    def list_files(self, step: TableStep) -> list[Path]:
        """List a table's files in the sample."""
        return [self.sample.path / file.path for file in self.manifest.tables[step.table].files]

    def write_file(self, path: Path, query: str, target: Path, *, doing: str, replaced: Collection[str] = ()) -> Path:
        """Write the rows of a query in place of the sample's file ``path``, and return where.

        Args:
            path: The sample's file.
            query: The rows, in order.
            target: The folder that stands for the sample's.
            doing: The action for error messages.
            replaced: The columns with other values, which lose their metadata.
        """
        output_path = self._prepare_path(path, target)
        self.session.execute(build_parquet_copy(query, output_path), doing=doing)
        copy_pandas_metadata(path, output_path, replaced)
        return output_path

    def copy_lookup(self, step: TableStep, target: Path) -> int:
        """Copy the files of a whole lookup, and return the number of its rows."""
        for path in self.list_files(step):
            output_path = self._prepare_path(path, target)
            with translate_os_errors(output_path):
                shutil.copyfile(path, output_path)
        return self.manifest.tables[step.table].rows

    def _prepare_path(self, path: Path, target: Path) -> Path:
        output_path = target / path.relative_to(self.sample.path)
        with translate_os_errors(output_path):
            output_path.parent.mkdir(parents=True, exist_ok=True)
        return output_path


def build_parquet_relation(path: Path) -> str:
    """Build SQL for the FROM clause that reads a file with its row numbers."""
    return f"read_parquet({format_file_list([path])}, hive_partitioning = false, file_row_number = true)"
