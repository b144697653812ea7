"""Labels of rows in strata columns, as Ibis expressions: a value, a bin, or the value of a referenced row.

One expression for every query engine supported by Ibis, as in `sandbox.engine.rule.sampling_rule`.
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
    """A column of the rows and the key column compared with it; ``as_text`` if only one of them is text."""

    column: str
    type: str
    as_text: bool


@dataclass(frozen=True, kw_only=True)
class ValueLookup:
    """Location of a strata column's values in another table.

    Attributes:
        table: A table of the session with ``key_0``, ``key_1``, ... and ``value``, unique by key.
        pairs: For each key column, the referring column and the key's type.
        when: Columns of the rows and the values they must hold for the reference to apply.
    """

    table: str
    pairs: tuple[KeyColumnPair, ...]
    when: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LabelDefinition:
    """How to compute a row's label in one strata column.

    Attributes:
        column: The column of the rows; unused with a lookup.
        type: The DuckDB type of the values.
        common_values_table: If rare values are merged, the session's table of the other values, as ``value``.
        edges: With bins, their lower edges except the first, ascending, as text in DuckDB's format; else None.
        lookup: Location of the values in another table, else None.
    """

    column: str
    type: str
    common_values_table: str | None = None
    edges: tuple[str, ...] | None = None
    lookup: ValueLookup | None = None

    @property
    def source_columns(self) -> list[str]:
        """Columns of the rows used to compute the label."""
        if self.lookup is None:
            return [self.column]
        return [*(pair.column for pair in self.lookup.pairs), *(name for name, _ in self.lookup.when)]

    @property
    def label_type(self) -> Any:
        """Ibis type of the label: the type of the values, or of a bin number."""
        return to_ibis_type(self.type) if self.edges is None else dt.int32


def add_labels(rows: Any, columns: Sequence[LabelDefinition], names: Sequence[str]) -> Any:
    """Add each strata column's label as a column, before rare values are merged; NULL stays NULL."""
    for definition, name in zip(columns, names, strict=True):
        if definition.lookup is None:
            rows = rows.mutate(**{name: _build_bin_number(rows[definition.column], definition.edges)})
        else:
            rows = _join_lookup(rows, definition, definition.lookup, name)
    return rows


def choose_label_names(columns: Sequence[LabelDefinition], taken: Iterable[str]) -> list[str]:
    """Return unused names for the label columns."""
    names: list[str] = []
    taken = list(taken)
    for index in range(len(columns)):
        names.append(choose_unused_name(f"label_{index}", [*taken, *names]))
    return names


def build_stratum_conditions(
    rows: Any, names: Sequence[str], columns: Sequence[LabelDefinition], strata: Any
) -> list[Any]:
    """Return the join conditions from a labelled row to its stratum.

    For strata column i, ``strata`` has ``value_i``, and ``rare_i``, true for the stratum of its rare values.
    """
    conditions = []
    for index, (definition, name) in enumerate(zip(columns, names, strict=True)):
        label, rare = rows[name], strata[f"rare_{index}"]
        if definition.common_values_table is None:
            conditions.append(label.identical_to(strata[f"value_{index}"]))
            continue
        others = ibis.table({"value": definition.label_type}, name=definition.common_values_table)
        merged = label.notnull() & ~label.isin(others.value)
        kept = ibis.ifelse(merged, ibis.null(label.type()), label)
        conditions += [kept.identical_to(strata[f"value_{index}"]), merged.fill_null(False) == rare]
    return conditions


def build_value_table(label: LabelDefinition) -> Any:
    """Return the lookup table of a strata column's values."""
    assert label.lookup is not None
    kinds = {
        f"key_{i}": dt.string if pair.as_text else to_ibis_type(pair.type) for i, pair in enumerate(label.lookup.pairs)
    }
    return ibis.table({**kinds, "value": to_ibis_type(label.type)}, name=label.lookup.table)


def _join_lookup(rows: Any, label: LabelDefinition, lookup: ValueLookup, name: str) -> Any:
    values = build_value_table(label)
    on = []
    for index, pair in enumerate(lookup.pairs):
        cell = rows[pair.column].cast("string") if pair.as_text else rows[pair.column]
        for column, expected in lookup.when:
            cell = ibis.ifelse(rows[column] == expected, cell, ibis.null(cell.type()))
        on.append(cell == values[f"key_{index}"])
    joined = rows.left_join(values, on).select(*(rows[column] for column in rows.columns), **{name: values.value})
    return joined.mutate(**{name: _build_bin_number(joined[name], label.edges)}) if label.edges is not None else joined


def _build_bin_number(value: Any, edges: tuple[str, ...] | None) -> Any:
    """Return the number of edges at or below a value, by binary search."""
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
