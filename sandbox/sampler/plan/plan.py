"""Represent a planned sample as a frozen value, complete for drawing it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, assert_never

from sandbox.engine.sql.type_names import NUMBER_TYPE
from sandbox.estimate.totals import MIN_EFFECTIVE_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import JsonValue

    from sandbox.config.sections.sample import MaskEntry, Reference
    from sandbox.sampler.sizes.size_strata import SizeStratum
    from sandbox.sources.checks.personal_columns import PersonalColumn
    from sandbox.sources.listing import SourceListing
    from sandbox.sources.table import SourceTable

TableRole = Literal["unit", "child", "lookup"]
KeepMode = Literal["all", "referenced"]
LabelKind = Literal["value", "bin", "nan", "rare", "null"]

LABEL_ORDER = {"value": 0, "bin": 0, "nan": 1, "rare": 2, "null": 3}


@dataclass(frozen=True, kw_only=True)
class StratumLabel:
    """A stratum's label in one strata column: a value, a bin, NaN beside bins, the merged rare values, or NULL.

    ``text`` is DuckDB's text of the value, or the bin's number; else None.
    """

    kind: LabelKind
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class StrataColumn:
    """A column for stratification.

    Attributes:
        name: As in ``sandbox.toml``.
        column: The column in the unit table or in the last table of ``path``.
        type: DuckDB's name of its type.
        path: References from the unit table to the column's table; empty for the unit table's own.
        rare_below: Values with fewer units are merged into one stratum; None to keep each.
        common: With ``rare_below`` the other values, as text, sorted.
        edges: Edges between bins as DuckDB's text, ascending; None without bins.
        size: The size of units that the bins are made of, instead of a column; else None.
    """

    name: str
    column: str
    type: str
    path: tuple[Reference, ...] = ()
    rare_below: int | None = None
    common: tuple[str, ...] = ()
    edges: tuple[str, ...] | None = None
    size: SizeStratum | None = None

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """Columns of the unit table needed for the lookup."""
        if self.size is not None:
            return self.size.key
        if not self.path:
            return (self.column,)
        return (*self.path[0].columns, *(name for name, _ in self.path[0].when))


@dataclass(frozen=True, kw_only=True)
class PlannedStratum:
    """A stratum: one label a strata column, N_h, π_h (``threshold / P``) and the threshold.

    ``merged`` holds the labels of further cells with the same size group and threshold.
    """

    labels: tuple[StratumLabel, ...]
    population: int
    probability: float
    threshold: int
    merged: tuple[tuple[StratumLabel, ...], ...] = ()

    @property
    def cells(self) -> tuple[tuple[StratumLabel, ...], ...]:
        """The labels of all its cells."""
        return (self.labels, *self.merged)

    @property
    def expected_units(self) -> float:
        """Expected number of its units in the sample."""
        return self.population * self.probability


@dataclass(frozen=True, kw_only=True)
class TotalPrecision:
    """How well a draw will know a total, and a change of it by the same share for every unit.

    Attributes:
        half_width_95: The half-width of its 95 % interval, as a share of the total.
        effective_units: K, see `sandbox.estimate.sizes.fit_sizes`.
        carriers: The number of units that have any of it.
    """

    half_width_95: float
    carriers: int
    effective_units: float

    @property
    def has_interval(self) -> bool:
        """Whether the design is good enough for an interval: K is large enough, so that no few units carry the total."""
        return self.effective_units >= MIN_EFFECTIVE_UNITS


@dataclass(frozen=True, kw_only=True)
class UnitPlan:
    """The draw of one unit table.

    Attributes:
        table: The table.
        key: Its key columns.
        coefficients: Of the sampling rule.
        columns: The strata columns.
        strata: In the order of their labels; at least one.
        null_keys: Rows of the frame with NULL in the key, never selected.
        where: SQL condition of the frame; None for every row.
        narrowed_by: The columns in the condition.
        outside: Rows for which the condition is false or NULL.
        shared: Whether rows of equal key form one unit.
        total_precisions: The precision of totals named in the settings, by their name in messages.
    """

    table: str
    key: tuple[str, ...]
    coefficients: tuple[int, ...]
    columns: tuple[StrataColumn, ...]
    strata: tuple[PlannedStratum, ...]
    null_keys: int
    where: str | None = None
    narrowed_by: tuple[str, ...] = ()
    outside: int = 0
    shared: bool = False
    total_precisions: Mapping[str, TotalPrecision] = field(default_factory=dict, compare=False)

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """Columns of its table that determine frame membership, stratum and selection."""
        names = [*self.key, *self.narrowed_by, *(name for column in self.columns for name in column.needed_columns)]
        return tuple(dict.fromkeys(names))

    @property
    def population(self) -> int:
        """N: the units of the frame."""
        return sum(stratum.population for stratum in self.strata)

    @property
    def expected_units(self) -> float:
        """Expected number of units in the sample."""
        return math.fsum(stratum.expected_units for stratum in self.strata)

    @property
    def half_width_95(self) -> float:
        """Half-width of the 95 % interval of a share of units, in the worst case (a share of a half)."""
        variance = math.fsum(
            s.population**2 * (1 - s.probability) / (4 * s.population * s.probability) for s in self.strata
        )
        return 1.96 * math.sqrt(variance) / self.population

    @property
    def size_column(self) -> StrataColumn | None:
        """The strata column that is a size of units, if there is one."""
        return next((column for column in self.columns if column.size is not None), None)

    @property
    def count_widening(self) -> float:
        """How many times wider the interval of a share of units is than with one rate for all and as many units."""
        rate = self.expected_units / self.population
        plain = 1.96 * math.sqrt((1 - rate) / (4 * self.expected_units))
        return self.half_width_95 / plain if plain else 1.0

    @property
    def detectable_units(self) -> int:
        """Number of units a defect must affect to appear in the sample with 95 % probability."""
        least = min(stratum.probability for stratum in self.strata)
        return 1 if least >= 1 else math.ceil(math.log(0.05) / math.log1p(-least))

    def describe_stratum(self, stratum: PlannedStratum) -> dict[str, JsonValue]:
        """Return a stratum's values as in documents; where its cells differ in a column, their number."""
        values: dict[str, JsonValue] = {}
        for index, column in enumerate(self.columns):
            labels = {cell[index] for cell in stratum.cells}
            values[column.name] = (
                _convert_label(column, stratum.labels[index]) if len(labels) == 1 else {"any_of": len(labels)}
            )
        return values

    def to_dict(self) -> dict[str, Any]:
        return {
            "key": list(self.key),
            "population": self.population,
            "expected": round(self.expected_units, 1),
            "null_keys": self.null_keys,
            "outside_frame": self.outside,
            "half_width_95": self.half_width_95,
            "detectable_units": self.detectable_units,
            "total_half_width_95": {name: total.half_width_95 for name, total in self.total_precisions.items()},
            "totals_without_interval": [
                name for name, total in self.total_precisions.items() if not total.has_interval
            ],
            "strata": [
                {
                    "values": self.describe_stratum(stratum),
                    "population": stratum.population,
                    "probability": stratum.probability,
                    "threshold": stratum.threshold,
                    "expected": round(stratum.expected_units, 1),
                }
                for stratum in self.strata
            ],
        }


