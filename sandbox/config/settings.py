"""The schema of ``sandbox.toml``: every key, its type and its default.

`sandbox.config.settings_checks` has the checks across several keys.
"""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from sandbox.config.quantities import Duration, MemoryLimit, Share, Size
from sandbox.model import ResourceLimits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STATE_FOLDER = ".sandbox"  # beside sandbox.toml

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

    name: ProjectName = Field(
        description="Name of the project: lower-case letters, digits, `-` and `_`, at most 40 characters.",
        examples=["shop"],
    )


class SparkSection(Section):
    """``[source.spark]``: the cluster, its executors' Python, and whether executors write the sample into ``store``."""

    remote: str | None = Field(
        default=None,
        description="Address of a Spark Connect server. Default: `$SPARK_REMOTE`.",
        examples=["sc://spark.example.org:15002"],
    )
    master: str | None = Field(
        default=None,
        description="Master of a classic Spark cluster. Default: `local[*]`.",
        examples=["spark://host:7077"],
    )
    python: NonEmptyText | None = Field(
        default=None, description="Python interpreter on the executors.", examples=["/usr/bin/python3.11"]
    )
    write: Literal["here", "store"] = Field(
        default="here",
        description="`here`: this machine writes the sample. `store`: the executors write it into `store`.",
        examples=["store"],
    )


class PostgresSection(Section):
    """``[source.postgres]``: limits on the load on a Postgres database."""

    statement_timeout: Duration = Field(
        default=1800.0, description="Longest time that one query may take on the server.", examples=["30m"]
    )
    lock_timeout: Duration = Field(
        default=10.0, description="Longest time that one query may wait for a lock.", examples=["10s"]
    )
    rows_per_second: PositiveInteger | None = Field(
        default=None, description="Upper limit for rows read per second. Default: no limit.", examples=[50000]
    )


class SourceSection(Section):
    """``[source]``: the location of production's data."""

    uri: NonEmptyText = Field(
        description=(
            "Location of production's data: a folder, a DuckDB or SQLite file, a bucket (`s3://`, "
            "`gs://`, `az://`), a catalog of Iceberg tables, or a Postgres database. Relative paths "
            "start at `sandbox.toml`."
        ),
        examples=["warehouse/"],
    )
    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb", description="Query engine that reads the source.", examples=["spark"]
    )
    store: str | None = Field(
        default=None,
        description=("Folder or bucket through which samples are shared. With it, everybody gets the same sample."),
        examples=["s3://team/samples"],
    )
    spark: SparkSection | None = Field(default=None, description='Settings of `engine = "spark"`.')
    postgres: PostgresSection | None = Field(default=None, description="Settings of a Postgres source.")

    @property
    def is_sample_written_by_executors(self) -> bool:
        """Whether executors of a cluster write the sample into the store."""
        return self.spark is not None and self.spark.write == "store"


def _convert_bin_edge(value: Any) -> Any:
    """Return a TOML date or time as text."""
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


BinEdge = int | Annotated[float, Field(allow_inf_nan=False)] | str


class StratumColumn(Section):
    """An entry of ``strata``: a column unchanged, with rare values merged, or in bins."""

    column: NonEmptyText = Field(
        description="Column of the unit table, or `table.column` of a table it refers to.", examples=["country"]
    )
    rare_below: PositiveInteger | None = Field(
        default=None, description="Values with fewer units than this form one stratum together.", examples=[200]
    )
    quantiles: Annotated[int, Field(ge=2, le=1000)] | None = Field(
        default=None, description="Number of strata of equal size, cut at quantiles.", examples=[4]
    )
    bins: (
        Annotated[list[Annotated[BinEdge, BeforeValidator(_convert_bin_edge)]], Field(min_length=1, max_length=1000)]
        | None
    ) = Field(
        default=None,
        description="Edges of the strata, ascending. Each stratum includes its lower edge.",
        examples=[[0, 100, 1000]],
    )


