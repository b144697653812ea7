"""``profile.json``: comparison of the weighted sample with production, column by column."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from sandbox.manifest.document import Document, DocumentPart
from sandbox.manifest.scan import Finding

ColumnKind = Literal["number", "moment", "category", "children"]


class DeviationRecord(DocumentPart):
    """A figure of production and of the weighted sample, with its standard error, z and p-value.

    ``z`` is null if the error is 0; ``p`` is null with too few effective units.
    """

    population: float
    sample: float
    error: float
    z: float | None
    p: float | None


class DistanceRecord(DocumentPart):
    """A distance between two distributions, and the probability of at least this distance under a proper draw."""

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
    """A distribution over values; infrequent values are combined (null in ``values``)."""

    values: list[str | None]
    population: list[float]
    sample: list[float]
    tv: DistanceRecord


class ProfiledColumn(DocumentPart):
    """One column; ``children`` is the number of rows of a child table per parent instead.

    ``compared`` is false if nothing was compared, with the ``reason``; the reason is also set if only NULLs were. ``p``
    is the column's own p-value, ``adjusted`` the one that decides ``notable``.
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
    """One table, with its unit table; ``reason`` is set if it was left out."""

    unit: str
    reason: str | None = None
    columns: dict[str, ProfiledColumn] = Field(default_factory=dict)
    children: dict[str, ProfiledColumn] = Field(default_factory=dict)


class FrameFigure(DocumentPart):
    """A figure of production, and its standard error if its units had been drawn from a process (see `FrameTable`)."""

    value: float
    error: float


class FrameColumn(DocumentPart):
    """Figures of one column of production.

    ``nulls`` is the share of rows, ``mean`` the sum per unit, ``values`` the shares of frequent values (others are in
    ``others``), ``periods`` the rows by calendar month. What a kind of column does not have is None.
    """

    nulls: FrameFigure
    mean: FrameFigure | None = None
    values: dict[str, FrameFigure] | None = None
    others: FrameFigure | None = None
    periods: dict[str, FrameFigure] | None = None


class FrameTable(DocumentPart):
    """Figures of one table of production, of the rows of units in the frame, for `sandbox sample --check`.

    The standard errors are those of random groups of ``unit``'s units. ``per_unit`` is the number of rows per unit, for
    child tables.
    """

    unit: str
    units: int
    rows: int
    per_unit: FrameFigure | None = None
    columns: dict[str, FrameColumn] = Field(default_factory=dict)


class SampleProfile(Document):
    """The whole comparison, without timestamp and fingerprint, so that equal samples have equal profiles.

    ``findings`` are problems seen in production's rows during the comparison, the most severe first. ``frame`` has the
    figures of production to compare with later ones; earlier profiles have none.
    """

    NAME: ClassVar[str] = "the sample's profile"

    whole: bool
    alpha: float
    tables: dict[str, ProfiledTable]
    findings: list[Finding] = Field(default_factory=list)
    frame: dict[str, FrameTable] = Field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether no table was left out for its size."""
        return self.whole or all(table.reason is None for table in self.tables.values())

    def summarize(self) -> dict[str, Any]:
        """Return a short JSON summary: number of compared columns, notable columns, omitted tables."""
        return {
            "compared": len(self.list_compared_columns()),
            "notable": [f"{table}.{column}" for table, column, _ in self.list_notable_columns()],
            "left_out": {name: table.reason for name, table in self.tables.items() if table.reason is not None},
            "findings": len(self.findings),
        }

    def list_compared_columns(self) -> list[tuple[str, str, ProfiledColumn]]:
        """Return every compared column with its table and name, the least similar first."""
        compared = [
            (name, column, profile)
            for name, table in self.tables.items()
            for column, profile in [*table.columns.items(), *_list_child_counts(table)]
            if profile.compared
        ]
        return sorted(compared, key=lambda entry: (entry[2].p if entry[2].p is not None else 2.0, entry[0], entry[1]))

    def list_notable_columns(self) -> list[tuple[str, str, ProfiledColumn]]:
        """Return the columns with a difference improbable for a proper draw."""
        return [entry for entry in self.list_compared_columns() if entry[2].notable]


def _list_child_counts(table: ProfiledTable) -> list[tuple[str, ProfiledColumn]]:
    return [(f"number of {child}", profile) for child, profile in table.children.items()]