@dataclass(frozen=True, kw_only=True)
class TableStep:
    """A table of the sample and the way its rows are selected.

    Attributes:
        table: The table.
        unit: The unit table of its rows: itself for a unit, None for a lookup.
        role: ``unit``, ``child`` (rows follow their unit) or ``lookup`` (rows follow references to them).
        keep: For a lookup whether it is sampled whole; else None.
        through: For a child the reference towards its unit; else None.
        references: All declared references, in the file's order.
    """

    table: str
    unit: str | None
    role: TableRole
    keep: KeepMode | None
    through: Reference | None
    references: tuple[Reference, ...]


def list_path_to_unit(step: TableStep, steps: Iterable[TableStep]) -> list[TableStep]:
    """Return a child, its parent and so on up to the unit."""
    by_name = {other.table: other for other in steps}
    path = [step]
    while (through := path[-1].through) is not None:
        path.append(by_name[through.table])
    return path


@dataclass(frozen=True, kw_only=True)
class ExpectedSize:
    """Approximate size of a table in the sample; ``by_reference`` of its rows come only because others refer to them."""

    rows: int
    bytes: int
    by_reference: int = 0


@dataclass(frozen=True, kw_only=True)
class SamplePlan:
    """A planned sample.

    Attributes:
        specification: See `sandbox.samples.specification`.
        request: Its hash.
        listing: The source's files at planning time.
        tables: The sampled tables of the source.
        units: The draw of each unit table, ``[sample]``'s first.
        steps: The tables in drawing order: units, children after their parents, lookups.
        expected_sizes: Table -> its expected size.
        measured_tables: Tables with measured bytes of a row; others are estimated from the source's files.
        not_sampled: Tables of the source not named in ``sandbox.toml``.
        warnings: One sentence each.
        masks: Table -> column -> mask; other columns stay unmasked.
        personal_columns: Seemingly personal columns without a mask; any prevents the draw.
        scanned_bytes: Table -> bytes that a warehouse says it scans for one reading of it.
    """

    specification: Mapping[str, Any]
    request: str
    listing: SourceListing
    tables: Mapping[str, SourceTable]
    units: Mapping[str, UnitPlan]
    steps: tuple[TableStep, ...]
    expected_sizes: Mapping[str, ExpectedSize]
    not_sampled: tuple[str, ...]
    warnings: tuple[str, ...]
    measured_tables: tuple[str, ...] = ()
    masks: Mapping[str, Mapping[str, MaskEntry]] = field(default_factory=dict)
    personal_columns: tuple[PersonalColumn, ...] = ()
    scanned_bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def expected_rows(self) -> int:
        """Approximate rows of all tables."""
        return sum(size.rows for size in self.expected_sizes.values())

    @property
    def expected_bytes(self) -> int:
        """Approximate bytes of Parquet of all tables."""
        return sum(size.bytes for size in self.expected_sizes.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox plan --json``."""
        return {
            "format_version": 1,
            "request": self.request,
            "units": {name: unit.to_dict() for name, unit in self.units.items()},
            "tables": {step.table: self._describe_table(step) for step in self.steps},
            "expected": {"rows": self.expected_rows, "bytes": self.expected_bytes},
            "not_sampled": list(self.not_sampled),
            "left_out": dict(self.listing.left_out),
            "warnings": list(self.warnings),
        }

    def _describe_table(self, step: TableStep) -> dict[str, Any]:
        source, expected = self.tables[step.table], self.expected_sizes[step.table]
        return {
            "role": step.role,
            "unit": step.unit,
            "keep": step.keep,
            "belongs_to": step.through.table if step.through else None,
            "source_rows": source.rows,
            "source_bytes": source.bytes,
            "expected_rows": expected.rows,
            "expected_bytes": expected.bytes,
            "expected_by_reference": expected.by_reference,
            "scanned_bytes": self.scanned_bytes.get(step.table),
            "bytes_measured": step.table in self.measured_tables,
        }


def build_sort_key(columns: Sequence[StrataColumn], labels: Sequence[StratumLabel]) -> list[tuple[int, Decimal, str]]:
    """Return the sort key of strata: values, numerically for numbers; then NaN, rare values, NULL."""
    return [_build_label_sort_key(column, label) for column, label in zip(columns, labels, strict=True)]


def _build_label_sort_key(column: StrataColumn, label: StratumLabel) -> tuple[int, Decimal, str]:
    text = label.text or ""
    number = label.kind == "bin" or (label.kind == "value" and NUMBER_TYPE.fullmatch(column.type) is not None)
    if not number or text == "nan":
        return LABEL_ORDER["nan" if number else label.kind], Decimal(0), text
    return LABEL_ORDER[label.kind], Decimal(text), text


def _convert_label(column: StrataColumn, label: StratumLabel) -> JsonValue:
    match label.kind:
        case "null":
            return None
        case "rare":
            return {"rare_below": column.rare_below}
        case "nan":
            return "nan"
        case "bin":
            assert label.text is not None
            ends = [None, *(column.edges or ()), None]
            low, high = ends[int(label.text) : int(label.text) + 2]
            return {"from": _convert_value(column.type, low), "to": _convert_value(column.type, high)}
        case "value":
            return _convert_value(column.type, label.text)
        case _:
            assert_never(label.kind)


def _convert_value(kind: str, text: str | None) -> JsonValue:
    """Convert a value to JSON; values without an exact form there (decimals, timestamps, infinity) stay text."""
    if text is None:
        return None
    if kind.endswith(("INT", "INTEGER")):
        return int(text)
    if kind in {"FLOAT", "DOUBLE"} and math.isfinite(float(text)):
        return float(text)
    return text == "true" if kind == "BOOLEAN" else text
