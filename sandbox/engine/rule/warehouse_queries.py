"""A draw as SELECTs that a database carries out by itself: the strata's counts, and the rows of each table of the sample.

They are Ibis expressions over the source's own tables, of the rule and the labels that the session draws by; what the session
keeps in tables of its own (thresholds, values of other tables) is written into them. What another database might compare in
another way is refused. Rows come as they are: not masked.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import ibis

from sandbox.engine.rule import sampling_rule, strata_labels
from sandbox.engine.sql.dialects import INTEGER_TYPES, PORTABLE_TYPES, check_portable_name
from sandbox.engine.sql.ibis_types import choose_unused_name, to_ibis_type
from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.rule.strata_labels import LabelDefinition
    from sandbox.model import SqlDialect

TYPES_COMPARED_AS_TEXT = {*INTEGER_TYPES, "UUID"}  # compared with a text as their own text
COMPARABLE_TYPES = {*PORTABLE_TYPES, "UUID", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
MAX_NAME_PARTS = 3  # of a table's name: catalogue, schema, table

TypedColumn = tuple[str, str]  # a column, and the engine's name of its type
LabelKind = Literal["value", "bin", "nan", "rare", "null"]


@dataclass(frozen=True, kw_only=True)
class WarehouseReference:
    """A reference: the columns that hold it and those that they name, and what a row must hold for it to be one."""

    pairs: Sequence[tuple[TypedColumn, TypedColumn]]
    when: Sequence[tuple[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class WarehouseStrataColumn:
    """A strata column.

    Attributes:
        name: What it is called.
        label: How a row's label is found.
        common_values: Where rare values are merged, those that are not rare; else None.
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
        coefficients: Of the sampling rule.
        columns: The strata columns.
        strata: The labels of each stratum, and its threshold.
        has_shared_keys: Whether rows may share a key, and then are one unit together.
    """

    table: Any
    key: Sequence[str]
    coefficients: Sequence[int]
    columns: Sequence[WarehouseStrataColumn] = ()
    strata: Sequence[tuple[Sequence[tuple[LabelKind, str | None]], int]] = field(default=())
    has_shared_keys: bool = False


def build_table(name: str, columns: Mapping[str, str], dialect: SqlDialect) -> Any:
    """Give a table of the database; what stands before dots in its name is its catalogue and schema.

    Raises:
        RuleError: A name cannot be said there.
    """
    parts = name.split(".") if name.count(".") < MAX_NAME_PARTS and all(name.split(".")) else [name]
    for one in [*parts, *columns]:
        check_portable_name(dialect, one)
    *place, table = parts
    database = tuple(place) if len(place) > 1 else next(iter(place), None)
    return ibis.table({one: to_ibis_type(kind) for one, kind in columns.items()}, name=table, database=database)


def build_strata_counts(drawn: WarehouseDraw) -> Any:
    """Give the units of the frame by the values of the strata columns, as ``population``.

    A column whose rare values are merged is NULL for them, and ``<column>_is_rare`` is 1, else 0.
    """
    rows, names = _add_labels(drawn)
    rows = rows.filter(*(rows[column].notnull() for column in drawn.key))
    groups: dict[str, Any] = {}
    for name, one in zip(names, drawn.columns, strict=True):
        shown, label = choose_unused_name(one.name.replace(".", "_"), groups), rows[name]
        groups[shown] = label
        if one.common_values is not None:
            rare = _match_rare_label(label, one)
            groups[shown] = ibis.ifelse(rare, ibis.null(label.type()), label)
            groups[choose_unused_name(f"{shown}_is_rare", groups)] = ibis.ifelse(rare, 1, 0)
    keys = {choose_unused_name(f"key_{n}", groups): rows[column] for n, column in enumerate(drawn.key)}
    found = rows.select(**groups, **keys)
    if drawn.has_shared_keys:
        found = found.distinct()
    population = {choose_unused_name("population", groups): found.count()}
    if not groups:
        return found.aggregate(**population)
    return found.group_by(list(groups)).aggregate(**population).order_by(list(groups))


def select_unit_rows(drawn: WarehouseDraw) -> Any:
    """Give the rows of a unit table that the sampling rule selects."""
    columns = drawn.table.columns
    rows, names = _add_labels(drawn)
    k, fold, number = (choose_unused_name(name, rows.columns) for name in ("k", "x", "u"))
    keyed = rows.mutate(**{k: sampling_rule.compute_key_number(rows, drawn.key)})
    folded = keyed.mutate(**{fold: sampling_rule.compute_fold(keyed[k], drawn.coefficients)})
    numbered = folded.mutate(**{number: sampling_rule.compute_random_number(folded[fold], drawn.coefficients)})
    below = _build_threshold(numbered, names, drawn)
    return numbered.filter(numbered[number] < below).select(*columns)


def select_child_rows(table: Any, refers: WarehouseReference, parents: Any) -> Any:
    """Give the rows of a table whose reference names one of some rows; one with a NULL part names none."""
    rows = _filter_by_reference_condition(table, refers)
    keys = parents.select(**{f"key_{n}": parents[name] for n, (_, (name, _)) in enumerate(refers.pairs)})
    pairs = [(own, (f"key_{n}", kind)) for n, (own, (_, kind)) in enumerate(refers.pairs)]
    return rows.semi_join(keys, _build_equalities(rows, keys, pairs))


def add_referenced_rows(table: Any, drawn: Any | None, refers: WarehouseReference, rows: Any) -> Any:
    """Give the rows of a table that are drawn, and those that some rows name and of which none is drawn.

    Args:
        table: All its rows.
        drawn: Those that are drawn; None for none.
        refers: The reference to it.
        rows: The rows that hold the reference.
    """
    holding = _filter_by_reference_condition(rows, refers)
    own = {f"key_{n}": holding[name] for n, ((name, _), _) in enumerate(refers.pairs)}
    keys = holding.select(**own)
    pairs = [((f"key_{n}", kind), target) for n, ((_, kind), target) in enumerate(refers.pairs)]
    if drawn is not None:
        keys = keys.anti_join(drawn, _build_equalities(keys, drawn, pairs))
    named = table.semi_join(keys, _build_equalities(keys, table, pairs))
    return named if drawn is None else drawn.union(named)


def check_reference_types(where: str, refers: WarehouseReference) -> None:
    """Make sure that a reference is compared in the same way everywhere.

    Args:
        where: What to call it.
        refers: The reference.

    Raises:
        RuleError: It is not known to be.
    """
    for (own, kind), (target, other) in refers.pairs:
        exact = [one in INTEGER_TYPES or one.startswith("DECIMAL(") for one in (kind, other)]
        same = kind == other and kind in COMPARABLE_TYPES
        if not (all(exact) or same or _is_compared_as_text(kind, other)):
            raise DataRuleError(
                f"{where}: {own} is {kind} and {target} is {other}, which another database may compare in another way",
                hint="fix a type in [tables.NAME.types]",
            )
    for column, value in refers.when:
        if isinstance(value, float):
            raise DataRuleError(
                f"{where}: when {column} = {value} compares floating point numbers, which another database may do otherwise",
                hint="compare it with a whole number or a text",
            )


def _is_compared_as_text(kind: str, other: str) -> bool:
    return "VARCHAR" in (kind, other) and ({kind, other} - {"VARCHAR"}) <= TYPES_COMPARED_AS_TEXT and kind != other


def _build_equalities(rows: Any, others: Any, pairs: Sequence[tuple[TypedColumn, TypedColumn]]) -> list[Any]:
    """Give the conditions that columns are equal; a text and a number agree if they read the same."""
    found = []
    for (name, kind), (target, other) in pairs:
        one, two = rows[name], others[target]
        if _is_compared_as_text(kind, other):
            one, two = sampling_rule.build_canonical_text(one), sampling_rule.build_canonical_text(two)
        found.append(one == two)
    return found


def _filter_by_reference_condition(rows: Any, refers: WarehouseReference) -> Any:
    """Give the rows for which a reference is one."""
    return rows.filter(*(rows[column] == value for column, value in refers.when)) if refers.when else rows


def _add_labels(drawn: WarehouseDraw) -> tuple[Any, list[str]]:
    """Give the rows of the frame with each strata column's label, and the labels' names."""
    found = [one.label for one in drawn.columns]
    names = strata_labels.choose_label_names(found, drawn.table.columns)
    rows = strata_labels.add_labels(drawn.table, found, names)
    for one in drawn.columns:
        if one.lookup_chain:
            rows = _replace_lookup_table(rows, one)
    return rows, names


def _replace_lookup_table(rows: Any, column: WarehouseStrataColumn) -> Any:
    """Put the tables that lead to a strata column's values in the place of the session's table of them."""
    values = _build_value_table(column.lookup_chain, column.column)
    return rows.op().replace({strata_labels.build_value_table(column.label).op(): values.op()}).to_expr()


def _build_value_table(chain: Sequence[tuple[Any, WarehouseReference]], column: str) -> Any:
    """Give ``key_0``, ``key_1``, ... of the first table of a chain and ``value``, what its rows have or lead to."""
    (rows, refers), *others = chain
    value = rows[column] if not others else None
    if others:
        following, further = _build_value_table(others, column), others[0][1]
        cells = []
        for (own, kind), (_, other) in further.pairs:
            cell = sampling_rule.build_canonical_text(rows[own]) if _is_compared_as_text(kind, other) else rows[own]
            for name, wanted in further.when:
                cell = ibis.ifelse(rows[name] == wanted, cell, ibis.null(cell.type()))
            cells.append(cell)
        on = [cell == following[f"key_{n}"] for n, cell in enumerate(cells)]
        rows = rows.left_join(following, on)
        value = following["value"]
    first = chain[0][0]
    keys = [
        sampling_rule.build_canonical_text(first[name]) if _is_compared_as_text(kind, other) else first[name]
        for (_, kind), (name, other) in refers.pairs
    ]
    found = rows.select(**{f"key_{n}": key for n, key in enumerate(keys)}, value=value)
    return found.filter(*(found[f"key_{n}"].notnull() for n in range(len(keys)))).distinct()


def _build_threshold(rows: Any, names: Sequence[str], drawn: WarehouseDraw) -> Any:
    """Give the threshold of a row's stratum; 0 for what lies in none, which are values that were not there when it was planned."""
    if not drawn.columns:
        return ibis.literal(drawn.strata[0][1], "int64")
    branches = [
        (
            functools.reduce(
                operator.and_,
                [
                    _match_label(rows[name], one, label)
                    for name, one, label in zip(names, drawn.columns, found, strict=True)
                ],
            ),
            ibis.literal(threshold, "int64"),
        )
        for found, threshold in drawn.strata
    ]
    return ibis.cases(*branches, else_=ibis.literal(0, "int64"))


def _match_label(label: Any, column: WarehouseStrataColumn, wanted: tuple[LabelKind, str | None]) -> Any:
    """Give the condition that a label is one of a stratum's; where it is NULL it does not hold."""
    kind, text = wanted
    if kind == "null":
        return label.isnull()
    if kind == "rare":
        return _match_rare_label(label, column)
    assert text is not None
    return label == (int(text) if kind == "bin" else _build_literal(text, column.label.type))


def _match_rare_label(label: Any, column: WarehouseStrataColumn) -> Any:
    """Give the condition that a label is merged with the rare ones."""
    common = [_build_literal(text, column.label.type) for text in column.common_values or ()]
    return label.notnull() & ~label.isin(common) if common else label.notnull()


def _build_literal(text: str, kind: str) -> Any:
    if kind == "BOOLEAN":
        return ibis.literal(text == "true")
    if kind in INTEGER_TYPES:
        return ibis.literal(int(text), to_ibis_type(kind))
    return ibis.literal(text).cast(to_ibis_type(kind))
