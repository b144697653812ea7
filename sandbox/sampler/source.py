"""The source: a folder in which a table is a file, or a folder of files of one format."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sandbox.model import TableFormat

SUFFIXES: Mapping[str, TableFormat] = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".csv.gz": "csv", ".tsv": "csv", ".tsv.gz": "csv",
    ".jsonl": "jsonl", ".jsonl.gz": "jsonl", ".ndjson": "jsonl", ".ndjson.gz": "jsonl",
}  # fmt: skip
KNOWN = "Parquet (.parquet), CSV (.csv, .csv.gz) or JSON Lines (.jsonl, .ndjson)"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of the source.

    Attributes:
        path: Absolute.
        name: Relative to the source's folder, with forward slashes.
        bytes: Its size.
        modified: Nanoseconds since 1970 UTC.
    """

    path: Path
    name: str
    bytes: int
    modified: int

    @property
    def packed(self) -> bool:
        """Whether it is compressed with gzip."""
        return self.path.name.lower().endswith(".gz")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What lies in a source's folder.

    Attributes:
        root: The folder, absolute.
        files: For each table its format and files, sorted by name.
        problems: For each table that is there but cannot be read as one, what is wrong with it.
    """

    root: Path
    files: Mapping[str, tuple[TableFormat, tuple[SourceFile, ...]]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    def of(self, table: str) -> tuple[TableFormat, tuple[SourceFile, ...]]:
        """Give a table's format and files.

        Raises:
            SourceError: It is there but cannot be read as a table.
            ConfigError: It is not there.
        """
        if table in self.problems:
            raise SourceError(self.problems[table])
        if table in self.files:
            return self.files[table]
        raise ConfigError(
            f"the source has no table {table}: there is no {table}.parquet, .csv or .jsonl in {self.root}, "
            f"and no folder of that name",
            hint=suggestion(table, [*self.files, *self.problems], "tables there"),
        )


def listed(root: Path) -> Listing:
    """List the tables of a source's folder; what is hidden (``.x``, ``_x``) or of another format is no table.

    Raises:
        SourceError: The folder is not there or cannot be read.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "is not there"
        raise SourceError(
            f"the source {root} {what}", hint="correct uri in [source]; it starts at sandbox.toml"
        )
    found: dict[str, list[tuple[TableFormat, tuple[SourceFile, ...]]]] = {}
    problems: dict[str, str] = {}
    try:
        for entry in _visible(root):
            if entry.is_dir():
                _add_folder(root, entry, found, problems)
            elif (form := format_of(entry)) is not None:
                found.setdefault(stem(entry), []).append((form, (_file(root, entry),)))
    except OSError as error:
        raise SourceError(f"the source {root} cannot be read: {error}") from error
    for name, ways in found.items():
        if len(ways) > 1:
            files = ", ".join(way[1][0].name for way in ways)
            problems[name] = f"the source has the table {name} more than once: {files}; keep one"
    tables = {name: ways[0] for name, ways in found.items() if name not in problems}
    return Listing(root=root, files=tables, problems=problems)


def changed(before: Iterable[SourceFile], root: Path) -> list[str]:
    """Give the files that are no longer as they were, by name."""
    return [one.name for one in before if not one.path.is_file() or _file(root, one.path) != one]


def format_of(path: Path) -> TableFormat | None:
    """Give the format that a file's name promises; None where it is no table."""
    suffix = _suffix(path)
    return SUFFIXES[suffix] if suffix else None


def stem(path: Path) -> str:
    """Give the table's name in a file's name: ``orders`` for ``orders.csv.gz``."""
    return path.name[: -len(_suffix(path) or "") or None]


def suggestion(name: str, valid: Iterable[str], what: str) -> str:
    """Give a hint: the closest valid name, or else all of them.

    >>> suggestion("custmers", ["customers", "orders"], "tables there")
    'did you mean "customers"?'
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name.lower(), [one.lower() for one in names], n=1, cutoff=0.6)
    if close:
        return f'did you mean "{next(one for one in names if one.lower() == close[0])}"?'
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"{what}: {shown or 'none'}"


def _suffix(path: Path) -> str | None:
    name = path.name.lower()
    fitting = [suffix for suffix in SUFFIXES if name.endswith(suffix) and len(name) > len(suffix)]
    return max(fitting, key=len) if fitting else None


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))


def _file(root: Path, path: Path) -> SourceFile:
    state = path.stat()
    name = path.relative_to(root).as_posix()
    return SourceFile(path=path, name=name, bytes=state.st_size, modified=state.st_mtime_ns)


def _add_folder(
    root: Path,
    folder: Path,
    found: dict[str, list[tuple[TableFormat, tuple[SourceFile, ...]]]],
    problems: dict[str, str],
) -> None:
    entries = _visible(folder)
    nested = [entry.name for entry in entries if entry.is_dir()]
    files = [entry for entry in entries if entry.is_file() and format_of(entry) is not None]
    formats = sorted({str(format_of(file)) for file in files})
    if nested:
        problems[folder.name] = (
            f"{folder} has folders in it ({', '.join(nested[:3])}); partitioned tables are not supported yet"
        )
    elif len(formats) > 1:
        problems[folder.name] = f"{folder} mixes {' and '.join(formats)}; a table's files are of one format"
    elif not files:
        problems[folder.name] = f"{folder} holds no file that is {KNOWN}"
    else:
        form = format_of(files[0])
        assert form is not None
        found.setdefault(folder.name, []).append((form, tuple(_file(root, file) for file in files)))
