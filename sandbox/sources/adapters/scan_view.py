"""Name and read the views of tables that DuckDB scans through Python (see `sandbox.engine.duckdb.arrow_scan`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from sandbox.sources.table import SourceTable


def name_scan_view(table: str, piece: int | None = None) -> str:
    """Return the name of a session's view of a scanned table, or of a piece of it."""
    return f"rows of {table.encode().hex()}" + ("" if piece is None else f" {piece}")


def build_scan_select(table: SourceTable, piece: int | None, row_number: str | None = None) -> str:
    """Build the SELECT for the view, whose columns are ``c<n>`` and after them the row number."""
    columns = [
        f"c{number}::{kind} as {quote_identifier(name)}" for number, (name, kind) in enumerate(table.columns.items())
    ]
    columns += [] if row_number is None else [f"c{len(columns)} as {quote_identifier(row_number)}"]
    return f"select {', '.join(columns)} from {quote_identifier(name_scan_view(table.name, piece))}"
