"""``profile.json``: how alike a sample, weighted, and production are, column by column."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart
from sandbox.manifest.scan import Finding

ColumnKind = Literal["number", "moment", "category", "children"]


class DeviationRecord(DocumentPart):
    """A figure of production and the weighted sample's, its standard error, z, and how surprising that is.

    ``z`` is null where the error is 0; ``p`` is null where too few units carry the figure to say.
    """

    population: float
    sample: float
    error: float
    z: float | None
    p: float | None


class DistanceRecord(DocumentPart):
    """A distance between two distributions, and how often a proper draw gives at least that."""

    distance: float
    p: float


class BinnedDistribution(DocumentPart):
    """A distribution over ordered bins: ``edges`` are the upper ends, the last one production's greatest value."""

    edges: list[float]
    population: list[float]
    sample: list[float]
    ks: DistanceRecord
    wasserstein: DistanceRecord


class CategoricalDistribution(DocumentPart):
    """A distribution over values; ``others`` (null in ``values``) are all that are not frequent."""

    values: list[str | None]
    population: list[float]
    sample: list[float]
    tv: DistanceRecord


class ProfiledColumn(DocumentPart):
    """One column; ``children`` is no column but how many rows of a child table each parent has.

    ``compared`` is false where nothing was, ``reason`` then says why; it also says why only the NULLs were.
    ``p`` is the column's own probability, ``adjusted`` the one by which it is ``notable``.
    """

    kind: ColumnKind | None
    compared: bool
    reason: str | None = None
    nulls: DeviationRecord | None = None
    total: DeviationRecord | None = None
    bins: BinnedDistribution | None = None
    categories: CategoricalDistribution | None = None
    p: float | None = None
    adjusted: float | None = None
    notable: bool = False


class ProfiledTable(DocumentPart):
    """One table, with the unit table that it belongs to; ``reason`` says why it was left out."""

    unit: str
    reason: str | None = None
    columns: dict[str, ProfiledColumn] = Field(default_factory=dict)
    children: dict[str, ProfiledColumn] = Field(default_factory=dict)


class SampleProfile(Document):
    """The whole comparison; it holds no moment and no fingerprint, so that equal samples have equal profiles.

    ``findings`` is what looks broken in production's rows, as far as comparing them showed it, the most severe first.
    """

    NAME: ClassVar[str] = "the sample's profile"

    whole: bool
    alpha: float
    tables: dict[str, ProfiledTable]
    findings: list[Finding] = Field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether no table was left out for its size."""
        return self.whole or all(table.reason is None for table in self.tables.values())

    def summarize(self) -> dict[str, Any]:
        """Give it in a few JSON values: how many columns were compared, which are notable, which tables left out."""
        return {
            "compared": len(self.list_compared_columns()),
            "notable": [f"{table}.{column}" for table, column, _ in self.list_notable_columns()],
            "left_out": {name: table.reason for name, table in self.tables.items() if table.reason is not None},
            "findings": len(self.findings),
        }

    def list_compared_columns(self) -> list[tuple[str, str, ProfiledColumn]]:
        """Give every column that was compared, with its table and name, the least alike first."""
        found = [
            (name, column, one)
            for name, table in self.tables.items()
            for column, one in [*table.columns.items(), *_list_child_counts(table)]
            if one.compared
        ]
        return sorted(found, key=lambda one: (one[2].p if one[2].p is not None else 2.0, one[0], one[1]))

    def list_notable_columns(self) -> list[tuple[str, str, ProfiledColumn]]:
        """Give the columns whose difference a proper draw would hardly ever show."""
        return [one for one in self.list_compared_columns() if one[2].notable]


def _list_child_counts(table: ProfiledTable) -> list[tuple[str, ProfiledColumn]]:
    return [(f"number of {child}", one) for child, one in table.children.items()]
