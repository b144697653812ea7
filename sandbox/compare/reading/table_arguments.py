"""Two tables that are named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import PipelineError, SourceError
from sandbox.model import TableFiles
from sandbox.tables.file_formats import (
    DATABASE_SUFFIXES,
    find_database_format,
    find_format,
    is_database,
    is_marker,
    strip_suffix,
)
from sandbox.tables.folder_contents import build_folder_table, resolve_json_lines

if TYPE_CHECKING:
    from sandbox.model import TableFormat

_HINT = (
    "name a file of Parquet, CSV, JSON, Arrow or ORC, a folder of such files, a Delta or Iceberg folder, "
    "or a table as FILE.duckdb:TABLE"
)


def resolve_tables(baseline: str, candidate: str) -> tuple[TableFiles, TableFiles]:
    """Return the two tables of ``sandbox diff TABLE TABLE``.

    Raises:
        SourceError: One is not there, or is no table.
    """
    return resolve_table(baseline), resolve_table(candidate)


def resolve_table(named: str) -> TableFiles:
    """Return one table: a file, a folder of files of one format, or ``file.duckdb:table``.

    Raises:
        SourceError: It is not there, or is no table.
    """
    path = Path(named)
    if path.is_dir():
        return _build_folder_table(path)
    if path.is_file():
        return _build_file_table(path)
    parted = [
        (Path(named[:place]), named[place + 1 :])
        for place, character in enumerate(named)
        if character == ":" and is_database(named[:place])
    ]
    if not parted:
        raise SourceError(f"{named} is not there", hint=_HINT)
    # A table's name may hold a colon, and so may a folder's.
    file, member = next((one for one in parted if one[0].is_file()), parted[-1])
    if not file.is_file():
        raise SourceError(f"{file} is not there", hint=_HINT)
    if not member:
        raise SourceError(f"{named} names no table", hint=_HINT)
    format_: TableFormat = "sqlite" if find_database_format(file) == "sqlite" else "duckdb"
    return TableFiles(name=member, format=format_, paths=(file.absolute(),), member=member)


def _build_file_table(path: Path) -> TableFiles:
    if path.name.lower().endswith(DATABASE_SUFFIXES):
        raise SourceError(f"{path} is a database, not a table", hint=f"name one of its tables: {path}:TABLE")
    format_ = find_format(path.name)
    if format_ is None:
        raise SourceError(f"{path} is not of a known format", hint=_HINT)
    return TableFiles(name=strip_suffix(path.name), format=format_, paths=(path.absolute(),))


def _build_folder_table(path: Path) -> TableFiles:
    name = strip_suffix(path.resolve().name)
    try:
        table = build_folder_table(path.absolute(), name)
    except PipelineError as error:
        raise SourceError(error.message, hint=error.hint) from error
    if table is not None:
        return resolve_json_lines(table)
    known = [file for file in sorted(path.absolute().rglob("*")) if _is_visible_file(file, path.absolute())]
    formats = sorted({format_ for file in known if (format_ := find_format(file.name)) is not None})
    if not formats:
        raise SourceError(f"{path} holds no table: no Parquet, CSV, JSON, Arrow or ORC file", hint=_HINT)
    if len(formats) > 1:
        raise SourceError(f"{path} holds files of several formats: {', '.join(formats)}", hint=_HINT)
    files = tuple(file for file in known if find_format(file.name) is not None)
    return resolve_json_lines(TableFiles(name=name, format=formats[0], paths=files))


def _is_visible_file(file: Path, folder: Path) -> bool:
    """Return whether a file is neither hidden nor something that Spark keeps beside its parts."""
    hidden = any(step.startswith((".", "_")) for step in file.relative_to(folder).parts)
    return file.is_file() and not hidden and not is_marker(file.name)