def _expand_stratum(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


StratumEntry = Annotated[StratumColumn, BeforeValidator(_expand_stratum)]


class DrawSection(Section):
    """The draw of one table's units."""

    salt: str = Field(
        default="",
        description="Text that decides which rows are drawn. Another salt draws another sample.",
        examples=["2026-q4"],
    )
    strata: list[StratumEntry] = Field(
        default_factory=list,
        description=("Columns that form the strata: a name, or a table with `rare_below`, `quantiles` or `bins`."),
        examples=[["country", {"column": "age", "bins": [18, 65]}]],
    )
    rate: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description=(
            "Share of the units that is drawn, above 0 and at most 1. Give one of `rate`, `units` and `size`."
        ),
        examples=[0.05],
    )
    units: PositiveInteger | None = Field(default=None, description="Number of units to draw.", examples=[50000])
    size: Size | None = Field(
        default=None, description="Size of the sample in bytes, all tables together.", examples=["1GB"]
    )
    min_per_stratum: Annotated[int, Field(ge=0)] = Field(
        default=30,
        description="Smallest number of units drawn from a stratum. A smaller stratum is drawn whole.",
        examples=[30],
    )
    allocation: Annotated[str, StringConstraints(pattern=r"^(proportional|power|neyman:.+)$")] = Field(
        default="proportional",
        description="How units are divided among strata: `proportional`, `power`, or `neyman:COLUMN`.",
        examples=["neyman:total"],
    )

    @property
    def neyman_column(self) -> str | None:
        """The column in ``neyman:<column>``; None for other allocations."""
        kind, _, column = self.allocation.partition(":")
        return column if kind == "neyman" else None


class SampleSection(DrawSection):
    """``[sample]``."""

    unit: NonEmptyText = Field(
        description="Table whose rows are drawn. Rows of other tables come with the unit they belong to.",
        examples=["customers"],
    )
    memory: Size = Field(default=2**30, description="Memory that a draw may use.", examples=["1GiB"])
    also: dict[str, DrawSection] = Field(
        default_factory=dict,
        description=(
            "Further unit tables, drawn on their own; the keys are those of `[sample]` without "
            "`unit`, `memory` and `also`."
        ),
    )

    @property
    def draws(self) -> dict[str, DrawSection]:
        """The draw of each unit table, ``unit`` first; others without a salt use ``[sample]``'s."""
        others = {
            name: draw if "salt" in draw.model_fields_set else draw.model_copy(update={"salt": self.salt})
            for name, draw in self.also.items()
        }
        return {self.unit: self, **others}


class ReferenceEntry(Section):
    """``[[tables.NAME.reference]]``: the long form of a reference."""

    columns: ColumnNames = Field(
        description="Columns that hold the reference.", examples=[["order_year", "order_number"]]
    )
    table: NonEmptyText = Field(description="Table that they refer to.", examples=["orders"])
    key: ColumnNames = Field(
        description="Columns of that table, in the same order.", examples=[["order_year", "order_number"]]
    )
    when: dict[str, Scalar] | None = Field(
        default=None, description="The reference counts only for rows with these values.", examples=[{"kind": "order"}]
    )


class MaskEntry(Section):
    """The mask of a personal column.

    ``date_shift`` needs ``days``, the maximum shift; ``noise`` needs ``relative``, in (0, 1]; ``bucket`` needs
    ``width``; no other kind has options.
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
    ] = Field(description="What replaces the values.", examples=["date_shift"])
    width: Annotated[float | int, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Width of the buckets, for `bucket`.", examples=[5]
    )
    relative: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Largest relative change, for `noise`; above 0 and at most 1.", examples=[0.1]
    )
    days: Annotated[int, Field(gt=0, le=36_500)] | None = Field(
        default=None, description="Largest shift in days, for `date_shift`.", examples=[30]
    )


def _expand_mask(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference: ``columns`` of a table refer to a row of ``table`` by its ``key``.

    It applies only to rows with the given values in the columns of ``when``.
    """

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]
    when: tuple[tuple[str, Scalar], ...] = ()


class RangeEntry(Section):
    """An entry of ``[tables.NAME.ranges]``: limits of a column's values, inclusive; either may be missing."""

    min: RangeBound | None = Field(default=None, description="Smallest value allowed.", examples=[0])
    max: RangeBound | None = Field(default=None, description="Largest value allowed.", examples=[120])


