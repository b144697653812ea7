"""List tables, databases and other files in a folder of outputs by names alone.

A file is a table of its name. A folder directly in the folder is one table of its name. Deeper, each file is a table of
its path; parts of a table (``part-*``, numbers) and folders that are named like files (``sales.parquet/``) are one
table. Folders named ``column=value`` are partitions of the table around them.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import PipelineError
from sandbox.formatting import format_count
from sandbox.model import TableFiles
from sandbox.tables.file_formats import find_format, is_database, is_marker, is_part, strip_suffix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sandbox.model import TableFormat

MAX_FILES = 100_000
DELTA_LOG = "_delta_log"
ICEBERG_METADATA = "metadata"
ICEBERG_METADATA_FILES = "*.metadata.json"


@dataclass(kw_only=True)
class FolderContents:
    """The contents of a folder, without markers.

    Attributes:
        tables: Tables by the names of their files; the content is not checked yet.
        databases: Files named like databases, with the folder as prefix of their tables' names.
        others: All other files.
    """

    tables: list[TableFiles] = field(default_factory=list)
    databases: list[tuple[str, Path]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


def list_contents(folder: Path, *, named: Mapping[Path, str], skipped: Collection[str] = ()) -> FolderContents:
    """List the contents of a folder.

    Args:
        folder: The folder.
        named: Files and folders with explicitly named tables.
        skipped: Ignored entries of the folder.

    Raises:
        PipelineError: An entry is a link or a device, or a folder's partitions are inconsistent.
    """
    reader = _FolderReader(folder=folder, named=named)
    for entry in sorted(folder.iterdir()):
        if entry.name not in skipped:
            reader.add_entry(entry, "")
    return reader.contents


def list_files(folder: Path, *, skipped: Collection[str] = ()) -> Iterator[Path]:
    """Yield every file below a folder except markers, sorted.

    Raises:
        PipelineError: An entry is a link or a device.
    """
    for entry in sorted(folder.iterdir()):
        if entry.name in skipped:
            continue
        if is_folder(entry):
            yield from list_files(entry)
        elif not is_marker(entry.name):
            yield entry


def check_files_of_run(folder: Path) -> None:
    """Check that the files of a run's output folder are not too many, and are nowhere else too; make them readable.

    A file with a name outside of the folder could be changed there after it was compared.

    Raises:
        PipelineError: There are too many, or one is a hard link to a file outside of the folder, or is closed to its reader.
    """
    names: dict[tuple[int, int], tuple[str, int, int]] = {}
    count = 0
    for parent, folders, files in os.walk(folder):
        count += len(files)
        for name in folders:
            _grant_owner_access(Path(parent) / name, 0o700)
        for name in files:
            found = _grant_owner_access(Path(parent) / name, 0o400)
            if found.st_nlink > 1:
                inode = (found.st_dev, found.st_ino)
                names[inode] = (name, found.st_nlink, names.get(inode, ("", 0, 0))[2] + 1)
    if count > MAX_FILES:
        raise PipelineError(
            f"the run left {format_count(count, 'file')}, and at most {MAX_FILES:,} are compared",
            hint="write fewer and larger files",
        )
    for name, links, inside in names.values():
        if links > inside:
            raise PipelineError(
                f"output {name} is a hard link to a file outside of the output folder", hint="copy the file instead"
            )


def _grant_owner_access(path: Path, mode: int) -> os.stat_result:
    """Grant the owner of a file or folder these permissions, and return its former stats."""
    found = path.lstat()
    if not stat.S_ISLNK(found.st_mode) and found.st_mode & mode != mode:
        try:
            path.chmod(stat.S_IMODE(found.st_mode) | mode)
        except OSError as error:
            raise PipelineError(
                f"output {path.name} cannot be read: {error.strerror}",
                hint="leave the files of the output folder readable",
            ) from error
    return found


def is_folder(entry: Path) -> bool:
    """Return whether an entry is a folder, not a file.

    Other entries are refused: a link could lead out of the folder.

    Raises:
        PipelineError: It is neither, or its name is not UTF-8 and so cannot be recorded.
    """
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        raise PipelineError(f"output {entry.name!r}: the name is not UTF-8", hint="give it another name") from None
    found = entry.lstat()
    if stat.S_ISDIR(found.st_mode):
        return True
    if stat.S_ISREG(found.st_mode):
        return False
    raise PipelineError(f"output {entry.name} is a link or a device, not a file", hint="write plain files and folders")


def build_folder_table(folder: Path, name: str) -> TableFiles | None:
    """Return the table of a lake's or partitioned folder; None for a plain folder.

    Raises:
        PipelineError: An entry is a link or a device, or the partitions are inconsistent.
    """
    reader = _FolderReader(folder=folder.parent, named={folder: name})
    reader.add_entry(folder, "")
    return next((table for table in reader.contents.tables if table.folder == folder), None)


def resolve_json_lines(table: TableFiles) -> TableFiles:
    """Return a table of ``.json`` files as JSON Lines if its parts begin with an object, as written by Spark."""
    if table.format != "json" or not all(is_part(path.name) and _begins_with_object(path) for path in table.paths):
        return table
    return dataclasses.replace(table, format="jsonl")


def _begins_with_object(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1024).lstrip().startswith(b"{")


def parse_partition(folder: Path, file: Path) -> dict[str, str]:
    """Return the steps ``column=value`` of a file's path below the folder of its table, as written."""
    steps = [step.partition("=") for step in file.relative_to(folder).parent.parts]
    return {column: value for column, equals, value in steps if equals}


