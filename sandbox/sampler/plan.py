"""What a sample would take: a frozen value that holds all that drawing it needs. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from sandbox.config.settings import Reference
    from sandbox.sampler.source import Listing
    from sandbox.sampler.table import SourceTable

Role = Literal["unit", "child", "lookup"]
Keep = Literal["all", "referenced"]


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a stratum has in one strata column: a value (as the engine's text of it), NULL, or the merged rare ones."""

    kind: Literal["value", "null", "rare"]
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class StrataColumn:
    """A column of the unit table that makes strata.

    Attributes:
        name: The column.
        type: The engine's name of its type.
        rare_below: Values of fewer rows are one stratum; None keeps each.
        common: With ``rare_below`` the values that are not rare, as text, sorted.
    """

    name: str
    type: str
    rare_below: int | None
    common: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """One stratum: its labels, one a strata column; N_h; π_h (``threshold / P``); and the threshold."""

    labels: tuple[Label, ...]
    population: int
    probability: float
    threshold: int

    @property
    def expected(self) -> float:
        """How many of its units the sample will have, on average."""
        return self.population * self.probability


@dataclass(frozen=True, kw_only=True)
class UnitPlan:
    """The draw of one unit table.

    Attributes:
        table: The table.
        key: Its key columns.
        coefficients: Of the sampling rule.
        columns: The strata columns.
        strata: In the order of their labels; at least one.
        null_keys: Rows without a whole key, which are never selected.
    """

    table: str
    key: tuple[str, ...]
    coefficients: tuple[int, ...]
    columns: tuple[StrataColumn, ...]
    strata: tuple[Stratum, ...]
    null_keys: int

    @property
    def population(self) -> int:
        """N: the units of the frame."""
        return sum(stratum.population for stratum in self.strata)

    @property
    def expected(self) -> float:
        """How many units the sample will have, on average."""
        return math.fsum(stratum.expected for stratum in self.strata)

    @property
    def half_width_95(self) -> float:
        """The half-width of the 95 % interval of a share of units, in the worst case (a share of a half)."""
        variance = math.fsum(
            s.population**2 * (1 - s.probability) / (4 * s.population * s.probability) for s in self.strata
        )
        return 1.96 * math.sqrt(variance) / self.population

    @property
    def detectable_units(self) -> int:
        """How many units a defect must affect to have one of them in the sample with 95 % probability."""
        least = min(stratum.probability for stratum in self.strata)
        return 1 if least >= 1 else math.ceil(math.log(0.05) / math.log1p(-least))

    def values(self, stratum: Stratum) -> dict[str, JsonValue]:
        """Give a stratum's values as they stand in documents."""
        pairs = zip(self.columns, stratum.labels, strict=True)
        return {column.name: _json(column, label) for column, label in pairs}

    def fields(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "key": list(self.key),
            "population": self.population,
            "expected": round(self.expected, 1),
            "null_keys": self.null_keys,
            "half_width_95": self.half_width_95,
            "detectable_units": self.detectable_units,
            "strata": [
                {
                    "values": self.values(stratum),
                    "population": stratum.population,
                    "probability": stratum.probability,
                    "threshold": stratum.threshold,
                    "expected": round(stratum.expected, 1),
                }
                for stratum in self.strata
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Step:
    """One table of the sample and how its rows are found.

    Attributes:
        table: The table.
        role: ``unit``, ``child`` (its rows come with their unit) or ``lookup`` (its rows come because others name them).
        keep: For a lookup whether it comes whole; else None.
        through: For a child the reference that leads to its unit; else None.
        references: All that it declares, in the file's order.
    """

    table: str
    role: Role
    keep: Keep | None
    through: Reference | None
    references: tuple[Reference, ...]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a table will take in the sample, roughly."""

    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a sample would take.

    Attributes:
        specification: See `sandbox.sampler.specification`.
        request: Its hash.
        listing: The source's files when it was looked at.
        tables: The tables of the sample as the source has them.
        units: The draw of each unit table.
        steps: The tables in the order in which they are drawn: the unit, children after their parents, lookups.
        expected: For each table what it will take.
        not_sampled: Tables of the source that ``sandbox.toml`` does not name.
        warnings: What a person should know: one sentence each.
    """

    specification: Mapping[str, Any]
    request: str
    listing: Listing
    tables: Mapping[str, SourceTable]
    units: Mapping[str, UnitPlan]
    steps: tuple[Step, ...]
    expected: Mapping[str, Expected]
    not_sampled: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def expected_rows(self) -> int:
        """Rows of all tables together, roughly."""
        return sum(one.rows for one in self.expected.values())

    @property
    def expected_bytes(self) -> int:
        """Bytes of Parquet of all tables together, roughly."""
        return sum(one.bytes for one in self.expected.values())

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox plan --json``."""
        return {
            "format_version": 1,
            "request": self.request,
            "units": {name: unit.fields() for name, unit in self.units.items()},
            "tables": {step.table: self._table(step) for step in self.steps},
            "expected": {"rows": self.expected_rows, "bytes": self.expected_bytes},
            "not_sampled": list(self.not_sampled),
            "warnings": list(self.warnings),
        }

    def _table(self, step: Step) -> dict[str, Any]:
        source, expected = self.tables[step.table], self.expected[step.table]
        return {
            "role": step.role,
            "keep": step.keep,
            "belongs_to": step.through.table if step.through else None,
            "source_rows": source.rows,
            "source_bytes": source.bytes,
            "expected_rows": expected.rows,
            "expected_bytes": expected.bytes,
        }


def as_integer(column: StrataColumn, label: Label) -> int | None:
    """Give a label of an integer column as a number; None for any other."""
    whole = column.type.endswith(("INT", "INTEGER"))
    return int(label.text) if whole and label.text is not None else None


def _json(column: StrataColumn, label: Label) -> JsonValue:
    if label.kind == "rare":
        return {"rare_below": column.rare_below}
    if column.type == "BOOLEAN" and label.text is not None:
        return label.text == "true"
    number = as_integer(column, label)
    return label.text if number is None else number