class TableSection(Section):
    """``[tables.NAME]``."""

    key: ColumnNames | None = Field(
        default=None, description="Columns that identify a row.", examples=[["customer_id"]]
    )
    where: str | None = Field(
        default=None,
        description=(
            "Condition on the unit table's own columns. Rows that do not fulfil it are outside the population."
        ),
        examples=["status <> 'test'"],
    )
    duplicates: Literal["error", "unit"] = Field(
        default="error",
        description="Rows that share a key: `error` stops the draw, `unit` treats them as one unit.",
        examples=["unit"],
    )
    mask: dict[str, Annotated[MaskEntry, BeforeValidator(_expand_mask)]] = Field(
        default_factory=dict,
        description="Mask of each personal column: a kind, or a table with its options.",
        examples=[{"email": "email", "birth_date": {"kind": "date_shift", "days": 30}}],
    )
    types: dict[str, NonEmptyText] = Field(
        default_factory=dict,
        description="Fixed type of a column, as DuckDB writes it.",
        examples=[{"amount": "DECIMAL(18,2)"}],
    )
    version: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Version of a Delta table. Default: the newest.", examples=[12]
    )
    snapshot: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="Snapshot id of an Iceberg table. Default: the newest.",
        examples=[8744736658442914487],
    )
    ranges: dict[str, RangeEntry] = Field(
        default_factory=dict,
        description="Range of a column's values; `sandbox scan` reports values outside.",
        examples=[{"age": {"min": 0, "max": 120}}],
    )
    references: dict[str, Annotated[str, StringConstraints(pattern=r"^.+\..+$")]] = Field(
        default_factory=dict,
        description='References in short form: column = "table.column".',
        examples=[{"customer_id": "customers.customer_id"}],
    )
    reference: list[ReferenceEntry] = Field(
        default_factory=list, description="References in long form, for several columns or a condition."
    )
    belongs_to: str | None = Field(
        default=None,
        description="Column or table whose reference leads to the unit, where several do.",
        examples=["customer_id"],
    )
    keep: Literal["all", "referenced"] | None = Field(
        default=None,
        description=(
            "Which rows of a lookup table come: `all`, or only those that are `referenced`. Default: "
            "`all` up to 100,000 rows."
        ),
        examples=["all"],
    )

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


class LimitsSection(Section):
    """``[stack.limits]``."""

    cpus: Annotated[float, Field(gt=0)] = Field(default=2, description="Processors that a run may use.", examples=[2])
    memory: MemoryLimit = Field(
        default=4 * 10**9,
        description=("Memory that a run may use. `auto`: a quarter of the machine's, and three quarters in one retry."),
        examples=["4GB"],
    )
    timeout: Duration = Field(default=1800.0, description="Longest time that a run may take.", examples=["30m"])
    output: Size | None = Field(
        default=None,
        description="Size of all files in the folders that a run may write to. Default: half of the free disk space.",
        examples=["20GB"],
    )


class StackSection(Section):
    """``[stack]``: the environment for the code."""

    image: NonEmptyText = Field(
        default="python",
        description="`python`, `dbt`, a Dockerfile (`./Dockerfile`), or the name of an image of your own.",
        examples=["python"],
    )
    python: Annotated[str, StringConstraints(pattern=r"^3\.\d+$")] = Field(
        default="3.13", description="Version of Python.", examples=["3.13"]
    )
    requirements: str | None = Field(
        default=None,
        description="File with the libraries: `requirements.txt`, `pyproject.toml` or `uv.lock`.",
        examples=["requirements.txt"],
    )
    services: list[Literal["postgres", "notebook"]] = Field(
        default_factory=list, description="Services that run beside the sandbox.", examples=[["postgres"]]
    )
    runtime: Literal["auto", "docker", "local"] = Field(
        default="auto",
        description="Where code runs: in containers, or as processes of this machine without isolation.",
        examples=["docker"],
    )
    network: Literal["none", "services"] = Field(
        default="none", description="Network of a run: none, or the services alone.", examples=["services"]
    )
    build_network: Literal["none", "default"] = Field(
        default="none", description="Network while an image of your own is built.", examples=["default"]
    )
    limits: LimitsSection = Field(default_factory=LimitsSection, description="Limits of a run.")


class PipelineSection(Section):
    """``[pipeline]``: the code.

    ``build`` applies to dbt: a candidate builds only changed models and their dependents, or all.
    """

    kind: Literal["command", "dbt"] = Field(
        default="command", description="`command`: any program. `dbt`: a dbt project.", examples=["dbt"]
    )
    build: Literal["changed", "all"] = Field(
        default="changed", description="dbt: build the changed models and their descendants, or all.", examples=["all"]
    )
    command: NonEmptyText | None = Field(
        default=None,
        description="Command that reads `$SANDBOX_SAMPLE` and writes `$SANDBOX_OUTPUT`.",
        examples=["python pipeline.py"],
    )
    root: NonEmptyText = Field(
        default=".",
        description="Folder of the code: that of `sandbox.toml`, or one above it. Commands start beside `sandbox.toml`.",
        examples=[".."],
    )
    production: NonEmptyText = Field(
        default="main", description="Git ref of the code that production runs.", examples=["main"]
    )
    inputs: Annotated[list[Literal["parquet", "duckdb", "postgres"]], Field(min_length=1)] = Field(
        default=["parquet"],
        description=("Forms in which the sample is offered: Parquet files, a DuckDB file, or a Postgres database."),
        examples=[["postgres"]],
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        description="Environment variables of the command. `{sample}` and `{output}` stand for the folders.",
        examples=[{"STAGE": "sandbox"}],
    )
    scratch: list[str] = Field(
        default_factory=list, description="Folders beside the code that the command may write to.", examples=[["cache"]]
    )
    include: list[str] = Field(
        default_factory=list, description="Files that git ignores and a run needs.", examples=[["dbt_packages"]]
    )


