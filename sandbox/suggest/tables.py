"""Represent suggested tables with keys, references and their evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sources.table import SourceTable
    from sandbox.suggest.reading import Reading


@dataclass(frozen=True, kw_only=True)
class SuggestedKey:
    """Columns that identify a row, with the evidence."""

    columns: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, kw_only=True)
class SuggestedReference:
    """A reference to the key of another table.

    Attributes:
        columns: Columns of the referring table.
        table: The other table.
        key: The referenced columns, equal in number.
        share: Share of rows with an existing target, among rows without NULL in the columns; 0 to 1.
        evidence: How it was found, and on which rows it was measured.
    """

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]
    share: float
    evidence: str

    @property
    def has_short_form(self) -> bool:
        """Whether ``references`` can express it; that form splits a name at its last dot."""
        return len(self.columns) == 1 and "." not in self.key[0]


@dataclass(frozen=True, kw_only=True)
class SuggestedTable:
    """A table and its suggested constraints.

    Attributes:
        table: The table.
        relation: SQL for the FROM clause, with the possible key columns.
        filled_counts: Possible key column -> rows without NULL.
        distinct_counts: Possible key column -> approximate number of distinct values.
        reading: How it is read.
        key: Its key, if any.
        references: Its references.
        weak_references: References that hold for too few rows.
    """

    table: SourceTable
    relation: str
    filled_counts: Mapping[str, int]
    distinct_counts: Mapping[str, int]
    reading: Reading
    key: SuggestedKey | None = None
    references: tuple[SuggestedReference, ...] = ()
    weak_references: tuple[SuggestedReference, ...] = ()

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def rows(self) -> int:
        return self.table.rows
