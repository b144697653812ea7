"""Read CSV files of outputs that are written as ``csv`` in the settings says, by the reader of sources."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sandbox.config.sections.csv import CsvSection
from sandbox.config.sections.sample import TableSection
from sandbox.config.toml_quoting import quote_key
from sandbox.errors import SandboxError
from sandbox.sources.adapters.csv_files import check_encoding
from sandbox.sources.files.csv_layout import decode_file, read_layout
from sandbox.sources.files.partitions import add_partition_columns
from sandbox.sources.folder import NULL_PARTITION
from sandbox.sources.listing import SourceFile, SourceListing
from sandbox.sources.protocol import TableRequest
from sandbox.sources.registry import ADAPTERS, build_select, translate_file_errors
from sandbox.tables.folder_contents import parse_partition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.engine.duckdb.session import Session
    from sandbox.model import TableFiles

CSV = "csv"


def open_csv_table(session: Session, table: TableFiles) -> str:
    """Return the SQL of a table's rows, with the types of their values.

    Raises:
        SourceError: A file cannot be read; the message names file and line.
    """
    section, files = CsvSection.model_validate(table.csv), _list_files(table)
    with translate_file_errors(CSV, files):
        return f"({_open(session, table, section, files, as_text=False)})"


@contextlib.contextmanager
def open_csv_texts(session: Session, table: TableFiles) -> Iterator[str]:
    """Yield the SQL of a table's rows as they are written: all columns are text, and only empty fields NULL.

    Raises:
        SourceError: A file cannot be read, here or inside of the block; the message names file and line.
    """
    section = CsvSection.model_validate(table.csv).model_copy(
        update={"null": [], "date_format": None, "decimal": ".", "thousands": None}
    )
    files = _list_files(table)
    with translate_file_errors(CSV, files):
        sql = f"({_open(session, table, section, files, as_text=True)})"
        try:
            yield sql
        except SandboxError as error:
            check_encoding(f"[outputs.{quote_key(table.name)}]", files, error)
            raise


def _open(
    session: Session, table: TableFiles, section: CsvSection, files: tuple[SourceFile, ...], *, as_text: bool
) -> str:
    request = TableRequest(
        listing=SourceListing(uri="", base=Path(), display_name=table.name),
        name=table.name,
        files=files,
        fixed={},
        section=TableSection(csv=section),
        kind="outputs",
    )
    fixed = {}
    if as_text:
        names = read_layout(decode_file(files[0], section), request.heading, section).columns
        fixed = dict.fromkeys([*names, *(name for name, _ in files[0].constants)], "VARCHAR")
        request = TableRequest(
            listing=request.listing, name=table.name, files=files, fixed=fixed, section=request.section, kind="outputs"
        )
    opened = ADAPTERS[CSV].open_table(session, request)
    if table.folder is not None:
        opened = add_partition_columns(session, opened, fixed)
    return build_select(opened)


def _list_files(table: TableFiles) -> tuple[SourceFile, ...]:
    files = []
    for path in table.paths:
        state = path.stat()
        steps = {} if table.folder is None else parse_partition(table.folder, path)
        constants = tuple(
            (unquote(column), None if value == NULL_PARTITION else unquote(value)) for column, value in steps.items()
        )
        files.append(
            SourceFile(
                path=str(path), name=path.name, bytes=state.st_size, modified=state.st_mtime_ns, constants=constants
            )
        )
    return tuple(files)
