"""Create the session's tables for strata columns, and define their labels for the sampling rule."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule.strata_labels import NAN_BIN, KeyColumnPair, LabelDefinition, ValueLookup
from sandbox.errors import DataRuleError
from sandbox.sampler.sizes.size_strata import create_size_lookup
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)
from sandbox.sources.registry import build_select, translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import StrataColumn, UnitPlan
    from sandbox.sources.table import SourceTable


def prepare_labels(
    session: Session, tables: Mapping[str, SourceTable], unit: str, columns: Sequence[StrataColumn]
) -> tuple[LabelDefinition, ...]:
    """Create the tables for a unit table's strata columns, and return the definitions of their labels.

    Raises:
        DataRuleError: A column of another table has two values for one referenced key.
        SourceError: That table cannot be read.
    """
    labels = []
    for index, column in enumerate(columns):
        common = build_session_name(f"common values {index}", unit) if column.rare_below is not None else None
        if common is not None:
            session.execute(
                f"create or replace temp table {quote_identifier(common)} as "
                f"select unnest(?::varchar[])::{column.type} as value",
                [list(column.common)],
            )
        labels.append(
            LabelDefinition(
                column=column.column,
                type=column.type,
                common_values_table=common,
                edges=column.edges,
                lookup=_create_lookup(session, tables, unit, column, build_session_name(f"values {index}", unit)),
            )
        )
    return tuple(labels)


def build_session_name(what: str, table: str) -> str:
    """Return a name unique to a table in the session; DuckDB ignores the case of names."""
    return f"{what} of {table.encode().hex()}"


def build_size_lookup_name(unit: str) -> str:
    """Return the name of the session's table of a unit table's sizes; a draw has strata by one size at most."""
    return build_session_name("sizes", unit)


def create_strata_table(session: Session, name: str, unit: UnitPlan) -> None:
    """Create the table of a unit's strata for `sandbox.engine.rule.sampling_rule.Draw`, with ``population``.

    A stratum of several cells has one row for each of them.
    """
    rows = [(index, stratum, labels) for index, stratum in enumerate(unit.strata) for labels in stratum.cells]
    cells: list[list[object]] = [
        [index for index, _, _ in rows],
        [stratum.threshold for _, stratum, _ in rows],
        [stratum.population for _, stratum, _ in rows],
    ]
    names = [
        'unnest(?::bigint[]) as "index"',
        "unnest(?::bigint[]) as threshold",
        "unnest(?::bigint[]) as population",
    ]
    for index, column in enumerate(unit.columns):
        labels = [cell[index] for _, _, cell in rows]
        kind = column.type if column.edges is None else "INTEGER"
        texts: list[object] = [str(NAN_BIN) if label.kind == "nan" else label.text for label in labels]
        cells += [texts, [label.kind == "rare" for label in labels]]
        names += [
            f"unnest(?::varchar[])::{kind} as value_{index}",
            f"unnest(?::boolean[]) as rare_{index}",
        ]
    session.execute(f"create or replace temp table {quote_identifier(name)} as select {', '.join(names)}", cells)


def _create_lookup(
    session: Session, tables: Mapping[str, SourceTable], unit: str, column: StrataColumn, name: str
) -> ValueLookup | None:
    """Create the table that maps a unit row's columns to a value of another table, or to the unit's size."""
    if column.size is not None:
        return create_size_lookup(session, tables, unit, column.size, build_size_lookup_name(unit))
    if not column.path:
        return None
    first = column.path[0]
    pairs = [
        KeyColumnPair(column=column_name, type=other, as_text=(kind == "VARCHAR") != (other == "VARCHAR"))
        for (column_name, kind), (_, other) in pair_reference_columns(tables, unit, first)
    ]
    keys = [
        f"t0.{quote_identifier(target)}{'::varchar' if pair.as_text else ''} as key_{index}"
        for index, (target, pair) in enumerate(zip(first.key, pairs, strict=True))
    ]
    last = f"t{len(column.path) - 1}.{quote_identifier(column.column)}"
    with translate_file_errors(tables[first.table].format, tables[first.table].files):
        session.execute(
            f"create or replace temp table {quote_identifier(name)} as select distinct {', '.join(keys)}, {last} as value "
            f"from {_join_tables(tables, column.path)} where {build_not_null_condition(first.key, 't0')}",
            doing=f"reading {column.name}",
        )
    _check_single_value(session, column, first, name)
    return ValueLookup(table=name, pairs=tuple(pairs), when=first.when)


def _join_tables(tables: Mapping[str, SourceTable], path: Sequence[Reference]) -> str:
    """Build the SQL join of tables along references, with NULL for missing targets."""
    sql = f"({build_select(tables[path[0].table])}) t0"
    for index, (before, reference) in enumerate(pairwise(path)):
        on = build_join_condition(pair_reference_columns(tables, before.table, reference), f"t{index}", f"t{index + 1}")
        when = build_when_condition(reference, f"t{index}")
        sql += f" left join ({build_select(tables[reference.table])}) t{index + 1} on {on} and {when}"
    return sql


def _check_single_value(session: Session, column: StrataColumn, first: Reference, name: str) -> None:
    keys = ", ".join(f"key_{index}" for index in range(len(first.key)))
    conflicts = session.fetch_rows(
        f"select {keys}, min(value)::varchar, max(value)::varchar from {quote_identifier(name)} group by {keys} "
        f"having count(*) > 1 order by all limit 1"
    )
    if not conflicts:
        return
    *key, low, high = conflicts[0]
    shown = ", ".join(f"{part} = {value}" for part, value in zip(first.key, key, strict=True))
    values = "NULL and another" if low == high else f"{low} and {high}"
    raise DataRuleError(
        f"{column.name} does not say one stratum: rows of {first.table} with {shown} have {values}",
        hint=f"remove the repeated rows of {first.table}, or take {column.name} out of strata",
    )
