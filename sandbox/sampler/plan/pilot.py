"""Measure the Parquet bytes of a unit and its dependent rows on a small pilot draw.

Some thousand units are drawn by the sampling rule, so they do not depend on the source's layout. Their rows and those
of their children are counted by stratum, and some are written to memory as Parquet to measure the bytes of a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.sampler.plan import allocation
from sandbox.sampler.plan.frame import prepare_frame
from sandbox.sampler.plan.strata.strata import assign_probabilities
from sandbox.sampler.plan.strata.strata_labels import build_session_name
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)
from sandbox.sources.registry import build_select, get_adapter, translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import TableStep, UnitPlan
    from sandbox.sampler.plan.references import ReferenceLink
    from sandbox.sources.table import SourceTable

PILOT_UNITS = 5_000
MIN_PILOT_UNITS_PER_STRATUM = 5
MAX_DICTIONARY_SHARE = 0.2  # share of distinct values up to which DuckDB writes a dictionary
MAX_MEASURED_ROWS = 50_000
MAX_MEASURED_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class UnitCosts:
    """Costs of one unit table's sample, in bytes.

    Attributes:
        unit_bytes: By stratum the cost of one unit with its dependent rows.
        lookup_bytes: By stratum the cost of the lookup rows of one unit; an upper bound, as units can share rows.
        whole_lookup_bytes: Cost of the lookups sampled whole.
        referenced_lookup_bytes: Cost of the lookups sampled by reference, with all their rows.
        row_bytes: Measured table -> bytes of a row.
        rows_per_unit: Table of the unit's family -> by stratum its rows per unit.
        lookup_rows_per_unit: Lookup sampled by reference -> by stratum its rows per unit.
    """

    unit_bytes: Sequence[float]
    lookup_bytes: Sequence[float]
    whole_lookup_bytes: float
    referenced_lookup_bytes: float
    row_bytes: Mapping[str, float]
    rows_per_unit: Mapping[str, Sequence[float]]
    lookup_rows_per_unit: Mapping[str, Sequence[float]]

    def list_budgets(self, size: float, populations: Sequence[float]) -> list[tuple[float, list[float]]]:
        """Return two (budget, cost of each stratum): with lookup rows per unit, and with whole lookups."""
        singly = [n * (a + b) for n, a, b in zip(populations, self.unit_bytes, self.lookup_bytes, strict=True)]
        wholly = [n * a for n, a in zip(populations, self.unit_bytes, strict=True)]
        return [
            (size - self.whole_lookup_bytes, singly),
            (size - self.whole_lookup_bytes - self.referenced_lookup_bytes, wholly),
        ]


def estimate_row_bytes(table: SourceTable) -> float:
    """Estimate the bytes of a row as Parquet from the size of the table's files alone."""
    packed = all(file.name.endswith(".gz") for file in table.files)
    return table.bytes * (1.0 if packed else get_adapter(table).parquet_ratio) / max(1, table.rows)


def measure_costs(
    session: Session,
    tables: Mapping[str, SourceTable],
    unit: UnitPlan,
    steps: Sequence[TableStep],
    *,
    lookups: bool,
) -> UnitCosts:
    """Measure the costs of a draw's units with counted strata, with or without lookups."""
    return PilotDraw(session=session, tables=tables, unit=unit, steps=steps).measure(with_lookups=lookups)


