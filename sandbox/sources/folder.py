"""Find the tables of a folder: single files, folders of files of one format, and partitioned folders.

`list_folder` lists a local folder; `find_tables` derives the tables from names alone. Partition folders are named
``column=value``, as in Hive. Every file is part of a table, or left out with a reason.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sandbox.sources.listing import SourceFile
from sandbox.sources.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.sources.listing import SourceFormat

    FilesByTable = dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]]

SUPPORTED_FORMATS = (
    "Parquet (.parquet), CSV (.csv, .tsv, .txt), JSON (.jsonl, .ndjson, .json), Arrow (.arrow, .feather), ORC (.orc) or "
    "Excel (.xlsx)"
)
HIDDEN_REASON = "its name begins with . or _"
UNKNOWN_REASON = "its name has no suffix of a table"
DATABASE_REASON = "a database file is a source of its own: name it as uri"
DATABASE_SUFFIXES = (".duckdb", ".ddb", ".db", ".sqlite", ".sqlite3")
DELTA_LOG = "_delta_log"  # marks its parent as a Delta table
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, kw_only=True)
class SourceTree:
    """Visible files and folders below a folder.

    Attributes:
        root: The folder, for messages; its entries are shown as ``root/name``.
        files: Its files, sorted by name. In folders of a table only those of partitions.
        folders: The names of its folders, sorted.
        hidden: The names of its hidden files and folders, sorted.
    """

    root: str
    files: Sequence[SourceFile]
    folders: Sequence[str]
    hidden: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class TreeTables:
    """What a folder holds.

    Attributes:
        files: Table -> format and files.
        problems: Table -> the reason it cannot be read.
        left_out: File or folder that is no part of a table -> the reason.
    """

    files: FilesByTable
    problems: dict[str, str]
    left_out: dict[str, str]


def list_folder(root: Path) -> SourceTree:
    """List a folder of this machine.

    Raises:
        OSError: It cannot be read.
    """
    files: list[SourceFile] = []
    folders: list[str] = []
    hidden: list[str] = []
    for entry in _walk_entries(root, ""):
        name = os.path.relpath(entry.path, root)
        if not _is_read(entry.name):
            hidden.append(name)
        elif entry.is_dir():
            folders.append(name)
        else:
            state = entry.stat()
            files.append(SourceFile(path=entry.path, name=name, bytes=state.st_size, modified=state.st_mtime_ns))
    return SourceTree(
        root=str(root),
        files=sorted(files, key=lambda file: file.name.split("/")),
        folders=sorted(folders),
        hidden=sorted(hidden),
    )


def _walk_entries(folder: Path | str, inside: str) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder and of visible ones in it; ``inside`` is its own name, empty for the source."""
    with os.scandir(folder) as scanned:
        entries = list(scanned)
    for entry in entries:
        yield entry
        if entry.is_dir() and _is_read(entry.name) and (not inside or "=" in entry.name):
            yield from _walk_entries(entry.path, entry.name)


def _is_read(name: str) -> bool:
    return is_visible(name) or name == DELTA_LOG


def is_visible(name: str) -> bool:
    """Check whether a file or folder can be a table or part of one.

    >>> is_visible("_SUCCESS"), is_visible(".x.crc"), is_visible("_day=3")
    (False, False, True)
    """
    return not name.startswith(".") and (not name.startswith("_") or "=" in name)


def find_tables(tree: SourceTree) -> TreeTables:
    """Return the tables of a folder, the problems of folders and names without one, and what is left out."""
    candidates: dict[str, list[_Candidate]] = {}
    problems: dict[str, str] = {}
    left_out = dict.fromkeys(tree.hidden, HIDDEN_REASON)
    for file in tree.files:
        if "/" not in file.name:
            found = find_suffix(file.name)
            if found is None:
                left_out[file.name] = explain_unknown_file(file.name)
                continue
            way = _Candidate(form=found.format, files=(file,), shown=file.name, is_weak=found.is_weak)
            candidates.setdefault(file.name[: -len(found.suffix)], []).append(way)
    for name in tree.folders:
        if "/" in name or name == DELTA_LOG:
            continue
        try:
            way, others = _resolve_table_folder(tree, name)
        except ValueError as error:
            problems[name] = str(error)
            continue
        candidates.setdefault(name, []).append(way)
        left_out |= others
    files: FilesByTable = {}
    for name, ways in candidates.items():
        strong = [way for way in ways if not way.is_weak] or ways
        left_out |= {way.shown: f"{strong[0].shown} is the table {name}" for way in ways if way not in strong}
        if len(strong) > 1:
            names = ", ".join(sorted(way.shown for way in strong))
            problems[name] = f"the source has the table {name} more than once: {names}; keep one"
        elif name not in problems:
            files[name] = (strong[0].form, strong[0].files)
    return TreeTables(files=files, problems=problems, left_out=left_out)


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """Files that may be a table; a weak one yields to another of the same name."""

    form: SourceFormat
    files: tuple[SourceFile, ...]
    shown: str
    is_weak: bool = False


