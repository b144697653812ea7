"""A draw as SELECTs executed by the warehouse itself: counts of the strata, and the rows of each sample table.

They are Ibis expressions over the source's tables, built from the same rule and labels as in the session. Thresholds
and values of other tables, which the session keeps in tables, are written into them as literals. Types that another
database might compare differently are refused. Rows are not masked.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import ibis

from sandbox.engine.rule import prn, sampling_rule, strata_labels
from sandbox.engine.sql.dialects import INTEGER_TYPES, PORTABLE_TYPES, check_portable_name
from sandbox.engine.sql.ibis_types import choose_unused_name, to_ibis_type
from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.rule.strata_labels import LabelDefinition
    from sandbox.model import SqlDialect

TYPES_COMPARED_AS_TEXT = {*INTEGER_TYPES, "UUID"}  # cast to text when compared with text
COMPARABLE_TYPES = {*PORTABLE_TYPES, "UUID", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
MAX_NAME_PARTS = 3  # catalogue, schema, table

TypedColumn = tuple[str, str]  # a column and its DuckDB type
LabelKind = Literal["value", "bin", "nan", "rare", "null"]


@dataclass(frozen=True, kw_only=True)
class WarehouseReference:
    """A reference: pairs of referring and key columns, and the conditions for it to apply."""

    pairs: Sequence[tuple[TypedColumn, TypedColumn]]
    when: Sequence[tuple[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class WarehouseStrataColumn:
    """A strata column.

    Attributes:
        name: Its name.
        label: How a row's label is computed.
        common_values: If rare values are merged, the others; else None.
        lookup_chain: For a column of another table, the tables that lead to it with the reference to each.
        column: Its name in the last of them.
    """

    name: str
    label: LabelDefinition
    common_values: Sequence[str] | None = None
    lookup_chain: Sequence[tuple[Any, WarehouseReference]] = ()
    column: str = ""


@dataclass(frozen=True, kw_only=True)
class WarehouseDraw:
    """The draw of a unit table.

    Attributes:
        table: The rows of its frame.
        key: Its key.
        coefficients: Coefficients of the sampling rule.
        columns: The strata columns.
        strata: The labels of each stratum, and its threshold.
        has_shared_keys: Whether rows may share a key and form one unit.
    """

    table: Any
    key: Sequence[str]
    coefficients: Sequence[int]
    columns: Sequence[WarehouseStrataColumn] = ()
    strata: Sequence[tuple[Sequence[tuple[LabelKind, str | None]], int]] = field(default=())
    has_shared_keys: bool = False


def build_table(name: str, columns: Mapping[str, str], dialect: SqlDialect) -> Any:
    """Return a table of the database; the parts before dots in its name are catalogue and schema.

    Raises:
        DataRuleError: The dialect cannot quote a name.
    """
    parts = name.split(".") if name.count(".") < MAX_NAME_PARTS and all(name.split(".")) else [name]
    for part in [*parts, *columns]:
        check_portable_name(dialect, part)
    *qualifier, table = parts
    database = tuple(qualifier) if len(qualifier) > 1 else next(iter(qualifier), None)
    return ibis.table({column: to_ibis_type(kind) for column, kind in columns.items()}, name=table, database=database)


def build_strata_counts(draw: WarehouseDraw) -> Any:
    """Return the number of units per stratum of the frame, as ``population``.

    A column with merged rare values is NULL for them, and ``<column>_is_rare`` is 1, else 0.
    """
    rows, names = _add_labels(draw)
    rows = rows.filter(*(rows[column].notnull() for column in draw.key))
    groups: dict[str, Any] = {}
    for name, strata_column in zip(names, draw.columns, strict=True):
        shown, label = choose_unused_name(strata_column.name.replace(".", "_"), groups), rows[name]
        groups[shown] = label
        if strata_column.common_values is not None:
            rare = _match_rare_label(label, strata_column)
            groups[shown] = ibis.ifelse(rare, ibis.null(label.type()), label)
            groups[choose_unused_name(f"{shown}_is_rare", groups)] = ibis.ifelse(rare, 1, 0)
    keys = {choose_unused_name(f"key_{n}", groups): rows[column] for n, column in enumerate(draw.key)}
    units = rows.select(**groups, **keys)
    if draw.has_shared_keys:
        units = units.distinct()
    population = {choose_unused_name("population", groups): units.count()}
    if not groups:
        return units.aggregate(**population)
    return units.group_by(list(groups)).aggregate(**population).order_by(list(groups))


def select_unit_rows(draw: WarehouseDraw) -> Any:
    """Return the rows of a unit table selected by the sampling rule."""
    columns = draw.table.columns
    rows, names = _add_labels(draw)
    k, fold, number = (choose_unused_name(name, rows.columns) for name in ("k", "x", "u"))
    keyed = rows.mutate(**{k: sampling_rule.compute_key_number(rows, draw.key)})
    folded = keyed.mutate(**{fold: prn.compute_fold(keyed[k], draw.coefficients)})
    numbered = folded.mutate(**{number: prn.compute_random_number(folded[fold], draw.coefficients)})
    below = _build_threshold(numbered, names, draw)
    return numbered.filter(numbered[number] < below).select(*columns)


def select_child_rows(table: Any, reference: WarehouseReference, parents: Any) -> Any:
    """Return the rows of a table that refer to one of the parent rows; references with a NULL part are ignored."""
    rows = _filter_by_reference_condition(table, reference)
    keys = parents.select(**{f"key_{n}": parents[name] for n, (_, (name, _)) in enumerate(reference.pairs)})
    pairs = [(referring, (f"key_{n}", kind)) for n, (referring, (_, kind)) in enumerate(reference.pairs)]
    return rows.semi_join(keys, _build_equalities(rows, keys, pairs))


def add_referenced_rows(table: Any, drawn: Any | None, reference: WarehouseReference, rows: Any) -> Any:
    """Return the drawn rows of a table, and the rows referenced by ``rows`` that are not among them."""
    holding = _filter_by_reference_condition(rows, reference)
    key_columns = {f"key_{n}": holding[name] for n, ((name, _), _) in enumerate(reference.pairs)}
    keys = holding.select(**key_columns)
    pairs = [((f"key_{n}", kind), target) for n, ((_, kind), target) in enumerate(reference.pairs)]
    if drawn is not None:
        keys = keys.anti_join(drawn, _build_equalities(keys, drawn, pairs))
    named = table.semi_join(keys, _build_equalities(keys, table, pairs))
    return named if drawn is None else drawn.union(named)


def check_reference_types(where: str, reference: WarehouseReference) -> None:
    """Check that every database compares a reference, named ``where`` in messages, in the same way.

    Raises:
        DataRuleError: The types may be compared differently.
    """
    for (referring, kind), (target, other) in reference.pairs:
        exact = [each in INTEGER_TYPES or each.startswith("DECIMAL(") for each in (kind, other)]
        same = kind == other and kind in COMPARABLE_TYPES
        if not (all(exact) or same or _is_compared_as_text(kind, other)):
            raise DataRuleError(
                f"{where}: {referring} is {kind} and {target} is {other}, which another database may compare in another way",
                hint="fix a type in [tables.NAME.types]",
            )
    for column, value in reference.when:
        if isinstance(value, float):
            raise DataRuleError(
                f"{where}: when {column} = {value} compares floating point numbers, which another database may do otherwise",
                hint="compare it with a whole number or a text",
            )


def _is_compared_as_text(kind: str, other: str) -> bool:
    return "VARCHAR" in (kind, other) and ({kind, other} - {"VARCHAR"}) <= TYPES_COMPARED_AS_TEXT and kind != other


def _build_equalities(rows: Any, others: Any, pairs: Sequence[tuple[TypedColumn, TypedColumn]]) -> list[Any]:
    """Return equality conditions; a text and a number are equal if their texts are."""
    conditions = []
    for (name, kind), (target, other) in pairs:
        left, right = rows[name], others[target]
        if _is_compared_as_text(kind, other):
            left, right = sampling_rule.build_canonical_text(left), sampling_rule.build_canonical_text(right)
        conditions.append(left == right)
    return conditions


def _filter_by_reference_condition(rows: Any, reference: WarehouseReference) -> Any:
    """Return the rows for which a reference applies."""
    return rows.filter(*(rows[column] == value for column, value in reference.when)) if reference.when else rows


def _add_labels(draw: WarehouseDraw) -> tuple[Any, list[str]]:
    """Return the rows of the frame with each strata column's label, and the labels' names."""
    labels = [column.label for column in draw.columns]
    names = strata_labels.choose_label_names(labels, draw.table.columns)
    rows = strata_labels.add_labels(draw.table, labels, names)
    for column in draw.columns:
        if column.lookup_chain:
            rows = _replace_lookup_table(rows, column)
    return rows, names


def _replace_lookup_table(rows: Any, column: WarehouseStrataColumn) -> Any:
    """Replace the session's lookup table of a strata column by the chain of tables that leads to it."""
    values = _build_value_table(column.lookup_chain, column.column)
    return rows.op().replace({strata_labels.build_value_table(column.label).op(): values.op()}).to_expr()


