"""The sampling rule as an Ibis expression: selects the rows of a unit table.

One expression for every query engine supported by Ibis. It uses only signed 64-bit integers, and no intermediate value
reaches 2⁶³. Specification: docs/design/sampling-specification.md.
"""

from __future__ import annotations

import functools
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule import strata_labels
from sandbox.engine.rule.prn import HASH_DIGITS, compute_fold, compute_random_number
from sandbox.engine.sql.ibis_types import choose_unused_name, to_ibis_type
from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.engine.rule.strata_labels import LabelDefinition

KEY_TYPE_NAMES = "integer, text, UUID, date, timestamp, decimal or boolean"


@ibis.udf.scalar.builtin(name="epoch_us")  # type: ignore[untyped-decorator, unused-ignore]
def _epoch_microseconds(moment: dt.timestamp) -> dt.int64:
    """Return microseconds since 1970 UTC; a DuckDB function."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Everything that determines the selected rows of one unit table.

    Attributes:
        key: The unit's key columns.
        coefficients: See `sandbox.engine.rule.prn.compute_coefficients`.
        labels: How to find a row's stratum, one per strata column.
        strata_table: The table of strata, one row each: ``index``, ``threshold``, and for strata column i ``value_i``
            and ``rare_i``.
        highest_threshold: The highest threshold; rows above it need no stratum.
        stratum_column: The name of the column with a row's stratum (its ``index``).
        unit_column: The name of the column with the integer of a row's key.
    """

    key: Sequence[str]
    coefficients: Sequence[int]
    labels: Sequence[LabelDefinition]
    strata_table: str
    highest_threshold: int
    stratum_column: str
    unit_column: str


def build_selection_query(relation: str, columns: Mapping[str, str], draw: Draw) -> str:
    """Return SQL for the selected rows of a relation: its columns in order, then stratum and unit.

    Raises:
        DataRuleError: A key column has an unsupported type.
    """
    table = _build_draw_table(relation, columns, draw)
    number = choose_unused_name("u", columns)
    rows = add_random_numbers(table, draw.key, draw.coefficients, name=number, taken=columns)
    # Filter by the highest threshold first, so that few rows reach the joins.
    rows = rows.filter(rows[number] < draw.highest_threshold)
    return _expand_placeholder(_join_strata(rows, columns, draw, below=number), columns, draw)


def build_frame_query(relation: str, columns: Mapping[str, str], draw: Draw) -> str:
    """Return SQL for all rows of a relation with a complete key; columns as in `build_selection_query`."""
    table = _build_draw_table(relation, columns, draw)
    rows = table.filter(*(table[column].notnull() for column in draw.key))
    return _expand_placeholder(_join_strata(rows, columns, draw), columns, draw)


def build_label_query(
    relation: str, columns: Mapping[str, str], key: Sequence[str], labels: Sequence[LabelDefinition]
) -> str:
    """Return SQL for the key and the labels of all rows of a relation: ``key_i``, ``value_i``."""
    table = _build_table(relation, columns)
    names = strata_labels.choose_label_names(labels, columns)
    rows = strata_labels.add_labels(table, labels, names)
    keys = {f"key_{index}": rows[column] for index, column in enumerate(key)}
    values = {f"value_{index}": rows[name] for index, name in enumerate(names)}
    return _compile_sql(rows.select(**keys, **values))


def _join_strata(rows: Any, columns: Mapping[str, str], draw: Draw, *, below: str | None = None) -> Any:
    """Return the rows' columns, stratum and unit; with ``below``, only rows under their stratum's threshold."""
    kept = [*_find_deciding_columns(columns, draw), *_choose_placeholder_column(columns, draw)]
    if not draw.labels:
        added = {
            draw.stratum_column: ibis.literal(0, "int32"),
            draw.unit_column: compute_key_number(rows, draw.key),
        }
        return rows.select(*(rows[column] for column in kept), **added)
    kinds = {f"value_{i}": label.label_type for i, label in enumerate(draw.labels)}
    flags = {f"rare_{i}": dt.boolean for i in range(len(draw.labels))}
    strata = ibis.table({"index": "int64", "threshold": "int64", **kinds, **flags}, name=draw.strata_table)
    names = strata_labels.choose_label_names(draw.labels, [*columns, *rows.columns])
    rows = strata_labels.add_labels(rows, draw.labels, names)
    match = strata_labels.build_stratum_conditions(rows, names, draw.labels, strata)
    if below is not None:
        match.append(rows[below] < strata.threshold)
    added = {
        draw.stratum_column: strata["index"].cast("int32"),
        draw.unit_column: compute_key_number(rows, draw.key),
    }
    return rows.join(strata, match).select(*(rows[column] for column in kept), **added)


def _find_deciding_columns(columns: Mapping[str, str], draw: Draw) -> dict[str, str]:
    """Return the key and strata columns, in order."""
    needed = {*draw.key, *(name for label in draw.labels for name in label.source_columns)}
    return {name: kind for name, kind in columns.items() if name in needed}


def _choose_placeholder_column(columns: Mapping[str, str], draw: Draw) -> dict[str, str]:
    """Return one placeholder column for all columns that are only passed through; empty if there are none.

    Ibis takes seconds for an expression over two thousand columns.
    """
    others = len(columns) > len(_find_deciding_columns(columns, draw))
    return {choose_unused_name("all other columns", columns): "BOOLEAN"} if others else {}