@dataclass(frozen=True, kw_only=True)
class FormatSuffix:
    """The end of a file's name, and the format it stands for."""

    suffix: str
    format: SourceFormat
    is_weak: bool


def find_suffix(name: str) -> FormatSuffix | None:
    """Return the longest suffix of a file's name that stands for a format; None for other files.

    >>> find_suffix("a.CSV.zst"), find_suffix("notes.pdf")
    (FormatSuffix(suffix='.CSV.zst', format='csv', is_weak=False), None)
    """
    start = name.find(".", 1)
    while start > 0:
        found = _list_suffixes().get(name[start:].lower())
        if found is not None:
            return FormatSuffix(suffix=name[start:], format=found[0], is_weak=found[1])
        start = name.find(".", start + 1)
    return None


@functools.cache
def _list_suffixes() -> dict[str, tuple[SourceFormat, bool]]:
    """Return the format of each suffix, with or without a compression's, and whether it is a weak one."""
    return {
        ending: (adapter.format, suffix in adapter.weak_suffixes)
        for adapter in ADAPTERS.values()
        for suffix in adapter.suffixes
        for ending in (suffix, *(suffix + compression for compression in adapter.compressions))
    }


def explain_unknown_file(name: str) -> str:
    """Return why a file is no table.

    >>> explain_unknown_file("shop.duckdb"), explain_unknown_file("notes.pdf")
    ('a database file is a source of its own: name it as uri', 'its name has no suffix of a table')
    """
    return DATABASE_REASON if name.lower().endswith(DATABASE_SUFFIXES) else UNKNOWN_REASON


def _resolve_table_folder(tree: SourceTree, name: str) -> tuple[_Candidate, dict[str, str]]:
    """Return the table in a folder, and what is left out of it.

    Raises:
        ValueError: It is not a readable table; the text is the reason.
    """
    if f"{name}/{DELTA_LOG}" in tree.folders:
        return _Candidate(form="delta", files=(), shown=f"{name}/"), {}
    folder, below = f"{tree.root}/{name}", f"{name}/"
    inside = [step.rpartition("/")[2] for step in tree.folders if step.startswith(below)]
    strange = [step for step in inside if "=" not in step]
    if strange:
        shown = ", ".join(strange[:3])
        raise ValueError(f"{folder} has folders in it ({shown}) that are no partitions (column=value)")
    here = [file for file in tree.files if file.name.startswith(below)]
    suffixes = {file.name: found for file in here if (found := find_suffix(file.name)) is not None}
    left_out = {file.name: explain_unknown_file(file.name) for file in here if file.name not in suffixes}
    if not suffixes:
        others = f", but {', '.join(sorted(left_out)[:3])}" if left_out else ""
        raise ValueError(f"{folder} holds no file that is {SUPPORTED_FORMATS}{others}")
    if not all(found.is_weak for found in suffixes.values()):
        weak = {file for file, found in suffixes.items() if found.is_weak}
        strong = next(found.format for found in suffixes.values() if not found.is_weak)
        left_out |= dict.fromkeys(weak, f"the table {name} is made of {strong} files")
        suffixes = {file: found for file, found in suffixes.items() if file not in weak}
    forms = sorted({found.format for found in suffixes.values()})
    if len(forms) > 1:
        raise ValueError(f"{folder} mixes {' and '.join(forms)}; a table's files are of one format")
    placed = tuple(_parse_partition(folder, file) for file in here if file.name in suffixes)
    _check_same_partitions(folder, placed)
    return _Candidate(form=forms[0], files=placed, shown=f"{name}/"), left_out


def _check_same_partitions(folder: str, files: Sequence[SourceFile]) -> None:
    """Check that all files have the same partition columns."""
    columns = [", ".join(column for column, _ in file.constants) or "no column" for file in files]
    for file, ones in zip(files, columns, strict=True):
        if ones != columns[0]:
            raise ValueError(
                f"{folder} mixes partitions: {files[0].name} lies in folders of {columns[0]}, {file.name} of {ones}; "
                "the files of a table lie in folders of the same columns"
            )


def _parse_partition(folder: str, file: SourceFile) -> SourceFile:
    """Return a file with the constants in its partition folders.

    Raises:
        ValueError: The folders are not in Hive's notation.
    """
    constants: dict[str, str | None] = {}
    for step in file.name.split("/")[1:-1]:
        column, _, text = step.partition("=")
        try:
            column, value = unquote(column, errors="strict"), unquote(text, errors="strict")
        except UnicodeDecodeError:
            raise ValueError(f"{folder}: the folder {step} is not written in UTF-8") from None
        if not column or column.lower() in {name.lower() for name in constants}:
            what = f"names the column {column} twice" if column else f"has the folder {step}, which names no column"
            raise ValueError(f"{folder}: {file.name} {what}")
        constants[column] = None if text == NULL_PARTITION else value
    return replace(file, constants=tuple(constants.items()))
