"""Exact totals of each unit over its rows in one table, the same in every order of rows. Pure.

Integers and decimals are summed as they are. Floating-point numbers are rounded to 10⁻⁶ and summed as decimals. NULL,
NaN, infinity and numbers from 10²⁵ on are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.type_names import NUMBER_TYPE
from sandbox.manifest.sample import format_size_name
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)
from sandbox.sources.registry import build_select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import Reference
    from sandbox.sources.table import SourceTable

TOTAL_DIGITS = 38
ROUNDED_SCALE = 6
MAX_EXACT_DIGITS = 28  # digits of a decimal whose sum over any table fits into 38
LARGEST_NUMBER = "1e25"
SMALL_INTEGER_TYPES = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)")
DECIMAL_TYPE = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


@dataclass(frozen=True, kw_only=True)
class SizeColumn:
    """A size of units: the sum of a column over a unit's rows in a table, or the number of these rows.

    Attributes:
        table: The table.
        column: The column; None for the number of rows.
        type: DuckDB's name of its type; BIGINT for a number of rows.
        path: The references from the table to the unit table, in this order; empty for the unit table itself.
    """

    table: str
    column: str | None
    type: str
    path: tuple[Reference, ...]

    @property
    def weights_column(self) -> str:
        """Name of its values in the weights."""
        return format_size_name(self.table, self.column)

    @property
    def label(self) -> str:
        """What messages call it.

        >>> SizeColumn(table="t", column="x", type="BIGINT", path=()).label
        'sum of t.x'
        """
        return f"number of {self.table}" if self.column is None else f"sum of {self.table}.{self.column}"

    @property
    def scale(self) -> int:
        """Digits after the point in a total.

        >>> SizeColumn(table="t", column="x", type="DECIMAL(10,2)", path=()).scale
        2
        """
        if self.column is None or SMALL_INTEGER_TYPES.fullmatch(self.type):
            return 0
        decimal = DECIMAL_TYPE.fullmatch(self.type)
        return int(decimal[2]) if decimal and int(decimal[1]) <= MAX_EXACT_DIGITS else ROUNDED_SCALE

    @property
    def total_type(self) -> str:
        """DuckDB's name of the type of a total."""
        return f"DECIMAL({TOTAL_DIGITS},{self.scale})"

    def build_value(self, row: str) -> str:
        """Build the SQL of the exact value of one row; NULL if it has none."""
        assert self.column is not None
        value = f"{row}.{quote_identifier(self.column)}"
        decimal = DECIMAL_TYPE.fullmatch(self.type)
        if SMALL_INTEGER_TYPES.fullmatch(self.type) or (decimal and int(decimal[1]) <= MAX_EXACT_DIGITS):
            return value
        number = f"{value}::double"
        small = f"case when isfinite({number}) and abs({number}) < {LARGEST_NUMBER} then {value} end"
        return f"({small})::DECIMAL(32,{ROUNDED_SCALE})"

    def build_total(self, row: str) -> str:
        """Build the SQL of the total over grouped rows; 0 without a value."""
        if self.column is None:
            return f"count(*)::{self.total_type}"
        return f"coalesce(sum({self.build_value(row)}), 0)::{self.total_type}"

    def build_total_of_row(self, row: str) -> str:
        """Build the SQL of the total of a unit with one row: the same value as `build_total`."""
        return f"coalesce({self.build_value(row)}, 0)::{self.total_type}"


def is_summable(kind: str) -> bool:
    """Check whether a column of a type has totals."""
    return NUMBER_TYPE.fullmatch(kind) is not None


