"""Tables and views in the session of a comparison: a step returns those it made, and takes those of others as arguments.

In SQL, a column ``r<n>`` is a value as it was read, ``v<n>`` the value that is compared and ``u<n>`` a part of the unit's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from sandbox.engine.duckdb.session import Session

SideName = Literal["baseline", "candidate"]
SIDES: tuple[SideName, SideName] = ("baseline", "candidate")


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table or view, rendered in SQL as its name."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class RawRows(Relation):
    """The rows of a side as ``r<n>``, by position in the table."""


@dataclass(frozen=True, kw_only=True)
class ValueRows(Relation):
    """Rows of a side as ``r<n>`` and ``v<n>``; ``rows`` of them."""

    rows: int


SideRows = Mapping[SideName, ValueRows]


@dataclass(frozen=True, kw_only=True)
class MatchedKeys(Relation):
    """The keys ``v<n>`` whose rows differ or are sampled; all other keys are one group without values.

    Columns: ``differs``, ``sampled``, how many rows of the baseline ``b`` and of the candidate ``c`` have the key, and the
    number of keys ``n``.
    """


@dataclass(frozen=True, kw_only=True)
class CollectedRows(Relation):
    """Whole rows of a side as ``r<n>``.

    Columns: ``paired`` with the other side's row, ``differing``, and ``sampled`` to be looked at in any case.
    """


@dataclass(frozen=True, kw_only=True)
class DifferingRows(Relation):
    """The differing rows of `CollectedRows`, with ``v<n>`` too."""


@dataclass(frozen=True, kw_only=True)
class SurplusRows(Relation):
    """The unpaired rows that one side has more often.

    Columns: the digest ``d``, the digest without nondeterministic columns ``u``, the unkeyed hash ``h``, how often each side
    has the row as ``b`` and ``c``, and ``noise``.
    """


@dataclass(frozen=True, kw_only=True)
class UnpairedRows(Relation):
    """The rows of `SurplusRows`, and one without a digest that counts the pairs of equal rows as ``equal``."""


@dataclass(frozen=True, kw_only=True)
class SampleRows(Relation):
    """Rows for distributions and segments as ``p<n>``; of differing ones with ``w``, how many rows each stands for."""


@dataclass(frozen=True, kw_only=True)
class UnitColumnValues(Relation):
    """The columns ``p<n>`` of each sampled unit ``u<n>``."""


@dataclass(frozen=True, kw_only=True)
class DrawnUnits(Relation):
    """The sampled units ``u<n>``, with ``stratum`` and the recorded sizes ``x<n>``."""


@dataclass(frozen=True, kw_only=True)
class UnitChanges(Relation):
    """The units ``u<n>`` with rows that were ``added``, ``removed`` or ``changed``, noise aside."""


@dataclass(frozen=True, kw_only=True)
class UnitSums(Relation):
    """The units ``u<n>`` of a side, with their number of ``rows`` and of each column the sum ``s<n>`` and values ``n<n>``."""


@dataclass(frozen=True, kw_only=True)
class RunValues(Relation):
    """The rows of a run: the texts ``t<n>`` and numbers ``x<n>`` of columns, and the list ``k`` of the key's texts."""


@dataclass(frozen=True, kw_only=True)
class TextRows(Relation):
    """The rows of a text file as they were parsed."""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The rows of two tables that may differ.

    Attributes:
        all_rows: Every row of each side.
        collected: Whole rows that differ or are sampled.
        differing: Those of them that differ.
        surplus: What one side has more often.
        equal: How many rows have an equal one on the other side, besides the pairs that are compared by column.
    """

    all_rows: SideRows
    collected: Mapping[SideName, CollectedRows]
    differing: Mapping[SideName, DifferingRows]
    surplus: SurplusRows
    equal: int


_AnyRelation = TypeVar("_AnyRelation", bound=Relation)


def create_table(session: Session, relation: _AnyRelation, query: str, *, doing: str = "a query") -> _AnyRelation:
    """Store the rows of a query, and return where they are."""
    session.execute(f"create or replace temp table {relation} as {query}", doing=doing)
    return relation


def create_view(session: Session, relation: _AnyRelation, query: str, *, doing: str = "a query") -> _AnyRelation:
    """Create a view of a query, and return it."""
    session.execute(f"create or replace temp view {relation} as {query}", doing=doing)
    return relation
