"""Name and read the views of tables that DuckDB scans through Python (see `sandbox.engine.duckdb.arrow_scan`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sources.files.partitions import FileConstants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.sources.table import SourceTable


def name_scan_view(table: str, piece: int | None = None) -> str:
    """Return the name of a session's view of a scanned table, or of a piece of it."""
    return f"rows of {table.encode().hex()}" + ("" if piece is None else f" {piece}")


def build_scan_select(
    table: SourceTable, piece: int | None, row_number: str | None = None, *, order: Sequence[str] = ()
) -> str:
    """Build the SELECT for the view, whose columns are ``c<n>`` and after them the row number.

    ``order`` are the columns of the view; empty for all of the source.
    """
    places = {name: f"c{number}" for number, name in enumerate(order or table.all_columns)}
    columns = [f"{places[name]}::{kind} as {quote_identifier(name)}" for name, kind in table.columns.items()]
    columns += [] if row_number is None else [f"c{len(places)} as {quote_identifier(row_number)}"]
    return f"select {', '.join(columns)} from {quote_identifier(name_scan_view(table.name, piece))}"


def build_file_select(table: SourceTable, index: int, names: Sequence[str]) -> str:
    """Build the SELECT for the view of one file; ``names`` are the file's columns, in its order."""
    constants = FileConstants.from_files(table, [index]).sql
    places = {name: f"c{number}" for number, name in enumerate(names)}
    columns = [
        constants.get(name) or f"{places[name]}::{kind} as {quote_identifier(name)}"
        for name, kind in table.columns.items()
    ]
    return f"select {', '.join(columns)} from {quote_identifier(name_scan_view(table.name, index))}"
