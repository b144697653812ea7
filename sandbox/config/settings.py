"""The shape of ``sandbox.toml``: every key, its type and its default.

What the file says is what these classes say; `sandbox.config.settings_checks` adds what only several keys together can tell.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from sandbox.config.quantities import Duration, Share, Size, parse_size
from sandbox.model import ResourceLimits

if TYPE_CHECKING:
    from pathlib import Path

NonEmptyText = Annotated[str, StringConstraints(min_length=1)]
ProjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
ColumnNames = Annotated[list[NonEmptyText], Field(min_length=1)]
PositiveInteger = Annotated[int, Field(gt=0)]
Scalar = str | int | float | bool
RangeBound = int | float | dt.datetime | dt.date
NumberTypeName = Literal[
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE", "DECIMAL",
]  # fmt: skip
TemporalTypeName = Literal[
    "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"
]
ToleranceTypeName = Literal[NumberTypeName, TemporalTypeName, "VARCHAR", "LIST"]


class Section(BaseModel):
    """A frozen table of the file; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ProjectSection(Section):
    """``[project]``."""

    name: ProjectName


class SparkSection(Section):
    """``[source.spark]``: which cluster, the Python of its workers, and whether these write the sample, into ``store``."""

    remote: str | None = None
    master: str | None = None
    python: NonEmptyText | None = None
    write: Literal["here", "store"] = "here"


class PostgresSection(Section):
    """``[source.postgres]``: how a Postgres database is treated."""

    statement_timeout: Duration = 1800.0
    lock_timeout: Duration = 10.0
    rows_per_second: PositiveInteger | None = None


class SourceSection(Section):
    """``[source]``: where production's data is."""

    uri: NonEmptyText
    engine: Literal["duckdb", "spark"] = "duckdb"
    store: str | None = None
    spark: SparkSection | None = None
    postgres: PostgresSection | None = None

    @property
    def is_sample_written_by_executors(self) -> bool:
        """Whether the workers of a cluster write the sample into the store."""
        return self.spark is not None and self.spark.write == "store"


def _convert_bin_edge(value: Any) -> Any:
    """Give a date or a time of TOML as the text that stands for it."""
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


BinEdge = int | Annotated[float, Field(allow_inf_nan=False)] | str


class StratumColumn(Section):
    """An entry of ``strata``: a column as it is, with rare values merged, or in bins."""

    column: NonEmptyText
    rare_below: PositiveInteger | None = None
    quantiles: Annotated[int, Field(ge=2, le=1000)] | None = None
    bins: (
        Annotated[list[Annotated[BinEdge, BeforeValidator(_convert_bin_edge)]], Field(min_length=1, max_length=1000)]
        | None
    ) = None