def _build_value_table(chain: Sequence[tuple[Any, WarehouseReference]], column: str) -> Any:
    """Return ``key_0``, ``key_1``, ... of the first table of a chain, and ``value`` of the row each leads to."""
    (rows, reference), *others = chain
    value = rows[column] if not others else None
    if others:
        following, further = _build_value_table(others, column), others[0][1]
        cells = []
        for (left, kind), (_, other) in further.pairs:
            cell = sampling_rule.build_canonical_text(rows[left]) if _is_compared_as_text(kind, other) else rows[left]
            for name, expected in further.when:
                cell = ibis.ifelse(rows[name] == expected, cell, ibis.null(cell.type()))
            cells.append(cell)
        on = [cell == following[f"key_{n}"] for n, cell in enumerate(cells)]
        rows = rows.left_join(following, on)
        value = following["value"]
    first = chain[0][0]
    keys = [
        sampling_rule.build_canonical_text(first[name]) if _is_compared_as_text(kind, other) else first[name]
        for (_, kind), (name, other) in reference.pairs
    ]
    values = rows.select(**{f"key_{n}": key for n, key in enumerate(keys)}, value=value)
    return values.filter(*(values[f"key_{n}"].notnull() for n in range(len(keys)))).distinct()


def _build_threshold(rows: Any, names: Sequence[str], draw: WarehouseDraw) -> Any:
    """Return the threshold of a row's stratum; 0 for values that appeared after planning."""
    if not draw.columns:
        return ibis.literal(draw.strata[0][1], "int64")
    branches = [
        (
            functools.reduce(
                operator.and_,
                [
                    _match_label(rows[name], column, label)
                    for name, column, label in zip(names, draw.columns, labels, strict=True)
                ],
            ),
            ibis.literal(threshold, "int64"),
        )
        for labels, threshold in draw.strata
    ]
    return ibis.cases(*branches, else_=ibis.literal(0, "int64"))


def _match_label(label: Any, column: WarehouseStrataColumn, stratum_label: tuple[LabelKind, str | None]) -> Any:
    """Return the condition for a label to belong to a stratum; NULL belongs to the NULL stratum only."""
    kind, text = stratum_label
    if kind == "null":
        return label.isnull()
    if kind == "rare":
        return _match_rare_label(label, column)
    assert text is not None
    return label == (int(text) if kind == "bin" else _build_literal(text, column.label.type))


def _match_rare_label(label: Any, column: WarehouseStrataColumn) -> Any:
    """Return the condition for a label to be rare."""
    common = [_build_literal(text, column.label.type) for text in column.common_values or ()]
    return label.notnull() & ~label.isin(common) if common else label.notnull()


def _build_literal(text: str, kind: str) -> Any:
    if kind == "BOOLEAN":
        return ibis.literal(text == "true")
    if kind in INTEGER_TYPES:
        return ibis.literal(int(text), to_ibis_type(kind))
    return ibis.literal(text).cast(to_ibis_type(kind))
