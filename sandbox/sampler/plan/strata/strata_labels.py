"""How rows find their strata: the session's tables that strata columns need, and what the rule is told of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.engine.rule.strata_labels import NOT_A_NUMBER, Labelled, Lookup, Pair
from sandbox.errors import RuleError
from sandbox.sources.checks.key_check import whole
from sandbox.sources.checks.schema_check import applies, matching, typed_pairs
from sandbox.sources.files.file_errors import blamed
from sandbox.sources.table import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import StrataColumn, UnitPlan
    from sandbox.sources.table import SourceTable


def labelled(
    session: Session, tables: Mapping[str, SourceTable], unit: str, columns: Sequence[StrataColumn]
) -> tuple[Labelled, ...]:
    """Make what the strata columns of a unit table need readable, and say how their labels are found.

    Raises:
        RuleError: A column of another table has two values for one key that the unit table refers to.
        SourceError: That table cannot be read.
    """
    found = []
    for index, column in enumerate(columns):
        common = session_name(f"common values {index}", unit) if column.rare_below is not None else None
        if common is not None:
            session.execute(
                f"create or replace temp table {quote(common)} as "
                f"select unnest(?::varchar[])::{column.type} as value",
                [list(column.common)],
            )
        found.append(
            Labelled(
                column=column.column,
                type=column.type,
                common=common,
                edges=column.edges,
                lookup=_lookup(session, tables, unit, column, session_name(f"values {index}", unit)),
            )
        )
    return tuple(found)


def session_name(what: str, table: str) -> str:
    """Give a name in the session that no other table's has; the engine takes ``A`` and ``a`` for one name."""
    return f"{what} of {table.encode().hex()}"


def strata_table(session: Session, name: str, unit: UnitPlan) -> None:
    """Make the table of a unit's strata: what `sandbox.engine.rule.sampling_rule.Draw` asks for, and ``population``."""
    cells: list[list[object]] = [
        list(range(len(unit.strata))),
        [stratum.threshold for stratum in unit.strata],
        [stratum.population for stratum in unit.strata],
    ]
    names = [
        'unnest(?::bigint[]) as "index"',
        "unnest(?::bigint[]) as threshold",
        "unnest(?::bigint[]) as population",
    ]
    for index, column in enumerate(unit.columns):
        ones = [stratum.labels[index] for stratum in unit.strata]
        kind = column.type if column.edges is None else "INTEGER"
        texts: list[object] = [str(NOT_A_NUMBER) if one.kind == "nan" else one.text for one in ones]
        cells += [texts, [one.kind == "rare" for one in ones]]
        names += [
            f"unnest(?::varchar[])::{kind} as value_{index}",
            f"unnest(?::boolean[]) as rare_{index}",
        ]
    session.execute(f"create or replace temp table {quote(name)} as select {', '.join(names)}", cells)


def _lookup(
    session: Session, tables: Mapping[str, SourceTable], unit: str, column: StrataColumn, name: str
) -> Lookup | None:
    """Make the table that leads from what a unit's rows hold to a value of another table."""
    if not column.path:
        return None
    first = column.path[0]
    pairs = [
        Pair(column=own, type=other, as_text=(kind == "VARCHAR") != (other == "VARCHAR"))
        for (own, kind), (_, other) in typed_pairs(tables, unit, first)
    ]
    keys = [
        f"t0.{quote(target)}{'::varchar' if pair.as_text else ''} as key_{index}"
        for index, (target, pair) in enumerate(zip(first.key, pairs, strict=True))
    ]
    last = f"t{len(column.path) - 1}.{quote(column.column)}"
    with blamed(tables[first.table].format, tables[first.table].files):
        session.execute(
            f"create or replace temp table {quote(name)} as select distinct {', '.join(keys)}, {last} as value "
            f"from {_chain(tables, column.path)} where {whole(first.key, 't0')}",
            doing=f"reading {column.name}",
        )
    _check_single(session, column, first, name)
    return Lookup(table=name, pairs=tuple(pairs), when=first.when)


def _chain(tables: Mapping[str, SourceTable], path: Sequence[Reference]) -> str:
    """Give the SQL that joins the tables along references, each row with what it refers to or NULL."""
    sql = f"({reading(tables[path[0].table])}) t0"
    for index, (before, reference) in enumerate(pairwise(path)):
        on = matching(typed_pairs(tables, before.table, reference), f"t{index}", f"t{index + 1}")
        when = applies(reference, f"t{index}")
        sql += f" left join ({reading(tables[reference.table])}) t{index + 1} on {on} and {when}"
    return sql


def _check_single(session: Session, column: StrataColumn, first: Reference, name: str) -> None:
    keys = ", ".join(f"key_{index}" for index in range(len(first.key)))
    found = session.rows(
        f"select {keys}, min(value)::varchar, max(value)::varchar from {quote(name)} group by {keys} "
        f"having count(*) > 1 order by all limit 1"
    )
    if not found:
        return
    *key, low, high = found[0]
    shown = ", ".join(f"{part} = {value}" for part, value in zip(first.key, key, strict=True))
    values = "NULL and another" if low == high else f"{low} and {high}"
    raise RuleError(
        f"{column.name} does not say one stratum: rows of {first.table} with {shown} have {values}",
        hint=f"remove the repeated rows of {first.table}, or take {column.name} out of strata",
    )
