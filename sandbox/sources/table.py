"""Represent an opened source table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.lakes.lake_table import SourceSnapshot
    from sandbox.sources.files.pandas_metadata import PandasMetadata
    from sandbox.sources.listing import SourceFile, SourceFormat

ROW_GROUP_BYTES = 128 * 2**20  # per row group, uncompressed
ROW_GROUPS_IN_MEMORY = 8  # row groups in memory at once, as threads hold some while writing
ROW_GROUP_STEP = 2048  # DuckDB's vector size
MAX_ROW_GROUP_ROWS = 2**20


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """A table of the source.

    Attributes:
        name: As in ``sandbox.toml``.
        format: Of all its files; names the adapter.
        files: Sorted by name.
        columns: Column -> DuckDB's name of its type, in order; the same for every file.
        rows: In all files.
        width: Approximate bytes of a row before compression.
        share: Approximate share of its files taken by the table.
        snapshot: Version of a lakehouse table, or snapshot of a database.
        source_columns: All columns of the source, in order, where some are left out; else empty.
        pandas: What its files say of it beyond its values; None for nothing.
        details: What its adapter knows of it, a frozen dataclass; read by the adapter alone.
    """

    name: str
    format: SourceFormat
    files: tuple[SourceFile, ...]
    columns: Mapping[str, str]
    rows: int
    width: float
    share: float = 1.0
    snapshot: SourceSnapshot | None = None
    source_columns: tuple[str, ...] = ()
    pandas: PandasMetadata | None = None
    details: object = None

    @property
    def all_columns(self) -> tuple[str, ...]:
        """All its columns in the source, in order."""
        return self.source_columns or tuple(self.columns)

    @property
    def bytes(self) -> int:
        """Total size of its files, in bytes."""
        return sum(map(self.estimate_size, self.files))

    def estimate_size(self, file: SourceFile) -> int:
        """Return its bytes in one of its files."""
        return int(file.bytes * self.share)

    def compute_row_group_rows(self, memory: int) -> int:
        """Return the rows of a row group of about 128 MiB, or less if memory is small."""
        rows = int(min(ROW_GROUP_BYTES, memory / ROW_GROUPS_IN_MEMORY) / max(1.0, self.width))
        return max(ROW_GROUP_STEP, min(MAX_ROW_GROUP_ROWS, rows // ROW_GROUP_STEP * ROW_GROUP_STEP))


@dataclass(frozen=True, kw_only=True)
class DeclaredConstraints:
    """Constraints of a table declared by its catalogue or a project's tests, taken on trust.

    Attributes:
        key: Its declared key, if any.
        references: Columns -> the table and columns they refer to.
        evidence: Who declared them.
    """

    key: tuple[str, ...] | None = None
    references: Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    evidence: str = "declared"
