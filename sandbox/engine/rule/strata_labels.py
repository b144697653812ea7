"""What a row has in each strata column, as Ibis expressions: its value, its bin, or the value of a row it refers to.

One expression for every engine that Ibis compiles for, as for the rule itself (`sandbox.engine.rule.sampling_rule`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

from sandbox.engine.sql.ibis_types import fresh, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOT_A_NUMBER = -1  # the bin of NaN; the others are numbered from 0


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A column of the rows and the key column that it is compared with; ``as_text`` where only one is a text."""

    column: str
    type: str
    as_text: bool


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """Where the values of a strata column of another table are found.

    Attributes:
        table: A table of the engine with ``key_0``, ``key_1``, ... and ``value``; no key repeats.
        pairs: For each key the column of the rows that names it, and the key's type.
        when: Columns of the rows and what they must hold for the reference to be one.
    """

    table: str
    pairs: tuple[Pair, ...]
    when: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """How a row's label in one strata column is found.

    Attributes:
        column: The column of the rows; with a lookup it is not used.
        type: The engine's name of the values' type.
        common: With merged rare values the table of the engine that holds the others, as ``value``.
        edges: With bins their lower edges but the first's, ascending, as the engine writes them; else None.
        lookup: For a column of another table where its values are.
    """

    column: str
    type: str
    common: str | None = None
    edges: tuple[str, ...] | None = None
    lookup: Lookup | None = None

    @property
    def needed(self) -> list[str]:
        """The columns of the rows that a label is found by."""
        if self.lookup is None:
            return [self.column]
        return [*(pair.column for pair in self.lookup.pairs), *(name for name, _ in self.lookup.when)]

    @property
    def label_type(self) -> Any:
        """Ibis's type of the label: the values' own, or a bin's number."""
        return kind_of(self.type) if self.edges is None else dt.int32


def add(rows: Any, columns: Sequence[Labelled], names: Sequence[str]) -> Any:
    """Add each strata column's label as a column, before rare values are merged; NULL stays NULL."""
    for one, name in zip(columns, names, strict=True):
        if one.lookup is None:
            rows = rows.mutate(**{name: _binned(rows[one.column], one.edges)})
        else:
            rows = _looked_up(rows, one, one.lookup, name)
    return rows


def label_names(columns: Sequence[Labelled], taken: Iterable[str]) -> list[str]:
    """Give names for the labels' columns that no other column has."""
    names: list[str] = []
    taken = list(taken)
    for index in range(len(columns)):
        names.append(fresh(f"label_{index}", [*taken, *names]))
    return names


def matches(rows: Any, names: Sequence[str], columns: Sequence[Labelled], strata: Any) -> list[Any]:
    """Give the conditions that lead from a row with labels to its one stratum.

    ``strata`` has for strata column i ``value_i``, and ``rare_i``, true for the stratum of its rare values.
    """
    conditions = []
    for index, (one, name) in enumerate(zip(columns, names, strict=True)):
        label, rare = rows[name], strata[f"rare_{index}"]
        if one.common is None:
            conditions.append(label.identical_to(strata[f"value_{index}"]))
            continue
        others = ibis.table({"value": one.label_type}, name=one.common)
        merged = label.notnull() & ~label.isin(others.value)
        kept = ibis.ifelse(merged, ibis.null(label.type()), label)
        conditions += [kept.identical_to(strata[f"value_{index}"]), merged.fill_null(False) == rare]
    return conditions


def values_of(one: Labelled) -> Any:
    """Give the table where the values of a strata column of another table are found."""
    assert one.lookup is not None
    kinds = {
        f"key_{i}": dt.string if pair.as_text else kind_of(pair.type)
        for i, pair in enumerate(one.lookup.pairs)
    }
    return ibis.table({**kinds, "value": kind_of(one.type)}, name=one.lookup.table)


def _looked_up(rows: Any, one: Labelled, lookup: Lookup, name: str) -> Any:
    values = values_of(one)
    on = []
    for index, pair in enumerate(lookup.pairs):
        cell = rows[pair.column].cast("string") if pair.as_text else rows[pair.column]
        for column, expected in lookup.when:
            cell = ibis.ifelse(rows[column] == expected, cell, ibis.null(cell.type()))
        on.append(cell == values[f"key_{index}"])
    found = rows.left_join(values, on).select(
        *(rows[column] for column in rows.columns), **{name: values.value}
    )
    return found.mutate(**{name: _binned(found[name], one.edges)}) if one.edges is not None else found


def _binned(value: Any, edges: tuple[str, ...] | None) -> Any:
    """Give the number of edges that a value reaches; a search by halves, so that many edges cost little."""
    if edges is None:
        return value
    number = _searched(value, edges, 0)
    if value.type().is_floating():
        number = ibis.ifelse(value.isnan(), NOT_A_NUMBER, number)
    return ibis.ifelse(value.notnull(), number, ibis.null("int32")).cast("int32")


def _searched(value: Any, edges: Sequence[str], first: int) -> Any:
    if not edges:
        return ibis.literal(first, "int32")
    middle = len(edges) // 2
    return ibis.ifelse(
        value >= ibis.literal(edges[middle]).cast(value.type()),
        _searched(value, edges[middle + 1 :], first + middle + 1),
        _searched(value, edges[:middle], first),
    )