def build_totals_query(
    tables: Mapping[str, SourceTable],
    unit: str,
    key: Sequence[str],
    sizes: Sequence[SizeColumn],
    *,
    is_unique: bool = False,
) -> str:
    """Build the SELECT of ``key_0``, … and ``x_0``, …: each unit with rows, and its totals.

    Args:
        tables: The tables of the source.
        unit: The unit table.
        key: Its key.
        sizes: Sizes over one table, at least one. Where a referenced key repeats, its rows belong to the smallest unit.
        is_unique: Whether the key is known to be unique. Then references to it name the units, and are not looked up in
            the unit table; keys of no unit have totals as well.
    """
    table, path = sizes[0].table, sizes[0].path
    totals = ", ".join(f"{size.build_total('r')} as x_{index}" for index, size in enumerate(sizes))
    names = [f"key_{index}" for index in range(len(key))]
    rows = f"({build_select(tables[table])}) r"
    if not path:
        keys = [f"r.{quote_identifier(column)}" for column in key]
        listed = ", ".join(f"{column} as {name}" for column, name in zip(keys, names, strict=True))
        where = build_not_null_condition(key, "r")
        return f"select {listed}, {totals} from {rows} where {where} group by {', '.join(keys)}"
    if is_unique and _names_units(tables, table, key, path):
        references = dict(zip(path[0].key, path[0].columns, strict=True))
        columns = [references[column] for column in key]
        cells = [f"r.{quote_identifier(column)}" for column in columns]
        listed = ", ".join(f"{cell} as {name}" for cell, name in zip(cells, names, strict=True))
        where = f"{build_not_null_condition(columns, 'r')} and {build_when_condition(path[0], 'r')}"
        return f"select {listed}, {totals} from {rows} where {where} group by {', '.join(cells)}"
    owners, on = _build_owners_query(tables, unit, key, path), _build_join(tables, table, path[0])
    listed = ", ".join(f"o.u{_build_part(index, key)} as {name}" for index, name in enumerate(names))
    return f"select {listed}, {totals} from {rows} join ({owners}) o on {on} group by o.u"


def _names_units(tables: Mapping[str, SourceTable], table: str, key: Sequence[str], path: Sequence[Reference]) -> bool:
    """Return whether a table refers to units by their whole key, with the same types or integers."""
    pairs = pair_reference_columns(tables, table, path[0])
    return (
        len(path) == 1
        and sorted(path[0].key) == sorted(key)
        and all(
            kind == other or (SMALL_INTEGER_TYPES.fullmatch(kind) and SMALL_INTEGER_TYPES.fullmatch(other))
            for (_, kind), (_, other) in pairs
        )
    )


def _build_owners_query(
    tables: Mapping[str, SourceTable], unit: str, key: Sequence[str], path: Sequence[Reference]
) -> str:
    """Build the SELECT of the unit ``u`` of each key ``k_0``, … that the first reference of a path refers to."""
    reference, rest = path[0], path[1:]
    columns = [f"p.{quote_identifier(column)}" for column in reference.key]
    named = ", ".join(f"{column} as k_{index}" for index, column in enumerate(columns))
    rows = f"({build_select(tables[reference.table])}) p"
    where = build_not_null_condition(reference.key, "p")
    if rest:
        owners, on = _build_owners_query(tables, unit, key, rest), _build_join(tables, reference.table, rest[0], "p")
        return f"select {named}, min(o.u) as u from {rows} join ({owners}) o on {on} where {where} group by {', '.join(columns)}"
    keys = ", ".join(f"p.{quote_identifier(column)}" for column in key)
    value = keys if len(key) == 1 else f"row({keys})"
    whole = build_not_null_condition(key, "p")
    return f"select {named}, min({value}) as u from {rows} where {where} and {whole} group by {', '.join(columns)}"


def _build_join(tables: Mapping[str, SourceTable], table: str, reference: Reference, row: str = "r") -> str:
    """Build the condition between a row and the owner of its reference."""
    pairs = [
        (column, (f"k_{index}", kind))
        for index, (column, (_, kind)) in enumerate(pair_reference_columns(tables, table, reference))
    ]
    return f"{build_join_condition(pairs, row, 'o')} and {build_when_condition(reference, row)}"


def _build_part(index: int, key: Sequence[str]) -> str:
    """Build the suffix that reads one column of a unit's key, counted from 1 in a row of several."""
    return "" if len(key) == 1 else f"[{index + 1}]"
