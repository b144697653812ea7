"""What a unit costs in bytes of Parquet, with all that belongs to it: measured on a small pilot draw.

Some thousand units are drawn by the rule itself, so they are the same whatever the layout of the source. Their rows and
those of their children are counted by stratum, and some are written to memory as Parquet to see how many bytes a row takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.engine.duckdb.session import quote
from sandbox.engine.sql.ibis_types import fresh
from sandbox.sampler.plan import allocation
from sandbox.sampler.plan.frame import prepared
from sandbox.sampler.plan.strata.strata import allocated
from sandbox.sampler.plan.strata.strata_labels import session_name
from sandbox.sources.checks.key_check import whole
from sandbox.sources.checks.schema_check import applies, matching, typed_pairs
from sandbox.sources.files.file_errors import blamed
from sandbox.sources.table import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import Step, UnitPlan
    from sandbox.sources.table import SourceTable

PILOT = 5_000  # units
PILOT_LEAST = 5  # in a stratum
FEW = 0.2  # the share of distinct values up to which the engine writes a dictionary
MEASURED_ROWS = 50_000
MEASURED_BYTES = 64 * 2**20  # before compression
# What a byte of the source becomes as Parquet, roughly.
SHRINKS = {
    "parquet": 1.0,
    "csv": 0.3,
    "jsonl": 0.12,
    "duckdb": 1.0,
    "postgres": 0.3,
    "spark": 1.0,
    "sqlite": 0.3,
}


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What the sample of one unit costs, in bytes.

    Attributes:
        own: For each stratum what one of its units costs with all that belongs to it.
        named: For each stratum what the rows of such lookups cost that one of its units names; units may share them, so
            together they cost at most that.
        fixed: What the lookups cost that come whole.
        referenced: What those cost that come as far as they are referenced, if all of their rows come.
        row: For each table that was measured the bytes of a row.
        rows: For each table that belongs to the unit, by stratum, how many of its rows come with one.
        lookups: For each lookup that comes as far as it is referenced, by stratum, how many rows a unit names.
        pilot: How many units were looked at.
    """

    own: Sequence[float]
    named: Sequence[float]
    fixed: float
    referenced: float
    row: Mapping[str, float]
    rows: Mapping[str, Sequence[float]]
    lookups: Mapping[str, Sequence[float]]
    pilot: int

    def ways(self, size: float, populations: Sequence[float]) -> list[tuple[float, list[float]]]:
        """Give the size that is left for strata and what they cost: with referenced rows counted singly, or whole."""
        singly = [n * (a + b) for n, a, b in zip(populations, self.own, self.named, strict=True)]
        wholly = [n * a for n, a in zip(populations, self.own, strict=True)]
        return [(size - self.fixed, singly), (size - self.fixed - self.referenced, wholly)]


def guessed(table: SourceTable) -> float:
    """Give the bytes of a row as Parquet, from the size of the table's files alone."""
    packed = all(file.name.endswith(".gz") for file in table.files)
    return table.bytes * (1.0 if packed else SHRINKS[table.format]) / max(1, table.rows)


def measured(
    session: Session,
    tables: Mapping[str, SourceTable],
    unit: UnitPlan,
    steps: Sequence[Step],
    *,
    lookups: bool,
) -> Costs:
    """Measure what units cost.

    Args:
        session: The engine.
        tables: The tables of the source, by name.
        unit: The draw, with its strata counted.
        steps: All tables of the sample.
        lookups: Whether lookups count.
    """
    return _Pilot(session=session, tables=tables, unit=unit, steps=steps).costs(with_lookups=lookups)


