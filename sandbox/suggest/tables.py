"""What was found in a source: its tables, their keys and references, each with how it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class FoundKey:
    """Columns that name a row; ``how`` says why that is believed."""

    columns: tuple[str, ...]
    how: str


@dataclass(frozen=True, kw_only=True)
class FoundReference:
    """A reference to the key of another table.

    Attributes:
        columns: Of the table that holds it.
        table: The other table.
        key: Its key, as many columns.
        share: How many of the rows whose columns are all filled find a row there, 0 to 1.
        how: How it was found and over which rows the share was counted.
    """

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]
    share: float
    how: str

    @property
    def short(self) -> bool:
        """Whether ``references`` can say it, which cuts a name at its last dot."""
        return len(self.columns) == 1 and "." not in self.key[0]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A table as it was found.

    Attributes:
        table: The table.
        relation: SQL that gives the columns that may be keys; it can stand after ``from``.
        filled: For each column that may be a part of a key how many rows have a value in it.
        distinct: For each of them about how many different ones, by a sketch.
        key: Its key, if it has one.
        references: What it refers to.
        doubtful: References that hold for too few rows to be believed.
    """

    table: SourceTable
    relation: str
    filled: Mapping[str, int]
    distinct: Mapping[str, int]
    key: FoundKey | None = None
    references: tuple[FoundReference, ...] = ()
    doubtful: tuple[FoundReference, ...] = ()

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.table.rows
