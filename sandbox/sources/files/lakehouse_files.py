"""Describe how data files differ from their lakehouse table: renamed or missing columns, deleted rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sources.listing import SourceFile


ROW_NUMBER_COLUMN = "file_row_number"  # DuckDB's name for the row number in a Parquet file
FILE_INDEX_COLUMN = "file_index"  # and for the number of the file among those that are read


@dataclass(frozen=True, kw_only=True)
class DataFileMapping:
    """Differences between a data file and its lakehouse table.

    Attributes:
        names: (column, name in the file) for renamed columns; None for a missing column, read as NULL.
        constants: Columns with one value for the file, not read from it.
        has_position_deletes: Whether rows are deleted by row number.
        equality_deletes: For each applicable file of deleted values, its number and the data file's names of the
            compared columns, in that file's order.
    """

    names: tuple[tuple[str, str | None], ...] = ()
    constants: tuple[str, ...] = ()
    has_position_deletes: bool = False
    equality_deletes: tuple[tuple[int, tuple[str | None, ...]], ...] = ()

    @property
    def has_deleted_rows(self) -> bool:
        """Whether some rows are deleted."""
        return self.has_position_deletes or bool(self.equality_deletes)

    def build_delete_filter(self, table: str, file: str) -> str:
        """Build the SQL after the file ``f`` in FROM that excludes deleted rows (see `DeletedRows`).

        ``file`` is the column with the file's path.
        """
        by_place = (
            f" anti join {quote_identifier(name_position_deletes_table(table))} as p on p.path = f.{quote_identifier(file)} and p.place = f.{ROW_NUMBER_COLUMN}"
            if self.has_position_deletes
            else ""
        )
        by_value = [
            f"not exists (from {quote_identifier(name_equality_deletes_table(table, number))} as v where "
            + " and ".join(
                f"v.value_{index} is not distinct from {build_column_sql(name)}" for index, name in enumerate(names)
            )
            + ")"
            for number, names in self.equality_deletes
        ]
        return by_place + (f" where {' and '.join(by_value)}" if by_value else "")


@dataclass(frozen=True, kw_only=True)
class DeletedRows:
    """Deleted rows of a lakehouse table, loaded by `sandbox.sources.adapters.lakehouse`.

    Attributes:
        keep_masks: Data file path -> whether each of its first rows is kept.
        position_delete_files: Files with row numbers of deleted rows.
        data_file_paths: Name in these files -> data file path.
        equality_delete_files: Files with values of deleted rows, and their names of the compared columns.
    """

    keep_masks: Mapping[str, Any]
    position_delete_files: tuple[SourceFile, ...] = ()
    data_file_paths: Mapping[str, str] = field(default_factory=dict)
    equality_delete_files: tuple[tuple[SourceFile, tuple[str, ...]], ...] = ()

    @property
    def files(self) -> list[SourceFile]:
        """All files with deletes."""
        return [*self.position_delete_files, *(file for file, _ in self.equality_delete_files)]


def name_position_deletes_table(table: str) -> str:
    """Return the name of a session's table of deleted row numbers: ``path`` and ``place``."""
    return f"deleted rows of {table.encode().hex()}"


def name_equality_deletes_table(table: str, number: int) -> str:
    """Return the name of a session's table of one file of deleted values: ``value_0`` and so on."""
    return f"deleted values {number} of {table.encode().hex()}"


def build_column_sql(name: str | None) -> str:
    """Build the SQL of a column of the data file ``f``; None for a missing column."""
    return "null" if name is None else f"f.{quote_identifier(name)}"
