"""``[outputs.NAME]``, ``[[tests]]``, ``[gate]`` and ``[production]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from sandbox.config.quantities import Duration, Share, Size
from sandbox.config.sections.base import ColumnNames, NonEmptyText, Section
from sandbox.config.sections.csv import CsvSection
from sandbox.config.sections.sample import RangeEntry

NumberTypeName = Literal[
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE", "DECIMAL",
]  # fmt: skip
TemporalTypeName = Literal[
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_S",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "TIMESTAMP WITH TIME ZONE",
    "TIME_NS",
    "TIMESTAMPTZ_NS",
]
ToleranceTypeName = Literal[NumberTypeName, TemporalTypeName, "VARCHAR", "LIST"]


OutputTypeName = Annotated[
    str,
    Field(
        pattern=r"^(?i:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|UHUGEINT|FLOAT|DOUBLE|"
        r"BOOLEAN|VARCHAR|UUID|DATE|TIME|TIME_NS|TIMESTAMP|TIMESTAMP_S|TIMESTAMP_MS|TIMESTAMP_NS|TIMESTAMP WITH TIME ZONE|"
        r"TIMESTAMPTZ_NS|DECIMAL\([0-9]{1,2}, ?[0-9]{1,2}\))$"
    ),
]


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


GATE_DEFAULTS: dict[str, float | str] = {
    "changed_rows": 0.0,
    "schema": "same",
    "added": "any",
    "removed": "fail",
    "artifacts": "same",
    "rounding": "accept",
    "nondeterministic": "distribution",
    "not_compared": "fail",
    "unexpected": "any",
    "tests": "no-new-failures",
    "rules": "same",
}


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
        description="How columns are judged that differ between two runs of the same code. Default: `distribution`.",
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
        description="Columns that the candidate renamed: candidate's name = baseline's name.",
        examples=[{"total": "revenue"}],
    )
    types: dict[str, OutputTypeName] = Field(
        default_factory=dict,
        description="Fixed type of a column of a CSV or JSON output, as DuckDB writes it.",
        examples=[{"amount": "DECIMAL(18,2)"}],
    )
    csv: CsvSection | None = Field(
        default=None,
        description="How the output's CSV files are written, where it is not as RFC 4180 says.",
        examples=[{"delimiter": ";", "decimal": ","}],
    )
    gate: GateSection = Field(
        default_factory=GateSection, description="Gate of this output; keys that are left out are those of `[gate]`."
    )
    not_null: list[NonEmptyText] = Field(
        default_factory=list,
        description="Columns that are never NULL: asked as a data test, in a diff and of production.",
        examples=[["total"]],
    )
    ranges: dict[str, RangeEntry] = Field(
        default_factory=dict,
        description="Range of a column's values, asked as a data test.",
        examples=[{"age": {"min": 0, "max": 120}}],
    )
    references: dict[str, Annotated[str, StringConstraints(pattern=r"^.+\..+$")]] = Field(
        default_factory=dict,
        description='References to rows of other outputs, asked as data tests: column = "output.column".',
        examples=[{"customer_id": "customers.customer_id"}],
    )
    since: NonEmptyText | None = Field(
        default=None,
        description=(
            "Column that grows with each load: `sandbox test --production` reads the rows with its largest value alone, "
            "or as far back as `last` says."
        ),
        examples=["day"],
    )
    last: Duration | None = Field(
        default=None,
        description="How far back from the largest date or time in `since` production's output is read.",
        examples=["7d"],
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
    on: Annotated[list[Literal["diff", "production"]], Field(min_length=1)] = Field(
        default=["diff"],
        description="Where it is asked: in a diff, or of production's own outputs by `sandbox test --production`.",
        examples=[["diff", "production"]],
    )


class ProductionSection(Section):
    """``[production]``: the outputs that production made."""

    outputs: NonEmptyText | None = Field(
        default=None,
        description="Where they are: a folder, bucket, DuckDB or SQLite file, or database, as `uri` in `[source]`.",
        examples=["s3://warehouse/marts"],
    )
    timeout: Duration = Field(default=600.0, description="Longest time of all tests together.", examples=["10m"])
    max_bytes: Size = Field(
        default=10 * 10**9,
        description="Largest size of an output that is read, of its newest part with `since`.",
        examples=["10GB"],
    )
