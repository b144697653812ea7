"""The sampling rule as an Ibis expression: which rows of a unit table are in the sample.

One expression for every engine that Ibis compiles for. Only signed 64-bit integers appear in it, and no intermediate
value reaches 2⁶³. Specification: docs/design.md, "The sampling rule".
"""

from __future__ import annotations

import functools
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

from sandbox.engine.prn import DIGITS, PRIME
from sandbox.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIMPLE = {
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64",
    "UTINYINT": "uint8", "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64",
    "VARCHAR": "string", "UUID": "uuid", "DATE": "date", "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp(6)", "TIMESTAMP_S": "timestamp(0)", "TIMESTAMP_MS": "timestamp(3)",
    "TIMESTAMP_NS": "timestamp(9)", "TIMESTAMP WITH TIME ZONE": "timestamp('UTC', 6)",
    "FLOAT": "float32", "DOUBLE": "float64",
}  # fmt: skip

KEYABLE = "integer, text, UUID, date, timestamp, decimal or boolean"


@ibis.udf.scalar.builtin(name="epoch_us")  # type: ignore[untyped-decorator, unused-ignore]
def _microseconds(moment: dt.timestamp) -> dt.int64:
    """Give microseconds since 1970 UTC; the engine's own function."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Everything that decides about the rows of one unit table.

    Attributes:
        columns: All its columns and the engine's names of their types, in order.
        key: The unit's key columns.
        coefficients: See `sandbox.engine.prn.coefficients`.
        strata: The strata columns and, for those with merged rare values, the table that holds the others.
        thresholds: The table of strata, one row each: ``index``, ``threshold``, and for strata column i
            ``value_i`` and ``rare_i``.
        lowest: The lowest threshold.
        highest: The highest threshold; where it is the lowest too, no row's stratum needs to be known.
    """

    columns: Mapping[str, str]
    key: Sequence[str]
    coefficients: Sequence[int]
    strata: Mapping[str, str | None]
    thresholds: str
    lowest: int
    highest: int


def selection(relation: str, draw: Draw) -> str:
    """Give the SQL of the selected rows of a relation, with all its columns in order.

    Raises:
        RuleError: A key column has a type that cannot be a key.
    """
    table = _unbound(relation, draw.columns)
    number = fresh("u", draw.columns)
    rows = numbered(table, draw.key, draw.coefficients, name=number)
    rows = rows.filter(rows[number] < draw.highest)
    if draw.lowest < draw.highest:
        strata, match = _matched(rows, draw)
        rows = rows.join(strata, [*match, rows[number] < strata.threshold])
    return _sql(rows.select(*draw.columns))


def membership(relation: str, draw: Draw) -> str:
    """Give the SQL of the key columns and the ``stratum`` (its index) of the rows of a relation, selected or not."""
    rows = _unbound(relation, draw.columns)
    if not draw.strata:
        return _sql(rows.select(*draw.key, stratum=ibis.literal(0, "int32")))
    strata, match = _matched(rows, draw)
    return _sql(rows.join(strata, match).select(*draw.key, stratum=strata["index"].cast("int32")))


def counts(relation: str, columns: Mapping[str, str], key: Sequence[str], strata: Sequence[str]) -> str:
    """Give the SQL that counts a frame by the values of its strata columns.

    One row a combination: ``value_i`` for strata column i, ``population`` (rows with a whole key), ``null_keys``.
    """
    table = _unbound(relation, columns)
    whole = functools.reduce(operator.and_, (table[column].notnull() for column in key))
    figures = {"population": whole.cast("int64").sum(), "null_keys": (~whole).cast("int64").sum()}
    groups = {f"value_{index}": table[column] for index, column in enumerate(strata)}
    return _sql(table.group_by(**groups).agg(**figures) if groups else table.agg(**figures))


def numbered(table: Any, key: Sequence[str], coefficients: Sequence[int], *, name: str) -> Any:
    """Add each row's permanent random number in [0, P) as a column; NULL where a part of the key is.

    The fold is a column of its own: computing it three times inline costs 40 % of the speed.
    """
    c0, c1, c2, c3, c4, c5 = coefficients
    fold = fresh("x", [*table.columns, name])
    k = key_number(table, key)
    parts = (k & PRIME) + ((k >> 31) & PRIME) * c4 % PRIME + ((k >> 62) & 3) * c5 % PRIME
    folded = table.mutate(**{fold: parts % PRIME})
    x = folded[fold]
    number = ((((x * c3 + c2) % PRIME) * x + c1) % PRIME * x + c0) % PRIME
    return folded.mutate(**{name: number})


