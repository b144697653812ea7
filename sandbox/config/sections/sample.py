"""``[sample]`` and ``[tables.NAME]``."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from sandbox.config.quantities import Duration, Share, Size
from sandbox.config.sections.base import ColumnNames, NonEmptyText, PositiveInteger, Scalar, Section
from sandbox.config.sections.csv import CsvSection

RangeBound = int | float | dt.datetime | dt.date


def _convert_bin_edge(value: Any) -> Any:
    """Return a TOML date or time as text."""
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


BinEdge = int | Annotated[float, Field(allow_inf_nan=False)] | str


DEFAULT_SIZE_GROUPS, DEFAULT_CERTAIN_UNITS = 6, 60


class StratumColumn(Section):
    """An entry of ``strata``: a column unchanged, with rare values merged, or in bins; or the size of units.

    Exactly one of ``column``, ``sum`` and ``count`` is set.
    """

    column: str = Field(
        default="",
        description="Column of the unit table, or `table.column` of a table it refers to.",
        examples=["country"],
    )
    sum: NonEmptyText | None = Field(
        default=None,
        description="Strata by size, instead of a column: each unit's sum of `table.column` over its own rows.",
        examples=["items.price"],
    )
    count: NonEmptyText | None = Field(
        default=None,
        description="Strata by size, instead of a column: each unit's number of rows in a table.",
        examples=["orders"],
    )
    groups: Annotated[int, Field(ge=2, le=50)] | None = Field(
        default=None, description="Number of strata by size. Default: 6.", examples=[6]
    )
    always: Annotated[int, Field(ge=0, le=100_000)] | None = Field(
        default=None,
        description="Number of the largest units that are always drawn, at most a twentieth of the sample. Default: 60.",
        examples=[60],
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

    @property
    def is_size(self) -> bool:
        """Whether the strata are those of units' sizes."""
        return self.sum is not None or self.count is not None

    @property
    def label(self) -> str:
        """What messages and documents call it."""
        if self.sum is not None:
            return f"sum of {self.sum}"
        return f"number of {self.count}" if self.count is not None else self.column

    @property
    def size_groups(self) -> int:
        return DEFAULT_SIZE_GROUPS if self.groups is None else self.groups

    @property
    def certain_units(self) -> int:
        return DEFAULT_CERTAIN_UNITS if self.always is None else self.always


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
        description=(
            "Columns that form the strata: a name, or a table with `rare_below`, `quantiles` or `bins`. One entry may be the "
            'size of units: `{ sum = "items.price" }` or `{ count = "orders" }`.'
        ),
        examples=[["country", {"column": "age", "bins": [18, 65]}]],
    )
    totals: list[NonEmptyText] = Field(
        default_factory=list,
        description=(
            "Columns whose totals are to be estimated, `table.column`: the draw records how large units are there. Default: "
            "all numbers of tables with up to 5 million rows. It counts for the next draw."
        ),
        examples=[["items.price"]],
    )
    rate: Annotated[Share, Field(gt=0)] | None = Field(
        default=None,
        description='Share of the units that is drawn: `"5%"` or `0.05`. Give one of `rate`, `units` and `size`.',
        examples=["5%"],
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
    def strata_columns(self) -> list[StratumColumn]:
        """The entries of ``strata`` that are columns."""
        return [stratum for stratum in self.strata if not stratum.is_size]

    @property
    def size_stratum(self) -> StratumColumn | None:
        """The entry of ``strata`` that is the size of units, if there is one."""
        return next((stratum for stratum in self.strata if stratum.is_size), None)

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
    max_age: Duration | None = Field(
        default=None,
        description="Age from which `sandbox sample --check` calls the sample stale. Default: any age.",
        examples=["90d"],
    )
    max_drift: Annotated[float, Field(gt=0)] = Field(
        default=1.0,
        description="Factor on the sizes from which `sandbox sample --check` reports a difference.",
        examples=[2.0],
    )
    also: dict[str, DrawSection] = Field(
        default_factory=dict,
        description=(
            "Further unit tables, drawn on their own; the keys are those of `[sample]` without "
            "`unit`, `memory`, `max_age`, `max_drift` and `also`."
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
    follow: bool | Annotated[int, Field(ge=1)] = Field(
        default=True,
        description=(
            "Whether rows that only this reference names come into the sample, or for how many levels of references "
            "from the drawn rows. Otherwise rows of the sample refer to missing ones, and joins lose them."
        ),
        examples=[False],
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

    It applies only to rows with the given values in the columns of ``when``. The rows that it names come into the sample
    for ``levels`` of references from the drawn rows: None for any number, 0 for none.
    """

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]
    when: tuple[tuple[str, Scalar], ...] = ()
    levels: int | None = None


class RangeEntry(Section):
    """An entry of ``[tables.NAME.ranges]``: limits of a column's values, inclusive; either may be missing."""

    min: RangeBound | None = Field(default=None, description="Smallest value allowed.", examples=[0])
    max: RangeBound | None = Field(default=None, description="Largest value allowed.", examples=[120])


class TableSection(Section):
    """``[tables.NAME]``."""

    key: ColumnNames | None = Field(
        default=None, description="Columns that identify a row.", examples=[["customer_id"]]
    )
    called: Annotated[str, StringConstraints(pattern=r"^[^\W\d_][\w '-]{0,39}$")] | None = Field(
        default=None,
        description="What sentences call the table's units. Default: its name.",
        examples=["customers"],
    )
    unique: list[NonEmptyText] = Field(
        default_factory=list,
        description="Further columns of which each is unique in the whole table, NULL aside.",
        examples=[["email"]],
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
    csv: CsvSection | None = Field(
        default=None,
        description="How the table's CSV files are written, where it is not as RFC 4180 says.",
        examples=[{"delimiter": ";", "decimal": ","}],
    )
    columns: ColumnNames | None = Field(
        default=None, description="Columns to take. Default: all.", examples=[["customer_id", "country"]]
    )
    leave_out: ColumnNames | None = Field(
        default=None, description="Columns not to take, of all others.", examples=[["photo"]]
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

    def takes_column(self, column: str) -> bool:
        """Return whether a column is taken."""
        if self.columns is not None:
            return column in self.columns
        return column not in (self.leave_out or ())

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
                levels=None if entry.follow is True else int(entry.follow),
            )
            for entry in self.reference
        ]
        return (*short, *long)
