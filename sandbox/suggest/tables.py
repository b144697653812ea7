"""What was found in a source: its tables, their keys and references, each with how it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class SuggestedKey:
    """Columns that name a row; ``how`` says why that is believed."""

    columns: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, kw_only=True)
class SuggestedReference:
    """A reference to the key of another table.

    Attributes:
        columns: Of the table that holds it.
        table: The other table.
        key: Its key, as many columns.
        share: How many of the rows whose columns are all filled find a row there, 0 to 1.
        evidence: How it was found and over which rows the share was counted.
    """

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]
    share: float
    evidence: str

    @property
    def has_short_form(self) -> bool:
        """Whether ``references`` can say it, which cuts a name at its last dot."""
        return len(self.columns) == 1 and "." not in self.key[0]


@dataclass(frozen=True, kw_only=True)
class SuggestedTable:
    """A table as it was found.

    Attributes:
        table: The table.
        relation: SQL that gives the columns that may be keys; it can stand after ``from``.
        filled_counts: For each column that may be a part of a key how many rows have a value in it.
        distinct_counts: For each of them about how many different ones, by a sketch.
        key: Its key, if it has one.
        references: What it refers to.
        weak_references: References that hold for too few rows to be believed.
    """

    table: SourceTable
    relation: str
    filled_counts: Mapping[str, int]
    distinct_counts: Mapping[str, int]
    key: SuggestedKey | None = None
    references: tuple[SuggestedReference, ...] = ()
    weak_references: tuple[SuggestedReference, ...] = ()

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.table.rows
