"""Data lake tables at a version, independent of the log format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from pyarrow import fs

SnapshotKind = Literal["delta", "iceberg", "postgres", "mysql"]


@dataclass(frozen=True, kw_only=True)
class SourceSnapshot:
    """The snapshot of a table that was read.

    Attributes:
        kind: The log format.
        version: The version of a Delta table, the id of an Iceberg snapshot, or the visible transactions of a Postgres
            snapshot.
        role: The role of the database whose rows it has, if policies hide rows from it; None if it has every row.
    """

    kind: SnapshotKind
    version: int | str
    role: str | None = None


@dataclass(frozen=True, kw_only=True)
class EqualityDeletes:
    """Rows deleted by their values: equal to a row of a file (Iceberg's equality deletes).

    Attributes:
        path: The Parquet file.
        bytes: Its size.
        columns: The field ids to compare; NULL equals NULL.
    """

    path: str
    bytes: int
    columns: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LakeFile:
    """A Parquet data file of a table.

    Attributes:
        path: Its absolute path, or its address in a bucket.
        name: Its name in the log.
        bytes: Its size.
        modified: Its modification time, nanoseconds since 1970 UTC; 0 if not in the log.
        constants: Columns missing in the file, or not to be read from it, with the text of the value in all its rows;
            None for NULL.
        row_mask: Whether each of its first rows is kept; later rows are kept. None if no row is deleted.
        equality_deletes: The equality deletes that apply to it.
    """

    path: str
    name: str
    bytes: int
    modified: int = 0
    constants: tuple[tuple[str, str | None], ...] = ()
    row_mask: pa.BooleanArray | None = None
    equality_deletes: tuple[EqualityDeletes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LakeTable:
    """A table at one version.

    Attributes:
        snapshot: The version.
        schema: Its columns, in order.
        fields: By column, its field id or name in files.
        files: Its data files, sorted by name.
        name_mapping: For files without field ids, the id of each name (Iceberg's name mapping).
        position_deletes: Parquet files with positions of deleted rows (Iceberg's positional deletes).
        file_system: pyarrow's file system, if the files are in a bucket.
    """

    snapshot: SourceSnapshot
    schema: pa.Schema
    fields: Mapping[str, int | str]
    files: Sequence[LakeFile]
    name_mapping: Mapping[str, int] | None = None
    position_deletes: Sequence[LakeFile] = ()
    file_system: fs.FileSystem | None = None

    @property
    def has_fallback_constants(self) -> bool:
        """Whether constants apply only to files without the column: most of Iceberg's data files have it."""
        return self.snapshot.kind == "iceberg"


_INSTALL_COMMANDS: dict[SnapshotKind, str] = {
    "delta": "pip install 'deltalake>=1.6'",
    "iceberg": "pip install 'pyiceberg[pyarrow,sql-sqlite]>=0.12'",
}


def build_missing_extra_error(kind: SnapshotKind, error: ImportError) -> SourceError:
    """Return the error that names the extra needed for a log format."""
    what = {"delta": "Delta", "iceberg": "Iceberg"}[kind]
    return SourceError(
        f"{what} tables are read by {error.name or kind}, which is not installed",
        hint=f"install it beside sandbox: {_INSTALL_COMMANDS[kind]}",
    )