@dataclass(frozen=True, kw_only=True)
class _FolderReader:
    """Collects the contents of a folder."""

    folder: Path
    named: Mapping[Path, str]
    contents: FolderContents = field(default_factory=FolderContents)

    def add_entry(self, entry: Path, above: str) -> None:
        """Add a file or a folder; ``above`` is the path of its folder with a slash, empty at the top."""
        if is_folder(entry):
            self._add_folder(entry, above)
        elif not is_marker(entry.name):
            self._add_file(entry, above)

    def _add_file(self, entry: Path, above: str) -> None:
        format_ = find_format(entry.name)
        if is_database(entry.name):
            self.contents.databases.append((above, entry))
        elif format_ is None or entry.name.startswith("."):
            self.contents.others.append(entry)
        else:
            name = self.named.get(entry, above + strip_suffix(entry.name))
            self.contents.tables.append(TableFiles(name=name, format=format_, paths=(entry,)))

    def _add_folder(self, folder: Path, above: str) -> None:
        name = self.named.get(folder, above + strip_suffix(folder.name))
        lake = _find_lake_format(folder)
        if lake is not None:
            logged = tuple(list_files(folder))
            self.contents.tables.append(TableFiles(name=name, format=lake, paths=logged, folder=folder))
            return
        entries = sorted(folder.iterdir())
        partitions = [entry for entry in entries if "=" in entry.name[1:] and is_folder(entry)]
        inside = set(partitions)
        loose = [entry for entry in entries if entry not in inside]
        if partitions:
            loose = self._add_partitioned_table(name, folder, partitions, loose)
        files = [entry for entry in loose if _is_data(entry) and entry not in self.named]
        parts = self._select_parts(folder, above, files)
        if parts and len({find_format(part.name) for part in parts}) == 1:
            self.contents.tables.append(_build_table(name, parts))
            taken = set(parts)
            loose = [entry for entry in loose if entry not in taken]
        for entry in loose:
            if entry.name.startswith("_") and not is_folder(entry) and entry not in self.named:
                self._add_hidden_file(entry)
            else:
                self.add_entry(entry, f"{name}/")

    def _add_hidden_file(self, entry: Path) -> None:
        """Add a file ignored by readers of the table's folder: it is no part of the table."""
        if not is_marker(entry.name):
            self.contents.others.append(entry)

    def _select_parts(self, folder: Path, above: str, files: Sequence[Path]) -> list[Path]:
        """Return the files of a folder that form its table together."""
        is_whole = not above or folder in self.named or find_format(folder.name) is not None
        return [file for file in files if is_whole or is_part(file.name)]

    def _add_partitioned_table(
        self, name: str, folder: Path, partitions: Sequence[Path], loose: Sequence[Path]
    ) -> list[Path]:
        """Add the table of a folder with partitions; return the other entries of the folder."""
        below = [file for partition in partitions for file in list_files(partition)]
        data = [file for file in below if _is_data(file)]
        taken = set(data)
        self.contents.others += [file for file in below if file not in taken]
        if not data:
            return list(loose)
        data += [entry for entry in loose if _is_data(entry) and entry not in self.named]
        _check_partitions(name, folder, data)
        self.contents.tables.append(_build_table(name, sorted(data), folder))
        taken = set(data)
        return [entry for entry in loose if entry not in taken]


def _check_partitions(name: str, folder: Path, files: Sequence[Path]) -> None:
    """Check that all files of a partitioned table lie in folders of the same columns and have one format.

    Raises:
        PipelineError: They do not; the message names no value of a partition.
    """
    first = [column.lower() for column in parse_partition(folder, files[0])]
    for file in files:
        columns = [column.lower() for column in parse_partition(folder, file)]
        depth = len(file.relative_to(folder).parts) - 1
        if columns != first or len(columns) < depth or find_format(file.name) != find_format(files[0].name):
            shown = ", and of ".join(", ".join(names) or "no column" for names in (first, columns))
            raise PipelineError(
                f"output {name}: its files do not lie in folders of the same columns ({shown}), or are of several formats",
                hint="write all files of a partitioned table in one format, into folders of the same columns",
            )


def _is_data(entry: Path) -> bool:
    """Return whether an entry is a data file of a table's folder."""
    return not entry.name.startswith((".", "_")) and find_format(entry.name) is not None and not is_folder(entry)


def _build_table(name: str, files: Sequence[Path], folder: Path | None = None) -> TableFiles:
    format_: TableFormat | None = find_format(files[0].name)
    assert format_ is not None
    return TableFiles(name=name, format=format_, paths=tuple(files), folder=folder)


def _find_lake_format(folder: Path) -> TableFormat | None:
    """Return the lake format of a table's folder."""
    log, metadata = folder / DELTA_LOG, folder / ICEBERG_METADATA
    if log.is_dir() and is_folder(log) and next(list_files(log), None):
        return "delta"
    if metadata.is_dir() and is_folder(metadata) and next(metadata.glob(ICEBERG_METADATA_FILES), None):
        return "iceberg"
    return None