class ToleranceEntry(Section):
    """Tolerances for values to count as equal.

    Numbers within |candidate − baseline| ≤ abs + rel · |baseline|, dates and times within ``time``, text ignoring
    ``case`` or the amount of white ``space``, lists as a ``set``.
    """

    abs: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.0, description="Largest absolute difference of numbers.", examples=[0.01]
    )
    rel: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.0, description="Largest difference relative to the baseline's value.", examples=[1e-09]
    )
    time: Duration | None = Field(default=None, description="Largest difference of dates and times.", examples=["1s"])
    case: bool = Field(default=True, description="Whether upper and lower case differ.", examples=[False])
    space: bool = Field(default=True, description="Whether amounts of white space differ.", examples=[False])
    set: bool = Field(default=False, description="Whether lists are compared as sets.", examples=[True])


class GateSection(Section):
    """``[gate]``, and the gate of one output.

    A missing key has the default in `GATE_DEFAULTS`, or in the gate of one output the value of ``[gate]``. ``tests``,
    ``artifacts``, ``rules`` and ``unexpected`` are keys of ``[gate]`` only.
    """

    changed_rows: Share | None = Field(
        default=None,
        description="Largest share of rows that may differ, of the baseline's rows. Default: `0%`.",
        examples=["0.1%"],
    )
    schema_: Annotated[Literal["same", "any"] | None, Field(alias="schema")] = Field(
        default=None, description="Whether columns and types must be the same. Default: `same`.", examples=["any"]
    )
    added: Literal["any", "fail"] | None = Field(
        default=None,
        description="Whether outputs and artifacts may be new. Default: `any`.",
        examples=["fail"],
    )
    removed: Literal["fail", "any"] | None = Field(
        default=None,
        description="Whether outputs and artifacts of the baseline may be missing. Default: `fail`.",
        examples=["any"],
    )
    artifacts: Literal["same", "any"] | None = Field(
        default=None,
        description="Whether files that are not tables may change. Only in `[gate]`. Default: `same`.",
        examples=["any"],
    )
    rounding: Literal["accept", "count"] | None = Field(
        default=None,
        description="Whether rows that differ by floating-point rounding count as changed. Default: `accept`.",
        examples=["count"],
    )
    nondeterministic: Literal["distribution", "any"] | None = Field(
        default=None,
        description="How columns are judged that differ between two runs of the same code. Default: `any`.",
        examples=["any"],
    )
    not_compared: Literal["fail", "any"] | None = Field(
        default=None,
        description="Whether something may be left out of the comparison. Default: `fail`.",
        examples=["any"],
    )
    unexpected: Literal["any", "fail"] | None = Field(
        default=None,
        description="Whether columns may change that no changed code leads to. Only in `[gate]`. Default: `any`.",
        examples=["any"],
    )
    tests: Literal["no-new-failures", "no-failures", "any"] | None = Field(
        default=None,
        description="Which failures of data tests break the gate. Only in `[gate]`. Default: `no-new-failures`.",
        examples=["no-failures"],
    )
    rules: Literal["same", "any"] | None = Field(
        default=None,
        description=(
            "Whether a change may loosen the rules that judge it. Read from the baseline commit's file. "
            "Only in `[gate]`. Default: `same`."
        ),
        examples=["any"],
    )
    total_change: dict[str, Share] = Field(
        default_factory=dict,
        description="Largest estimated change of a column's total in production.",
        examples=[{"revenue.amount": "1%"}],
    )


GATE_DEFAULTS: dict[str, float | str] = {
    "changed_rows": 0.0,
    "schema": "same",
    "added": "any",
    "removed": "fail",
    "artifacts": "same",
    "rounding": "accept",
    "nondeterministic": "any",
    "not_compared": "fail",
    "unexpected": "any",
    "tests": "no-new-failures",
    "rules": "same",
}
"""Defaults of ``[gate]``; without ``total_change`` no total is limited."""