def key_number(table: Any, key: Sequence[str]) -> Any:
    """Give the signed 64-bit integer that stands for a key.

    Raises:
        RuleError: A column has a type that cannot be a key.
    """
    for column in key:
        _refuse(column, table[column].type())
    if len(key) > 1:
        texts = [canonical_text(table[column]) for column in key]
        parts = [text.length().cast("string") + ":" + text for text in texts]
        return _hashed(functools.reduce(operator.add, parts))
    column = table[key[0]]
    kind = column.type()
    if kind.is_signed_integer() or (kind.is_unsigned_integer() and kind.nbytes < 8):
        return column.cast("int64")
    if kind.is_unsigned_integer():
        small = column <= 2**63 - 1
        return ibis.cases(
            (small, column.nullif(ibis.ifelse(small, ibis.null(), column)).cast("int64")),
            else_=_hashed(canonical_text(column)),
        )
    return _hashed(canonical_text(column))


def canonical_text(column: Any) -> Any:
    """Give the text that stands for one part of a key, equal on every engine."""
    kind = column.type()
    if kind.is_uuid():
        return column.cast("string").lower()
    if kind.is_timestamp():
        return _microseconds(column).cast("string")
    return column.cast("string")


def check_key(columns: Mapping[str, str], key: Sequence[str]) -> None:
    """Make sure that columns can be a key (see `key_number`)."""
    for column in key:
        _refuse(column, kind_of(columns[column]))


def kind_of(engine_type: str) -> Any:
    """Give Ibis's type for the engine's name of one; ``unknown`` for those that no rule needs."""
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", engine_type):
        return dt.Decimal(int(match[1]), int(match[2]))
    return dt.dtype(SIMPLE[engine_type]) if engine_type in SIMPLE else dt.unknown


def fresh(name: str, taken: Sequence[str] | Mapping[str, str]) -> str:
    """Give a column name that is not taken, whatever the case of its letters.

    >>> fresh("u", ["U", "u_", "v"])
    'u__'
    """
    lower = {one.lower() for one in taken}
    while name.lower() in lower:
        name += "_"
    return name


def _matched(rows: Any, draw: Draw) -> tuple[Any, list[Any]]:
    """Give the table of strata and the conditions that lead from a row to its one stratum."""
    kinds = {f"value_{i}": kind_of(draw.columns[column]) for i, column in enumerate(draw.strata)}
    flags = {f"rare_{i}": dt.boolean for i in range(len(draw.strata))}
    strata = ibis.table({"index": "int64", "threshold": "int64", **kinds, **flags}, name=draw.thresholds)
    conditions = []
    for index, (column, common) in enumerate(draw.strata.items()):
        value, rare = rows[column], strata[f"rare_{index}"]
        if common is None:
            conditions.append(value.identical_to(strata[f"value_{index}"]))
            continue
        others = ibis.table({"value": kinds[f"value_{index}"]}, name=common)
        merged = value.notnull() & ~value.isin(others.value)
        label = ibis.ifelse(merged, ibis.null(value.type()), value)
        conditions += [label.identical_to(strata[f"value_{index}"]), merged.fill_null(False) == rare]
    return strata, conditions


def _hashed(text: Any) -> Any:
    """Give the first 15 hex digits of a text's SHA-256 as an integer (DuckDB reads ``0x…``)."""
    return (ibis.literal("0x") + text.hexdigest("sha256").substr(0, DIGITS)).cast("int64")


def _refuse(column: str, kind: Any) -> None:
    allowed = (
        kind.is_integer() or kind.is_string() or kind.is_uuid() or kind.is_date()
        or kind.is_timestamp() or kind.is_decimal() or kind.is_boolean()
    )  # fmt: skip
    if allowed:
        return
    if kind.is_floating():
        raise RuleError(
            f"{column} is a floating point column and cannot be a key: equal numbers need not be equal there",
            hint=f'fix its type in [tables.NAME.types], for example: {column} = "BIGINT"',
        )
    raise RuleError(
        f"{column} cannot be a key: its type is not {KEYABLE}", hint="name other columns as the key"
    )


def _unbound(relation: str, columns: Mapping[str, str]) -> Any:
    return ibis.table({name: kind_of(kind) for name, kind in columns.items()}, name=relation)


def _sql(expression: Any) -> str:
    return str(ibis.to_sql(expression, dialect="duckdb", pretty=False))