@dataclass(kw_only=True)
class PilotDraw:
    """A small draw of one unit table's family."""

    session: Session
    tables: Mapping[str, SourceTable]
    unit: UnitPlan
    steps: Sequence[TableStep]
    row_bytes: dict[str, float] = field(default_factory=dict)

    def measure(self, *, with_lookups: bool) -> UnitCosts:
        family = self._family
        for step in family:
            self._draw_table(step)
        units = self._count_by_stratum(self.unit.table, f"count(distinct {self._unit_column})")
        others = [step for step in self.steps if step.role == "lookup"] if with_lookups else []
        for step in others:
            self.row_bytes[step.table] = self._measure_row_bytes(
                step.table, f"({build_select(self.tables[step.table])})", []
            )
        size = {step.table: self.tables[step.table].rows * self.row_bytes[step.table] for step in others}
        rows = {step.table: _divide_by_units(self._count_by_stratum(step.table, "count(*)"), units) for step in family}
        unit_bytes = [0.0] * len(units)
        for name, each in rows.items():
            unit_bytes = _add_scaled(unit_bytes, each, self.row_bytes[name])
        lookups = self._count_lookup_rows(family, [step for step in others if step.keep == "referenced"], units)
        lookup_bytes = [0.0] * len(units)
        for name, each in lookups.items():
            lookup_bytes = _add_scaled(lookup_bytes, each, self.row_bytes[name])
        self.drop_tables()
        return UnitCosts(
            unit_bytes=unit_bytes,
            lookup_bytes=lookup_bytes,
            whole_lookup_bytes=sum(size[step.table] for step in others if step.keep == "all"),
            referenced_lookup_bytes=sum(size[step.table] for step in others if step.keep == "referenced"),
            row_bytes=self.row_bytes,
            rows_per_unit=rows,
            lookup_rows_per_unit=lookups,
        )

    def draw_keys(self) -> None:
        """Draw the pilot's tables with the columns of references only."""
        for step in self._family:
            self._draw_table(step, with_bytes=False)

    def drop_tables(self) -> None:
        """Drop the pilot's tables."""
        for step in self._family:
            self.session.execute(f"drop table {self._build_table_name(step.table)}")

    def measure_leaving_share(self, link: ReferenceLink) -> float:
        """Measure the share of drawn rows with a reference whose target was not drawn with the same unit."""
        rows, targets = self._build_table_name(link.table), self._build_table_name(link.target)
        same = f"{link.join_condition} and r.{self._unit_column} = t.{self._unit_column}"
        [(count,)] = self.session.fetch_rows(f"select count(*) from {rows} r where {link.row_condition}")
        [(leaving,)] = self.session.fetch_rows(
            f"select count(*) from {rows} r anti join {targets} t on {same} where {link.row_condition}"
        )
        return float(leaving) / count if count else 1.0

    @property
    def _family(self) -> list[TableStep]:
        return [step for step in self.steps if step.unit == self.unit.table]

    @property
    def _column_names(self) -> set[str]:
        return {name for table in self.tables.values() for name in table.columns}

    @property
    def _stratum_column(self) -> str:
        return quote_identifier(choose_unused_name("stratum", self._column_names))

    @property
    def _unit_column(self) -> str:
        return quote_identifier(choose_unused_name("unit number", self._column_names))

    def _build_table_name(self, table: str) -> str:
        return quote_identifier(build_session_name("pilot", table))

    def _draw_table(self, step: TableStep, *, with_bytes: bool = True) -> None:
        """Create the pilot's table with the columns of references, and measure some whole rows."""
        table = self.tables[step.table]
        rows = self._build_unit_query() if step.through is None else self._build_child_query(step, step.through)
        kept = [
            *(quote_identifier(name) for name in self._list_needed_columns(step.table)),
            self._stratum_column,
            self._unit_column,
        ]
        with translate_file_errors(table.format, table.files):
            self.session.execute(
                f"create or replace temp table {self._build_table_name(step.table)} as select {', '.join(kept)} from {rows}",
                doing=f"measuring {step.table}",
            )
        if with_bytes:
            self.row_bytes[step.table] = self._measure_row_bytes(step.table, rows, [f"hash({self._unit_column})"])

    def _build_unit_query(self) -> str:
        """Build SQL for the FROM clause: the pilot's rows of the unit table, with stratum and unit."""
        unit, table = self.unit, self.tables[self.unit.table]
        populations, flat = [stratum.population for stratum in unit.strata], [1.0] * len(unit.strata)
        least = allocation.compute_floors(populations, MIN_PILOT_UNITS_PER_STRATUM)
        scale = allocation.solve_scale(PILOT_UNITS, populations, flat, least)
        chosen = allocation.compute_probabilities(flat, least, scale)
        frame = prepare_frame(self.session, self.tables, assign_probabilities(unit, chosen))
        source = build_session_name("pilot source", unit.table)
        self.session.execute(f"create or replace temp view {quote_identifier(source)} as {build_select(table)}")
        columns = ", ".join(quote_identifier(name) for name in table.columns)
        return (
            f"(select {columns}, {quote_identifier(frame.stratum)} as {self._stratum_column}, {quote_identifier(frame.unit)} as {self._unit_column} "
            f"from ({frame.build_sample_query(source, table.columns)}))"
        )

    def _build_child_query(self, step: TableStep, through: Reference) -> str:
        keys = ", ".join(quote_identifier(name) for name in through.key)
        on = f"{build_join_condition(pair_reference_columns(self.tables, step.table, through), 'r', 't')} and {build_when_condition(through, 'r')}"
        return (
            f"(select r.*, t.{self._stratum_column}, t.{self._unit_column} from ({build_select(self.tables[step.table])}) r join "
            f"(select distinct {keys}, {self._stratum_column}, {self._unit_column} from {self._build_table_name(through.table)}) t on {on})"
        )

    def _list_needed_columns(self, table: str) -> list[str]:
        """Return the columns of a table on either side of references."""
        names: dict[str, None] = {}
        for step in self.steps:
            for reference in step.references:
                names |= dict.fromkeys(reference.key if reference.table == table else ())
                columns = [*reference.columns, *(name for name, _ in reference.when)]
                names |= dict.fromkeys(columns if step.table == table else ())
        return list(names)

    def _count_by_stratum(self, table: str, what: str) -> list[float]:
        """Evaluate an aggregate over the pilot's rows of a table, by stratum."""
        counts = dict(
            self.session.fetch_rows(
                f"select {self._stratum_column}, {what} from {self._build_table_name(table)} group by 1"
            )
        )
        return [float(counts.get(index, 0)) for index in range(len(self.unit.strata))]

    def _count_lookup_rows(
        self, family: Sequence[TableStep], lookups: Sequence[TableStep], units: Sequence[float]
    ) -> dict[str, list[float]]:
        """Count the rows named by one unit, by lookup and stratum; each row once per unit."""
        named = {step.table: [0.0] * len(units) for step in lookups}
        for step in family:
            for reference in step.references:
                if reference.table in named:
                    key = ", ".join([self._unit_column, *(quote_identifier(name) for name in reference.columns)])
                    counted = f"count(distinct row({key})) filter ({build_not_null_condition(reference.columns)} and {build_when_condition(reference)})"
                    per_unit = _divide_by_units(self._count_by_stratum(step.table, counted), units)
                    named[reference.table] = _add_scaled(named[reference.table], per_unit, 1.0)
        first = dict(named)
        for step in lookups:
            # A lookup row names at most one row per reference.
            for reference in step.references:
                if reference.table in named and reference.table != step.table:
                    named[reference.table] = _add_scaled(named[reference.table], first[step.table], 1.0)
        return named

    def _measure_row_bytes(self, name: str, rows: str, order: Sequence[str]) -> float:
        """Write some rows to memory as Parquet and return the bytes of one.

        A hash chooses and orders the rows, so the result does not depend on the source's layout.
        """
        table = self.tables[name]
        columns = ", ".join(quote_identifier(column) for column in table.columns)
        most = max(1, min(MAX_MEASURED_ROWS, int(MAX_MEASURED_BYTES / max(1.0, table.width))))
        by = ", ".join([*order, f"hash({columns})"])
        with translate_file_errors(table.format, table.files):
            batches = list(
                self.session.fetch_batches(
                    f"select {columns} from {rows} order by {by} limit {most}",
                    size=most,
                    doing=f"measuring {name}",
                )
            )
        count = sum(batch.num_rows for batch in batches)
        return _measure_parquet_bytes(batches) / count if count else estimate_row_bytes(table)