@dataclass(kw_only=True)
class _Pilot:
    session: Session
    tables: Mapping[str, SourceTable]
    unit: UnitPlan
    steps: Sequence[Step]
    row: dict[str, float] = field(default_factory=dict)

    def costs(self, *, with_lookups: bool) -> Costs:
        family = [step for step in self.steps if step.unit == self.unit.table]
        for step in family:
            self._drawn(step)
        units = self._counts(self.unit.table, f"count(distinct {self._number})")
        others = [step for step in self.steps if step.role == "lookup"] if with_lookups else []
        for step in others:
            self.row[step.table] = self._bytes(step.table, f"({reading(self.tables[step.table])})", [])
        size = {step.table: self.tables[step.table].rows * self.row[step.table] for step in others}
        rows = {step.table: _each(self._counts(step.table, "count(*)"), units) for step in family}
        own = [0.0] * len(units)
        for name, each in rows.items():
            own = _plus(own, each, self.row[name])
        lookups = self._named(family, [step for step in others if step.keep == "referenced"], units)
        named = [0.0] * len(units)
        for name, each in lookups.items():
            named = _plus(named, each, self.row[name])
        for step in family:
            self.session.execute(f"drop table {self._name(step.table)}")
        return Costs(
            own=own,
            named=named,
            fixed=sum(size[step.table] for step in others if step.keep == "all"),
            referenced=sum(size[step.table] for step in others if step.keep == "referenced"),
            row=self.row,
            rows=rows,
            lookups=lookups,
            pilot=int(sum(units)),
        )

    @property
    def _taken(self) -> set[str]:
        return {name for table in self.tables.values() for name in table.columns}

    @property
    def _stratum(self) -> str:
        return quote(fresh("stratum", self._taken))

    @property
    def _number(self) -> str:
        return quote(fresh("unit number", self._taken))

    def _name(self, table: str) -> str:
        return quote(session_name("pilot", table))

    def _drawn(self, step: Step) -> None:
        """Put the pilot's rows of a table into the session, as far as references need them, and measure some whole."""
        table = self.tables[step.table]
        rows = self._unit_rows() if step.through is None else self._child_rows(step, step.through)
        kept = [*(quote(name) for name in self._needed(step.table)), self._stratum, self._number]
        with blamed(table.format, table.files):
            self.session.execute(
                f"create or replace temp table {self._name(step.table)} as select {', '.join(kept)} from {rows}",
                doing=f"measuring {step.table}",
            )
        self.row[step.table] = self._bytes(step.table, rows, [f"hash({self._number})"])

    def _unit_rows(self) -> str:
        """Give SQL that can stand after ``from``: the pilot's rows of the unit table, with stratum and unit."""
        unit, table = self.unit, self.tables[self.unit.table]
        populations, flat = [one.population for one in unit.strata], [1.0] * len(unit.strata)
        least = allocation.floors(populations, PILOT_LEAST)
        scale = allocation.scale_for(PILOT, populations, flat, least)
        chosen = allocation.probabilities(flat, least, scale)
        frame = prepared(self.session, self.tables, allocated(unit, chosen))
        source = session_name("pilot source", unit.table)
        self.session.execute(f"create or replace temp view {quote(source)} as {reading(table)}")
        own = ", ".join(quote(name) for name in table.columns)
        return (
            f"(select {own}, {quote(frame.stratum)} as {self._stratum}, {quote(frame.unit)} as {self._number} "
            f"from ({frame.selected(source, table.columns)}))"
        )

    def _child_rows(self, step: Step, through: Reference) -> str:
        keys = ", ".join(quote(name) for name in through.key)
        on = (
            f"{matching(typed_pairs(self.tables, step.table, through), 'r', 't')} and {applies(through, 'r')}"
        )
        return (
            f"(select r.*, t.{self._stratum}, t.{self._number} from ({reading(self.tables[step.table])}) r join "
            f"(select distinct {keys}, {self._stratum}, {self._number} from {self._name(through.table)}) t on {on})"
        )

    def _needed(self, table: str) -> list[str]:
        """Give the columns of a table that references lead to, or from."""
        names: dict[str, None] = {}
        for step in self.steps:
            for one in step.references:
                names |= dict.fromkeys(one.key if one.table == table else ())
                own = [*one.columns, *(name for name, _ in one.when)]
                names |= dict.fromkeys(own if step.table == table else ())
        return list(names)

    def _counts(self, table: str, what: str) -> list[float]:
        """Give a count over the pilot's rows of a table, by stratum."""
        found = dict(self.session.rows(f"select {self._stratum}, {what} from {self._name(table)} group by 1"))
        return [float(found.get(index, 0)) for index in range(len(self.unit.strata))]

    def _named(
        self, family: Sequence[Step], lookups: Sequence[Step], units: Sequence[float]
    ) -> dict[str, list[float]]:
        """Give for each lookup, by stratum, how many of its rows a unit of the pilot names, each counted once a unit."""
        named = {step.table: [0.0] * len(units) for step in lookups}
        for step in family:
            for one in step.references:
                if one.table in named:
                    key = ", ".join([self._number, *(quote(name) for name in one.columns)])
                    counted = f"count(distinct row({key})) filter ({whole(one.columns)} and {applies(one)})"
                    found = _each(self._counts(step.table, counted), units)
                    named[one.table] = _plus(named[one.table], found, 1.0)
        first = dict(named)
        for step in lookups:
            # What a looked-up row names in turn is at most one row more for each of its references.
            for one in step.references:
                if one.table in named and one.table != step.table:
                    named[one.table] = _plus(named[one.table], first[step.table], 1.0)
        return named

    def _bytes(self, name: str, rows: str, order: Sequence[str]) -> float:
        """Write some rows to memory as Parquet and give the bytes of one.

        Which rows is up to a hash, their order to their values, as in most tables: none of it to the source's layout.
        """
        table = self.tables[name]
        own = ", ".join(quote(column) for column in table.columns)
        most = max(1, min(MEASURED_ROWS, int(MEASURED_BYTES / max(1.0, table.width))))
        by = ", ".join([*order, f"hash({own})"])
        with blamed(table.format, table.files):
            batches = list(
                self.session.batches(
                    f"select {own} from {rows} order by {by} limit {most}",
                    size=most,
                    doing=f"measuring {name}",
                )
            )
        count = sum(batch.num_rows for batch in batches)
        return _encoded(batches) / count if count else guessed(table)