def _expand_stratum(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


StratumEntry = Annotated[StratumColumn, BeforeValidator(_expand_stratum)]


class DrawSection(Section):
    """How the units of one table are drawn."""

    salt: str = ""
    strata: list[StratumEntry] = Field(default_factory=list)
    rate: Annotated[float, Field(gt=0, le=1)] | None = None
    units: PositiveInteger | None = None
    size: Size | None = None
    min_per_stratum: Annotated[int, Field(ge=0)] = 30
    allocation: Annotated[str, StringConstraints(pattern=r"^(proportional|power|neyman:.+)$")] = "proportional"

    @property
    def neyman_column(self) -> str | None:
        """The column that ``neyman:<column>`` names; None for other allocations."""
        kind, _, column = self.allocation.partition(":")
        return column if kind == "neyman" else None


class SampleSection(DrawSection):
    """``[sample]``."""

    unit: NonEmptyText
    memory: Size = 2**30
    also: dict[str, DrawSection] = Field(default_factory=dict)

    @property
    def draws(self) -> dict[str, DrawSection]:
        """The draw of each unit table, ``unit`` first; a further one without a salt of its own has ``[sample]``'s."""
        others = {
            name: draw if "salt" in draw.model_fields_set else draw.model_copy(update={"salt": self.salt})
            for name, draw in self.also.items()
        }
        return {self.unit: self, **others}


class ReferenceEntry(Section):
    """``[[tables.NAME.reference]]``: the long form of a reference."""

    columns: ColumnNames
    table: NonEmptyText
    key: ColumnNames
    when: dict[str, Scalar] | None = None


class MaskEntry(Section):
    """How a personal column is masked.

    ``date_shift`` needs ``days``, the most that moments are shifted; ``noise`` needs ``relative``, in (0, 1];
    ``bucket`` needs ``width``; no other kind has options.
    """

    kind: Literal[
        "none",
        "null",
        "redact",
        "hash",
        "key",
        "email",
        "name",
        "phone",
        "text",
        "date_shift",
        "noise",
        "bucket",
    ]
    width: Annotated[float | int, Field(gt=0, allow_inf_nan=False)] | None = None
    relative: Annotated[float, Field(gt=0, le=1)] | None = None
    days: Annotated[int, Field(gt=0, le=36_500)] | None = None


def _expand_mask(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference: ``columns`` of the table that holds it name a row of ``table`` by its ``key``.

    It is one only for rows that hold, in each column that ``when`` names, the value beside it.
    """

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]
    when: tuple[tuple[str, Scalar], ...] = ()


class RangeEntry(Section):
    """An entry of ``[tables.NAME.ranges]``: what a column's values lie between, both ends included; either may be absent."""

    min: RangeBound | None = None
    max: RangeBound | None = None


class TableSection(Section):
    """``[tables.NAME]``."""

    key: ColumnNames | None = None
    where: str | None = None
    duplicates: Literal["error", "unit"] = "error"
    mask: dict[str, Annotated[MaskEntry, BeforeValidator(_expand_mask)]] = Field(default_factory=dict)
    types: dict[str, NonEmptyText] = Field(default_factory=dict)
    version: Annotated[int, Field(ge=0)] | None = None
    snapshot: Annotated[int, Field(ge=0)] | None = None
    ranges: dict[str, RangeEntry] = Field(default_factory=dict)
    references: dict[str, Annotated[str, StringConstraints(pattern=r"^.+\..+$")]] = Field(default_factory=dict)
    reference: list[ReferenceEntry] = Field(default_factory=list)
    belongs_to: str | None = None
    keep: Literal["all", "referenced"] | None = None

    @property
    def all_references(self) -> tuple[Reference, ...]:
        """Both forms of reference, in the file's order, the short form first."""
        short = [
            Reference(columns=(column,), table=target.rpartition(".")[0], key=(target.rpartition(".")[2],))
            for column, target in self.references.items()
        ]
        long = [
            Reference(
                columns=tuple(entry.columns),
                table=entry.table,
                key=tuple(entry.key),
                when=tuple((entry.when or {}).items()),
            )
            for entry in self.reference
        ]
        return (*short, *long)


def _parse_memory(value: Any) -> int | str:
    return "auto" if value == "auto" else parse_size(value)


class LimitsSection(Section):
    """``[stack.limits]``."""

    cpus: Annotated[float, Field(gt=0)] = 2
    memory: Annotated[int | Literal["auto"], BeforeValidator(_parse_memory)] = 4 * 10**9
    timeout: Duration = 1800.0


class StackSection(Section):
    """``[stack]``: where code runs."""

    image: NonEmptyText = "python"
    python: Annotated[str, StringConstraints(pattern=r"^3\.\d+$")] = "3.13"
    requirements: str | None = None
    services: list[Literal["postgres", "notebook"]] = Field(default_factory=list)
    runtime: Literal["auto", "docker", "local"] = "auto"
    network: Literal["none", "services"] = "none"
    build_network: Literal["none", "default"] = "none"
    limits: LimitsSection = Field(default_factory=LimitsSection)


class PipelineSection(Section):
    """``[pipeline]``: the code.

    ``build`` is for dbt: whether a candidate builds only what changed and what depends on that, or all.
    """

    kind: Literal["command", "dbt"] = "command"
    build: Literal["changed", "all"] = "changed"
    command: NonEmptyText | None = None
    production: NonEmptyText = "main"
    inputs: Annotated[list[Literal["parquet", "duckdb", "postgres"]], Field(min_length=1)] = ["parquet"]
    env: dict[str, str] = Field(default_factory=dict)
    scratch: list[str] = Field(default_factory=list)
    include: list[str] = Field(default_factory=list)


class ToleranceEntry(Section):
    """Which values count as equal although they are not the same.

    Numbers within |candidate − baseline| ≤ abs + rel · |baseline|, dates and times within ``time``, text without regard
    to ``case`` or the amount of white ``space``, lists as a ``set``.
    """

    abs: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    rel: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    time: Duration | None = None
    case: bool = True
    space: bool = True
    set: bool = False


class GateSection(Section):
    """``[gate]``, and the gate of one output; a rule that is None is the default's."""

    changed_rows: Share | None = None
    schema_: Annotated[Literal["same", "any"] | None, Field(alias="schema")] = None
    tests: Literal["no-new-failures", "no-failures", "any"] | None = None
    total_change: dict[str, Share] = Field(default_factory=dict)


class OutputSection(Section):
    """``[outputs.NAME]``."""

    path: str | None = None
    key: ColumnNames | None = None
    unit_key: ColumnNames | None = None
    ignore: list[str] = Field(default_factory=list)
    rename: dict[str, str] = Field(default_factory=dict)
    gate: GateSection = Field(default_factory=GateSection)
    tolerance: dict[str, ToleranceEntry] = Field(default_factory=dict)
    type_tolerance: dict[ToleranceTypeName, ToleranceEntry] = Field(default_factory=dict)


class DataTestEntry(Section):
    """``[[tests]]``."""

    name: NonEmptyText
    sql: NonEmptyText


class Settings(Section):
    """The whole file."""

    version: Literal[1]
    project: ProjectSection
    source: SourceSection
    sample: SampleSection
    tables: dict[str, TableSection]
    stack: StackSection = Field(default_factory=StackSection)
    pipeline: PipelineSection = Field(default_factory=PipelineSection)
    outputs: dict[str, OutputSection] = Field(default_factory=dict)
    tests: list[DataTestEntry] = Field(default_factory=list)
    gate: GateSection = Field(default_factory=GateSection)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project: its resolved settings and where it lies.

    Attributes:
        file: The absolute path of its ``sandbox.toml``.
        settings: File, environment and flags, resolved.
    """

    file: Path
    settings: Settings

    @property
    def root(self) -> Path:
        """The folder of ``sandbox.toml``; the file's relative paths start here."""
        return self.file.parent

    @property
    def state_folder(self) -> Path:
        """Where the project's own state lies."""
        return self.root / ".sandbox"

    def resolve_limits(self, machine_bytes: int) -> ResourceLimits:
        """Give the limits of a run at first.

        Args:
            machine_bytes: The memory of the machine that carries it out. ``auto`` is a quarter of it, of 1 to 4 GB.
        """
        limits = self.settings.stack.limits
        quarter = min(max(machine_bytes // 4, 10**9), 4 * 10**9, machine_bytes)
        memory = limits.memory if isinstance(limits.memory, int) else quarter
        return ResourceLimits(cpus=limits.cpus, memory_bytes=memory, timeout_seconds=limits.timeout)

    def compute_retry_memory(self, machine_bytes: int) -> int | None:
        """Give what a run gets, once, that ran out of memory: three quarters of the machine's with ``auto``, else None."""
        return machine_bytes * 3 // 4 if self.settings.stack.limits.memory == "auto" else None