def _measure_parquet_bytes(batches: Sequence[pa.RecordBatch]) -> float:
    """Measure rows as Parquet without the size of an empty file, with DuckDB's encodings."""
    table = pa.Table.from_batches(batches)
    encodings = {
        field.name: encoding
        for field, column in zip(table.schema, table.columns, strict=True)
        if (encoding := _choose_encoding(field.type))
        and pc.count_distinct(column).as_py() > MAX_DICTIONARY_SHARE * len(column)
    }
    dictionary = [name for name in table.column_names if name not in encodings]
    sizes = []
    for part in (table, table.slice(0, 0)):
        sink = pa.BufferOutputStream()
        pq.write_table(part, sink, compression="zstd", use_dictionary=dictionary, column_encoding=encodings or None)
        sizes.append(sink.getvalue().size)
    return max(1.0, float(sizes[0] - sizes[1]))


def _choose_encoding(kind: pa.DataType) -> str | None:
    """Return the encoding for many distinct values; None for the writer's default."""
    if pa.types.is_integer(kind) or pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        return "DELTA_BINARY_PACKED"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "DELTA_LENGTH_BYTE_ARRAY"
    return "BYTE_STREAM_SPLIT" if pa.types.is_floating(kind) else None


def _add_scaled(base: Sequence[float], addend: Sequence[float], factor: float) -> list[float]:
    return [a + factor * b for a, b in zip(base, addend, strict=True)]


def _divide_by_units(totals: Sequence[float], units: Sequence[float]) -> list[float]:
    """Divide totals by units for each stratum; without pilot units use the overall average."""
    average = sum(totals) / max(1.0, sum(units))
    return [total / count if count else average for total, count in zip(totals, units, strict=True)]