def _build_draw_table(relation: str, columns: Mapping[str, str], draw: Draw) -> Any:
    return _build_table(relation, _find_deciding_columns(columns, draw) | _choose_placeholder_column(columns, draw))


def _expand_placeholder(expression: Any, columns: Mapping[str, str], draw: Draw) -> str:
    """Return the SQL of an expression with the placeholder replaced by the columns it stands for."""
    sql = _compile_sql(expression)
    others = [quote_identifier(name) for name in columns if name not in _find_deciding_columns(columns, draw)]
    for name in _choose_placeholder_column(columns, draw):
        passed_on = (
            rf'"(t\d+)"\.{re.escape(quote_identifier(name))}(?: AS {re.escape(quote_identifier(name))})?(?=,| FROM )'
        )
        sql = re.sub(passed_on, lambda match: ", ".join(f'"{match[1]}".{other}' for other in others), sql)
    names = ", ".join(quote_identifier(name) for name in [*columns, draw.stratum_column, draw.unit_column])
    return f"SELECT {names} FROM ({sql})"


def add_random_numbers(
    table: Any, key: Sequence[str], coefficients: Sequence[int], *, name: str, taken: Iterable[str] = ()
) -> Any:
    """Add each row's permanent random number in [0, P) as a column; NULL if a part of the key is.

    ``taken`` lists names of further columns. The fold is a separate column: computing it three times inline costs 40 %
    of the speed.
    """
    fold = choose_unused_name("x", [*table.columns, *taken, name])
    folded = table.mutate(**{fold: compute_fold(compute_key_number(table, key), coefficients)})
    return folded.mutate(**{name: compute_random_number(folded[fold], coefficients)})


def build_random_number_query(
    relation: str, columns: Mapping[str, str], key: Sequence[str], coefficients: Sequence[int], *, name: str
) -> str:
    """Return the SQL of all rows of a relation with each row's permanent random number as the column ``name``."""
    return _compile_sql(add_random_numbers(_build_table(relation, columns), key, coefficients, name=name))


def compute_key_number(table: Any, key: Sequence[str]) -> Any:
    """Return the signed 64-bit integer of a key.

    Raises:
        DataRuleError: A column has an unsupported type.
    """
    if is_integer_key(table, key):
        return table[key[0]].cast("int64")
    text, column = build_key_text(table, key), table[key[0]]
    if len(key) == 1 and column.type().is_unsigned_integer():
        small = column <= 2**63 - 1
        return ibis.cases(
            (small, column.nullif(ibis.ifelse(small, ibis.null(), column)).cast("int64")),
            else_=_hash_text(text),
        )
    return _hash_text(text)


def is_integer_key(table: Any, key: Sequence[str]) -> bool:
    """Return whether a key is one integer column of at most 64 bits signed, used without a hash."""
    for column in key:
        _check_key_type(column, table[column].type())
    kind = table[key[0]].type()
    fits = kind.is_signed_integer() or (kind.is_unsigned_integer() and kind.nbytes < 8)
    return len(key) == 1 and bool(fits)


def build_key_text(table: Any, key: Sequence[str]) -> Any:
    """Return the canonical text of a key, the input of the hash."""
    texts = [build_canonical_text(table[column]) for column in key]
    if len(key) == 1:
        return texts[0]
    return functools.reduce(operator.add, [text.length().cast("string") + ":" + text for text in texts])


def build_canonical_text(column: Any) -> Any:
    """Return the text of one part of a key, equal in every query engine."""
    kind = column.type()
    if kind.is_uuid():
        return column.cast("string").lower()
    if kind.is_timestamp():
        return _epoch_microseconds(column).cast("string")
    return column.cast("string")


def check_key(columns: Mapping[str, str], key: Sequence[str]) -> None:
    """Check the types of key columns (see `compute_key_number`)."""
    for column in key:
        _check_key_type(column, to_ibis_type(columns[column]))


def _hash_text(text: Any) -> Any:
    """Return the first 15 hex digits of a text's SHA-256 as an integer (DuckDB reads ``0x…``)."""
    return (ibis.literal("0x") + text.hexdigest("sha256").substr(0, HASH_DIGITS)).cast("int64")


def _check_key_type(column: str, kind: Any) -> None:
    allowed = (
        kind.is_integer() or kind.is_string() or kind.is_uuid() or kind.is_date()
        or kind.is_timestamp() or kind.is_decimal() or kind.is_boolean()
    )  # fmt: skip
    if allowed:
        return
    if kind.is_floating():
        raise DataRuleError(
            f"{column} is a floating point column and cannot be a key: equal numbers need not be equal there",
            hint=f'fix its type in [tables.NAME.types], for example: {column} = "BIGINT"',
        )
    raise DataRuleError(
        f"{column} cannot be a key: its type is not {KEY_TYPE_NAMES}", hint="name other columns as the key"
    )


def _build_table(relation: str, columns: Mapping[str, str]) -> Any:
    return ibis.table({name: to_ibis_type(kind) for name, kind in columns.items()}, name=relation)


def _compile_sql(expression: Any) -> str:
    return str(ibis.to_sql(expression, dialect="duckdb", pretty=False))
