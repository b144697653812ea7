"""A source of Arrow tables in memory: what a new kind of source takes, in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sources.listing import SourceFile, SourceListing
from sandbox.sources.protocol import SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from sandbox.config.sections.source import SourceSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.protocol import TableRequest

URI = "tables in memory"


class MemoryAdapter(SourceAdapter):
    """Arrow tables by name."""

    format = "memory"
    is_snapshot = True

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self._tables = tables

    def list_source(self, uri: str, *, base: Path, section: SourceSection | None) -> SourceListing | None:
        if uri != URI:
            return None
        files = {
            name: (self.format, (SourceFile(path=name, name=name, bytes=rows.nbytes, modified=0),))
            for name, rows in self._tables.items()
        }
        return SourceListing(uri=uri, base=base, display_name=uri, files=files)

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        rows = self._tables[request.name]
        session.register_table(_name_view(request.name), rows)
        described = session.fetch_rows(f"describe {quote_identifier(_name_view(request.name))}")
        return SourceTable(
            name=request.name,
            format=self.format,
            files=request.files,
            columns={row[0]: row[1] for row in described},
            rows=rows.num_rows,
            width=rows.nbytes / max(1, rows.num_rows),
        )

    def attach_table(self, session: Session, table: SourceTable) -> None:
        session.register_table(_name_view(table.name), self._tables[table.name])

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        columns = [
            f"{quote_identifier(name)}::{kind} as {quote_identifier(name)}" for name, kind in table.columns.items()
        ]
        return number_rows(f"select {', '.join(columns)} from {quote_identifier(_name_view(table.name))}", number)


def _name_view(table: str) -> str:
    return f"memory of {table}"