class OutputSection(Section):
    """``[outputs.NAME]``."""

    path: str | None = Field(
        default=None,
        description="File or folder of the output, inside the output folder. Default: found by its name.",
        examples=["marts/value.parquet"],
    )
    key: ColumnNames | None = Field(
        default=None, description="Columns that identify a row. Default: found in the data.", examples=[["customer_id"]]
    )
    unit_key: ColumnNames | None = Field(
        default=None,
        description="Columns that name the unit a row belongs to, for estimates.",
        examples=[["customer_id"]],
    )
    ignore: list[str] = Field(
        default_factory=list, description="Columns that are not compared.", examples=[["loaded_at"]]
    )
    rename: dict[str, str] = Field(
        default_factory=dict,
        description="Columns that the candidate renamed: baseline's name = candidate's name.",
        examples=[{"total": "revenue"}],
    )
    gate: GateSection = Field(
        default_factory=GateSection, description="Gate of this output; keys that are left out are those of `[gate]`."
    )
    tolerance: dict[str, ToleranceEntry] = Field(
        default_factory=dict, description="Tolerance of a column.", examples=[{"score": {"abs": 0.001}}]
    )
    type_tolerance: dict[ToleranceTypeName, ToleranceEntry] = Field(
        default_factory=dict, description="Tolerance of every column of a type.", examples=[{"DOUBLE": {"rel": 1e-09}}]
    )


class DataTestEntry(Section):
    """``[[tests]]``."""

    name: NonEmptyText = Field(description="Name of the test.", examples=["no negative totals"])
    sql: NonEmptyText = Field(
        description="Query over the outputs. Each row it returns is a failure.",
        examples=["select * from value where total < 0"],
    )


class Settings(Section):
    """The whole file."""

    version: Literal[1] = Field(description="Version of the file's format.", examples=[1])
    project: ProjectSection = Field(description="The project.")
    source: SourceSection = Field(description="Location of production's data.")
    sample: SampleSection = Field(description="What is drawn.")
    tables: dict[str, TableSection] = Field(description="The tables of the sample, by name.")
    stack: StackSection = Field(default_factory=StackSection, description="Where the code runs.")
    pipeline: PipelineSection = Field(default_factory=PipelineSection, description="The code.")
    outputs: dict[str, OutputSection] = Field(
        default_factory=dict, description="Rules for comparing an output, by its name."
    )
    tests: list[DataTestEntry] = Field(default_factory=list, description="Data tests of the outputs.")
    gate: GateSection = Field(default_factory=GateSection, description="What a change may do and still pass.")


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project: its resolved settings and its location.

    Attributes:
        file: The absolute path of its ``sandbox.toml``.
        settings: File, environment and flags, resolved.
        given: Values from the environment and flags, by the path of the key.
        accept_masks: Whether a flag accepts masks weaker than the baseline's.
        ignored_keys: Keys overridden by different values in the baseline's file.
        allow_outside: Whether the file may name files outside the git repository.
    """

    file: Path
    settings: Settings
    given: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    accept_masks: bool = False
    ignored_keys: tuple[str, ...] = ()
    allow_outside: bool = False

    @property
    def given_keys(self) -> frozenset[str]:
        """Keys set by the environment or a flag, in TOML notation."""
        return frozenset(".".join(path) for path in self.given)

    @property
    def root(self) -> Path:
        """The folder of ``sandbox.toml``, base of the file's relative paths."""
        return self.file.parent

    @property
    def state_folder(self) -> Path:
        """The folder of the project's own state."""
        return self.root / STATE_FOLDER

    def resolve_limits(self, machine_bytes: int) -> ResourceLimits:
        """Return the limits of a run's first attempt.

        Args:
            machine_bytes: The memory of the machine that runs it. ``auto`` is a quarter of it, from 1 to 4 GB.
        """
        limits = self.settings.stack.limits
        quarter = min(max(machine_bytes // 4, 10**9), 4 * 10**9, machine_bytes)
        memory = limits.memory if isinstance(limits.memory, int) else quarter
        return ResourceLimits(
            cpus=limits.cpus,
            memory_bytes=memory,
            timeout_seconds=limits.timeout,
            output_bytes=limits.output or self._choose_output_limit(),
        )

    def _choose_output_limit(self) -> int:
        """Return half of the space that is free where runs are kept."""
        return max(shutil.disk_usage(self.root).free // 2, 1)

    def compute_retry_memory(self, machine_bytes: int) -> int | None:
        """Return the memory for one retry after out-of-memory: with ``auto`` 3/4 of the machine's, else None."""
        return machine_bytes * 3 // 4 if self.settings.stack.limits.memory == "auto" else None
