"""Find the tables of a folder: single files, folders of files of one format, and partitioned folders.

`list_folder` lists a local folder; `find_tables` derives the tables from names alone. Partition folders are named
``column=value``, as in Hive.
"""

from __future__ import annotations

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

SUPPORTED_FORMATS = "Parquet (.parquet), CSV (.csv, .csv.gz) or JSON Lines (.jsonl, .ndjson)"
DELTA_LOG = "_delta_log"  # marks its parent as a Delta table
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, kw_only=True)
class SourceTree:
    """Visible files and folders below a folder.

    Attributes:
        root: The folder, for messages; its entries are shown as ``root/name``.
        files: Its files, sorted by name. In folders of a table only those of partitions.
        folders: The names of its folders, sorted.
    """

    root: str
    files: Sequence[SourceFile]
    folders: Sequence[str]


def list_folder(root: Path) -> SourceTree:
    """List a folder of this machine.

    Raises:
        OSError: It cannot be read.
    """
    files: list[SourceFile] = []
    folders: list[str] = []
    for entry in _walk_visible_entries(root, ""):
        name = os.path.relpath(entry.path, root)
        if entry.is_dir():
            folders.append(name)
            continue
        state = entry.stat()
        files.append(SourceFile(path=entry.path, name=name, bytes=state.st_size, modified=state.st_mtime_ns))
    return SourceTree(
        root=str(root), files=sorted(files, key=lambda file: file.name.split("/")), folders=sorted(folders)
    )


def _walk_visible_entries(folder: Path | str, inside: str) -> Iterator[os.DirEntry[str]]:
    """Yield visible entries in and below a folder; ``inside`` is its own name, empty for the source."""
    with os.scandir(folder) as scanned:
        entries = [entry for entry in scanned if is_visible(entry.name) or entry.name == DELTA_LOG]
    for entry in entries:
        yield entry
        if entry.is_dir() and (not inside or "=" in entry.name):
            yield from _walk_visible_entries(entry.path, entry.name)


def is_visible(name: str) -> bool:
    """Check whether a file or folder can be a table or part of one.

    >>> is_visible("_SUCCESS"), is_visible(".x.crc"), is_visible("_day=3")
    (False, False, True)
    """
    return not name.startswith(".") and (not name.startswith("_") or "=" in name)


def find_tables(tree: SourceTree) -> tuple[FilesByTable, dict[str, str]]:
    """Return the tables of a folder, and the problems of folders and names without one."""
    candidates: dict[str, list[tuple[SourceFormat, tuple[SourceFile, ...]]]] = {}
    problems: dict[str, str] = {}
    for file in tree.files:
        if "/" not in file.name and (form := find_format(file.name)) is not None:
            candidates.setdefault(strip_format_suffix(file.name), []).append((form, (file,)))
    for name in tree.folders:
        if "/" in name or name == DELTA_LOG:
            continue
        try:
            candidates.setdefault(name, []).append(_resolve_table_folder(tree, name))
        except ValueError as error:
            problems[name] = str(error)
    for name, ways in candidates.items():
        if len(ways) > 1:
            names = ", ".join(sorted(files[0].name if files else f"{name}/" for _, files in ways))
            problems[name] = f"the source has the table {name} more than once: {names}; keep one"
    return {name: ways[0] for name, ways in candidates.items() if name not in problems}, problems


def find_format(name: str) -> SourceFormat | None:
    """Return the format by a file's suffix; None for other files."""
    return _find_suffix(name)[1]


def strip_format_suffix(name: str) -> str:
    """Return the table name of a file: ``orders`` for ``orders.csv.gz``."""
    return name.removesuffix(name[len(name) - len(_find_suffix(name)[0]) :])


def _find_suffix(name: str) -> tuple[str, SourceFormat | None]:
    """Return the longest suffix of a file with a format, and that format; empty and None for other files."""
    fitting = [
        (suffix, adapter.format)
        for adapter in ADAPTERS.values()
        for suffix in adapter.suffixes
        if name.lower().endswith(suffix) and len(name) > len(suffix)
    ]
    return max(fitting, key=lambda entry: len(entry[0])) if fitting else ("", None)


def _resolve_table_folder(tree: SourceTree, name: str) -> tuple[SourceFormat, tuple[SourceFile, ...]]:
    """Return the format and files of a table's folder.

    Raises:
        ValueError: It is not a readable table; the text is the reason.
    """
    if f"{name}/{DELTA_LOG}" in tree.folders:
        return "delta", ()
    folder, below = f"{tree.root}/{name}", f"{name}/"
    inside = [step.rpartition("/")[2] for step in tree.folders if step.startswith(below)]
    strange = [step for step in inside if "=" not in step]
    if strange:
        shown = ", ".join(strange[:3])
        raise ValueError(f"{folder} has folders in it ({shown}) that are no partitions (column=value)")
    files = {file: form for file in tree.files if file.name.startswith(below) and (form := find_format(file.name))}
    if not files:
        raise ValueError(f"{folder} holds no file that is {SUPPORTED_FORMATS}")
    forms = sorted(set(files.values()))
    if len(forms) > 1:
        raise ValueError(f"{folder} mixes {' and '.join(forms)}; a table's files are of one format")
    placed = tuple(_parse_partition(folder, file) for file in files)
    _check_same_partitions(folder, placed)
    return forms[0], placed


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
