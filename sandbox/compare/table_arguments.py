"""Two tables that are named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from sandbox.errors import SourceError
from sandbox.model import TableFiles, TableFormat

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMAT_OF_SUFFIX: dict[str, TableFormat] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_DATABASE_SUFFIXES = (".duckdb", ".db", ".ddb")
_HINT = "name a .parquet, .csv or .jsonl file, a folder of such files, or a table as FILE.duckdb:TABLE"


def resolve_tables(baseline: str, candidate: str) -> tuple[TableFiles, TableFiles]:
    """Find the two tables of ``sandbox diff TABLE TABLE``.

    Raises:
        SourceError: One is not there, or is no table.
    """
    return resolve_table(baseline), resolve_table(candidate)


def resolve_table(named: str) -> TableFiles:
    """Find one table: a file, a folder of files of one format, or ``file.duckdb:table``.

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
        if character == ":" and Path(named[:place]).suffix in _DATABASE_SUFFIXES
    ]
    if not parted:
        raise SourceError(f"{named} is not there", hint=_HINT)
    # A table's name may hold a colon, and so may a folder's.
    file, member = next((one for one in parted if one[0].is_file()), parted[-1])
    if not file.is_file():
        raise SourceError(f"{file} is not there", hint=_HINT)
    if not member:
        raise SourceError(f"{named} names no table", hint=_HINT)
    return TableFiles(name=member, format="duckdb", paths=(file.absolute(),), member=member)


def _build_file_table(path: Path) -> TableFiles:
    if path.suffix in _DATABASE_SUFFIXES:
        raise SourceError(f"{path} is a database, not a table", hint=f"name one of its tables: {path}:TABLE")
    format_ = _FORMAT_OF_SUFFIX.get(path.suffix.casefold())
    if format_ is None:
        raise SourceError(f"{path} is not of a known format", hint=_HINT)
    return TableFiles(name=path.stem, format=format_, paths=(path.absolute(),))


def _build_folder_table(path: Path) -> TableFiles:
    known = {
        found.absolute(): _FORMAT_OF_SUFFIX[found.suffix.casefold()]
        for found in sorted(_list_visible_files(path))
        if found.suffix.casefold() in _FORMAT_OF_SUFFIX
    }
    formats = sorted(set(known.values()))
    if not formats:
        raise SourceError(f"{path} holds no table: no {', '.join(get_args(TableFormat)[:3])} file", hint=_HINT)
    if len(formats) > 1:
        raise SourceError(f"{path} holds files of several formats: {', '.join(formats)}", hint=_HINT)
    return TableFiles(name=path.resolve().name, format=formats[0], paths=tuple(known))


def _list_visible_files(path: Path) -> Iterable[Path]:
    """Files anywhere below, except hidden ones and what Spark keeps beside its parts (``_SUCCESS``, ``.crc``)."""
    for found in path.rglob("*"):
        if found.is_file() and not any(step.startswith((".", "_")) for step in found.relative_to(path).parts):
            yield found
