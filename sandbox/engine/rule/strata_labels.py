"""What a row has in each strata column, as Ibis expressions: its value, its bin, or the value of a row it refers to.

One expression for every engine that Ibis compiles for, as for the rule itself (`sandbox.engine.rule.sampling_rule`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

from sandbox.engine.sql.ibis_types import choose_unused_name, to_ibis_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAN_BIN = -1  # the bin of NaN; the others are numbered from 0


@dataclass(frozen=True, kw_only=True)
class KeyColumnPair:
    """A column of the rows and the key column that it is compared with; ``as_text`` where only one is a text."""

    column: str
    type: str
    as_text: bool


@dataclass(frozen=True, kw_only=True)
class ValueLookup:
    """Where the values of a strata column of another table are found.

    Attributes:
        table: A table of the engine with ``key_0``, ``key_1``, ... and ``value``; no key repeats.
        pairs: For each key the column of the rows that names it, and the key's type.
        when: Columns of the rows and what they must hold for the reference to be one.
    """

    table: str
    pairs: tuple[KeyColumnPair, ...]
    when: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LabelDefinition:
    """How a row's label in one strata column is found.

    Attributes:
        column: The column of the rows; with a lookup it is not used.
        type: The engine's name of the values' type.
        common_values_table: With merged rare values the table of the engine that holds the others, as ``value``.
        edges: With bins their lower edges but the first's, ascending, as the engine writes them; else None.
        lookup: For a column of another table where its values are.
    """

    column: str
    type: str
    common_values_table: str | None = None
    edges: tuple[str, ...] | None = None
    lookup: ValueLookup | None = None

    @property
    def source_columns(self) -> list[str]:
        """The columns of the rows that a label is found by."""
        if self.lookup is None:
            return [self.column]
        return [*(pair.column for pair in self.lookup.pairs), *(name for name, _ in self.lookup.when)]

    @property
    def label_type(self) -> Any:
        """Ibis's type of the label: the values' own, or a bin's number."""
        return to_ibis_type(self.type) if self.edges is None else dt.int32


def add_labels(rows: Any, columns: Sequence[LabelDefinition], names: Sequence[str]) -> Any:
    """Add each strata column's label as a column, before rare values are merged; NULL stays NULL."""
    for one, name in zip(columns, names, strict=True):
        if one.lookup is None:
            rows = rows.mutate(**{name: _build_bin_number(rows[one.column], one.edges)})
        else:
            rows = _join_lookup(rows, one, one.lookup, name)
    return rows


def choose_label_names(columns: Sequence[LabelDefinition], taken: Iterable[str]) -> list[str]:
    """Give names for the labels' columns that no other column has."""
    names: list[str] = []
    taken = list(taken)
    for index in range(len(columns)):
        names.append(choose_unused_name(f"label_{index}", [*taken, *names]))
    return names


def build_stratum_conditions(
    rows: Any, names: Sequence[str], columns: Sequence[LabelDefinition], strata: Any
) -> list[Any]:
    """Give the conditions that lead from a row with labels to its one stratum.

    ``strata`` has for strata column i ``value_i``, and ``rare_i``, true for the stratum of its rare values.
    """
    conditions = []
    for index, (one, name) in enumerate(zip(columns, names, strict=True)):
        label, rare = rows[name], strata[f"rare_{index}"]
        if one.common_values_table is None:
            conditions.append(label.identical_to(strata[f"value_{index}"]))
            continue
        others = ibis.table({"value": one.label_type}, name=one.common_values_table)
        merged = label.notnull() & ~label.isin(others.value)
        kept = ibis.ifelse(merged, ibis.null(label.type()), label)
        conditions += [kept.identical_to(strata[f"value_{index}"]), merged.fill_null(False) == rare]
    return conditions


def build_value_table(one: LabelDefinition) -> Any:
    """Give the table where the values of a strata column of another table are found."""
    assert one.lookup is not None
    kinds = {
        f"key_{i}": dt.string if pair.as_text else to_ibis_type(pair.type) for i, pair in enumerate(one.lookup.pairs)
    }
    return ibis.table({**kinds, "value": to_ibis_type(one.type)}, name=one.lookup.table)


def _join_lookup(rows: Any, one: LabelDefinition, lookup: ValueLookup, name: str) -> Any:
    values = build_value_table(one)
    on = []
    for index, pair in enumerate(lookup.pairs):
        cell = rows[pair.column].cast("string") if pair.as_text else rows[pair.column]
        for column, expected in lookup.when:
            cell = ibis.ifelse(rows[column] == expected, cell, ibis.null(cell.type()))
        on.append(cell == values[f"key_{index}"])
    found = rows.left_join(values, on).select(*(rows[column] for column in rows.columns), **{name: values.value})
    return found.mutate(**{name: _build_bin_number(found[name], one.edges)}) if one.edges is not None else found


def _build_bin_number(value: Any, edges: tuple[str, ...] | None) -> Any:
    """Give the number of edges that a value reaches; a search by halves, so that many edges cost little."""
    if edges is None:
        return value
    number = _build_bin_search(value, edges, 0)
    if value.type().is_floating():
        number = ibis.ifelse(value.isnan(), NAN_BIN, number)
    return ibis.ifelse(value.notnull(), number, ibis.null("int32")).cast("int32")


def _build_bin_search(value: Any, edges: Sequence[str], first: int) -> Any:
    if not edges:
        return ibis.literal(first, "int32")
    middle = len(edges) // 2
    return ibis.ifelse(
        value >= ibis.literal(edges[middle]).cast(value.type()),
        _build_bin_search(value, edges[middle + 1 :], first + middle + 1),
        _build_bin_search(value, edges[:middle], first),
    )
