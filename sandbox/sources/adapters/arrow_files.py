"""Read Arrow IPC (Feather) and ORC files of a folder or bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.arrow_types import check_arrow_types, describe_schema
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sources.adapters.scan_view import build_file_select, name_scan_view
from sandbox.sources.files.columns import check_same_columns
from sandbox.sources.files.type_union import unify_file_types
from sandbox.sources.protocol import SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.files.arrow_streams import ArrowStream
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest


@dataclass(frozen=True, kw_only=True)
class ArrowDetails:
    """The columns of each file, in the file's order."""

    columns: tuple[tuple[str, ...], ...]


class ArrowFilesAdapter(SourceAdapter):
    """Files that pyarrow reads in batches."""

    is_columnar = True

    def open_stream(self, file: SourceFile) -> ArrowStream:
        """Open a file."""
        raise NotImplementedError

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        files = request.files
        streams = [self.open_stream(file) for file in files]
        check_same_columns(files, [tuple(stream.schema.names) for stream in streams])
        for file, stream in zip(files, streams, strict=True):
            check_arrow_types(file.path, stream.schema)
        kinds = [describe_schema(session, stream.plain_schema) for stream in streams]
        self._register_scans(session, request.name, files)

        def build_own_select(index: int) -> str:
            return _build_scan_select(request.name, index, {name: (name, kind) for name, kind in kinds[index].items()})

        types = unify_file_types(session, request.name, files, kinds, build_own_select)
        rows = sum(stream.count_rows() for stream in streams)
        return SourceTable(
            name=request.name,
            format=self.format,
            files=files,
            columns={name: request.fixed.get(name, kind) for name, kind in types.items()},
            rows=rows,
            width=sum(file.bytes for file in files) / max(1, rows),
            details=ArrowDetails(columns=tuple(tuple(stream.schema.names) for stream in streams)),
        )

    def attach_table(self, session: Session, table: SourceTable) -> None:
        self._register_scans(session, table.name, table.files)

    def _register_scans(self, session: Session, table: str, files: tuple[SourceFile, ...]) -> None:
        from sandbox.sources.files.arrow_streams import ArrowFileScan  # noqa: PLC0415 - slow, see `arrow_scan`

        for index, file in enumerate(files):
            scan = ArrowFileScan(self.open_stream(file))
            session.register_table(name_scan_view(table, index), scan)

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        files = range(len(table.files)) if files is None else files
        assert isinstance(table.details, ArrowDetails)
        names = table.details.columns
        selects = (build_file_select(table, index, names[index]) for index in files)
        return number_rows(" union all ".join(selects), number)


def _build_scan_select(table: str, index: int, columns: dict[str, tuple[str, str]]) -> str:
    shown = [f"c{number}::{kind} as {quote_identifier(name)}" for number, (name, kind) in enumerate(columns.values())]
    return f"select {', '.join(shown)} from {quote_identifier(name_scan_view(table, index))}"


class ArrowAdapter(ArrowFilesAdapter):
    """Arrow IPC files and streams, and Feather files."""

    format = "arrow"
    suffixes = (".arrow", ".feather", ".ipc", ".arrows")
    weak_suffixes = suffixes

    def open_stream(self, file: SourceFile) -> ArrowStream:
        from sandbox.sources.files.arrow_streams import open_arrow_stream  # noqa: PLC0415 - slow, see `arrow_scan`

        return open_arrow_stream(file)


class OrcAdapter(ArrowFilesAdapter):
    """ORC files."""

    format = "orc"
    suffixes = (".orc",)
    weak_suffixes = suffixes
    parquet_ratio = 1.0

    def open_stream(self, file: SourceFile) -> ArrowStream:
        from sandbox.sources.files.arrow_streams import open_orc_stream  # noqa: PLC0415 - slow, see `arrow_scan`

        return open_orc_stream(file)