def _encoded(batches: Sequence[pa.RecordBatch]) -> float:
    """Give the bytes of rows as Parquet, without what a file takes that has none; encoded as the engine does it."""
    table = pa.Table.from_batches(batches)
    encodings = {
        field.name: encoding
        for field, column in zip(table.schema, table.columns, strict=True)
        if (encoding := _encoding(field.type)) and pc.count_distinct(column).as_py() > FEW * len(column)
    }
    dictionary = [name for name in table.column_names if name not in encodings]
    sizes = []
    for part in (table, table.slice(0, 0)):
        sink = pa.BufferOutputStream()
        pq.write_table(
            part, sink, compression="zstd", use_dictionary=dictionary, column_encoding=encodings or None
        )
        sizes.append(sink.getvalue().size)
    return max(1.0, float(sizes[0] - sizes[1]))


def _encoding(kind: pa.DataType) -> str | None:
    """Give how a column of many distinct values is encoded; None leaves that to the writer."""
    if pa.types.is_integer(kind) or pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        return "DELTA_BINARY_PACKED"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "DELTA_LENGTH_BYTE_ARRAY"
    return "BYTE_STREAM_SPLIT" if pa.types.is_floating(kind) else None


def _plus(one: Sequence[float], other: Sequence[float], factor: float) -> list[float]:
    return [a + factor * b for a, b in zip(one, other, strict=True)]


def _each(totals: Sequence[float], units: Sequence[float]) -> list[float]:
    """Give what one unit of each stratum takes; the average of all where the pilot has none of a stratum."""
    average = sum(totals) / max(1.0, sum(units))
    return [total / count if count else average for total, count in zip(totals, units, strict=True)]
