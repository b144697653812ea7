"""Register the adapter of each format, and dispatch to it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.sources.adapters.arrow_files import ArrowAdapter, OrcAdapter
from sandbox.sources.adapters.csv_files import CsvAdapter
from sandbox.sources.adapters.duckdb_file import DuckDBAdapter
from sandbox.sources.adapters.excel_files import ExcelAdapter
from sandbox.sources.adapters.jsonl_files import JsonLinesAdapter
from sandbox.sources.adapters.lakehouse import DeltaAdapter, IcebergAdapter
from sandbox.sources.adapters.mysql import MySQLAdapter
from sandbox.sources.adapters.parquet_files import ParquetAdapter
from sandbox.sources.adapters.postgres import PostgresAdapter
from sandbox.sources.adapters.snowflake import SnowflakeAdapter
from sandbox.sources.adapters.spark import SparkAdapter
from sandbox.sources.adapters.sqlite_file import SQLiteAdapter
from sandbox.sources.files.file_errors import translate_engine_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.sources.listing import SourceFile, SourceFormat
    from sandbox.sources.protocol import SourceAdapter
    from sandbox.sources.table import SourceTable

ADAPTERS: dict[SourceFormat, SourceAdapter] = {
    adapter.format: adapter
    for adapter in (
        ParquetAdapter(),
        CsvAdapter(),
        JsonLinesAdapter(),
        ArrowAdapter(),
        OrcAdapter(),
        ExcelAdapter(),
        DeltaAdapter(),
        IcebergAdapter(),
        DuckDBAdapter(),
        SQLiteAdapter(),
        PostgresAdapter(),
        MySQLAdapter(),
        SnowflakeAdapter(),
        SparkAdapter(),
    )
}


def get_adapter(table: SourceTable) -> SourceAdapter:
    """Return the adapter of a table."""
    return ADAPTERS[table.format]


def build_select(table: SourceTable, files: Sequence[int] | None = None, *, number: str | None = None) -> str:
    """Build the SELECT for a table (see `SourceAdapter.build_select`)."""
    return get_adapter(table).build_select(table, files, number)


@contextlib.contextmanager
def translate_file_errors(form: SourceFormat, files: Sequence[SourceFile]) -> Iterator[None]:
    """Translate DuckDB's errors about a table's files to name the broken file and line."""
    with translate_engine_errors(ADAPTERS[form].explain_error, files):
        yield
