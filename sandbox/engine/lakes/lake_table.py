"""A lake's table at one of its versions, whatever keeps its log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from pyarrow import fs

SnapshotKind = Literal["delta", "iceberg", "postgres"]


@dataclass(frozen=True, kw_only=True)
class SourceSnapshot:
    """Which version of a table was read.

    Attributes:
        kind: What keeps the table's log.
        version: The version of a Delta table, the id of an Iceberg snapshot, or which transactions a moment of Postgres sees.
    """

    kind: SnapshotKind
    version: int | str


@dataclass(frozen=True, kw_only=True)
class EqualityDeletes:
    """Rows that are deleted by their values: those that agree with a row of a file (Iceberg's equality deletes).

    Attributes:
        path: The file, of Parquet.
        bytes: Its size.
        columns: The field ids that are compared; NULL equals NULL.
    """

    path: str
    bytes: int
    columns: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LakeFile:
    """A data file of a table, of Parquet.

    Attributes:
        path: Absolute, or its address in a bucket.
        name: What the log calls it.
        bytes: Its size.
        modified: When it was written, nanoseconds since 1970 UTC; 0 where the log does not say.
        constants: Columns that are not in the file, or not to be read from it, and the text of the value that all its rows
            have; None for NULL.
        row_mask: For each of its first rows whether it is not deleted, those behind are not; None where none is.
        equality_deletes: What is deleted by value.
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
        fields: For each column what its files call it: a field id, or a name.
        files: Its data files, sorted by name.
        name_mapping: For files without field ids, the id of each name (Iceberg's name mapping).
        position_deletes: Files of positions of deleted rows, of Parquet (Iceberg's positional deletes).
        file_system: pyarrow's file system, where its files lie in a bucket.
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
        """Whether constants count only for files that lack the column: Iceberg's data files mostly have them."""
        return self.snapshot.kind == "iceberg"


def build_missing_extra_error(kind: SnapshotKind, error: ImportError) -> SourceError:
    """Give the error that says which extra of this package reads a kind of table."""
    what = {"delta": "Delta", "iceberg": "Iceberg"}[kind]
    return SourceError(
        f"{what} tables are read by {error.name or kind}, which is not installed",
        hint=f"install it with sandbox: pip install 'sandbox[{kind}]'",
    )
