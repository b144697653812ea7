"""Data files of a lake that are not quite what their table is: other names, columns that came later, rows that are deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sources.listing import SourceFile


ROW_NUMBER_COLUMN = "file_row_number"  # the engine's own name for a row's place in a Parquet file


@dataclass(frozen=True, kw_only=True)
class DataFileMapping:
    """How a lake's data file differs from its table.

    Attributes:
        names: What it calls those of the table's columns that it calls otherwise; None where it lacks one, which is NULL.
        constants: The columns that it has one value of, which is not read from it.
        has_position_deletes: Whether rows of it are deleted by their place.
        equality_deletes: For each file of deleted values that counts for it, the number of that file and what the data file calls the
            columns that are compared, in its order.
    """

    names: tuple[tuple[str, str | None], ...] = ()
    constants: tuple[str, ...] = ()
    has_position_deletes: bool = False
    equality_deletes: tuple[tuple[int, tuple[str | None, ...]], ...] = ()

    @property
    def has_deleted_rows(self) -> bool:
        """Whether some of its rows are deleted."""
        return self.has_position_deletes or bool(self.equality_deletes)

    def build_delete_filter(self, table: str, file: str) -> str:
        """Give what follows the file, which is called ``f``, to leave out its deleted rows (see `DeletedRows`).

        Args:
            table: The table's name.
            file: The column with the file's path.
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
    """What is deleted of a lake's table; a session needs it in tables of its own (see `sandbox.sources.lakehouse.attach_table`).

    Attributes:
        keep_masks: For data files, by path, whether each of their first rows is not deleted.
        position_delete_files: Files with the places of deleted rows.
        data_file_paths: The data files' paths, by what these files call them.
        equality_delete_files: Files with the values of deleted rows, and what each calls the columns that are compared.
    """

    keep_masks: Mapping[str, Any]
    position_delete_files: tuple[SourceFile, ...] = ()
    data_file_paths: Mapping[str, str] = field(default_factory=dict)
    equality_delete_files: tuple[tuple[SourceFile, tuple[str, ...]], ...] = ()

    @property
    def files(self) -> list[SourceFile]:
        """All files that say what is deleted."""
        return [*self.position_delete_files, *(file for file, _ in self.equality_delete_files)]


def name_position_deletes_table(table: str) -> str:
    """Give what a session calls the table of the places of a table's deleted rows: ``path`` and ``place``."""
    return f"deleted rows of {table.encode().hex()}"


def name_equality_deletes_table(table: str, number: int) -> str:
    """Give what a session calls the table of one file of deleted values: ``value_0`` and so on."""
    return f"deleted values {number} of {table.encode().hex()}"


def build_column_sql(name: str | None) -> str:
    """Give the SQL of a column of a data file, which is called ``f``; None where it lacks the column."""
    return "null" if name is None else f"f.{quote_identifier(name)}"
