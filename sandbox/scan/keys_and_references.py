"""Find repeated keys, NULL keys and dangling references of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.engine.sql.type_names import are_comparable
from sandbox.formatting import format_count
from sandbox.manifest.scan import Finding
from sandbox.sources.checks.column_checks import truncate_example
from sandbox.sources.checks.key_check import MAX_EXAMPLES, build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.scan import FindingKind
    from sandbox.sources.table import SourceTable


def find_key_problems(
    session: Session, table: SourceTable, relation: str, key: Sequence[str], *, repeats: bool, hidden: bool
) -> list[Finding]:
    """Find repeated keys and rows with NULL in the key.

    Args:
        session: The query engine.
        table: The table.
        relation: SQL for the FROM clause, with at least the key columns.
        key: The key's columns.
        repeats: Whether keys may repeat because the rows of one key form one unit.
        hidden: Whether values of the key must not be shown.
    """
    columns = ", ".join(quote_identifier(column) for column in key)
    doing = f"checking the keys of {table.name}"
    findings = []
    nulls = session.fetch_rows(
        f"select count(*) from {relation} where not ({build_not_null_condition(key)})", doing=doing
    )[0][0]
    if nulls:
        message = f"has {format_count(nulls, 'row')} without a whole key ({', '.join(key)}), which can neither be drawn nor referred to"
        findings.append(_build_finding("null_keys", table, key, nulls, message))
    if repeats:
        return findings
    count = quote_identifier(choose_unused_name("rows", key))
    texts = ", ".join(f"{quote_identifier(column)}::varchar" for column in key)
    session.execute(
        f"create or replace temp table {quote_identifier('scan repeated')} as select {columns}, count(*) as {count} "
        f"from {relation} where {build_not_null_condition(key)} group by {columns} having count(*) > 1",
        doing=doing,
    )
    repeated, rows = session.fetch_rows(
        f"select count(*), coalesce(sum({count}), 0)::bigint from {quote_identifier('scan repeated')}"
    )[0]
    if repeated:
        examples = session.fetch_rows(
            f"select {texts} from {quote_identifier('scan repeated')} order by all limit {MAX_EXAMPLES}"
        )
        message = (
            f"has {format_count(repeated, 'key')} ({', '.join(key)}) more than once, in {format_count(rows, 'row')}"
        )
        findings.append(_build_finding("duplicate_keys", table, key, rows, message, examples, hidden=hidden))
    session.execute(f"drop table {quote_identifier('scan repeated')}")
    return findings


def find_dangling_references(
    session: Session, tables: Mapping[str, SourceTable], name: str, reference: Reference,
    relations: Mapping[str, str], *, hidden: bool,
) -> list[Finding]:  # fmt: skip
    """Find rows with a reference to a missing row.

    Args:
        session: The query engine.
        tables: The readable tables.
        name: The referring table.
        reference: Its reference.
        relations: Table -> SQL for the FROM clause, with at least the columns of its references.
        hidden: Whether values of the reference must not be shown.
    """
    table, target = tables[name], reference.table
    pairs = pair_reference_columns(tables, name, reference)
    for (column, kind), (other, other_kind) in pairs:
        if not are_comparable(kind, other_kind):
            message = f"is {kind} and cannot be compared with {target}.{other}, which is {other_kind}"
            return [
                Finding(
                    kind="dangling",
                    severity="error",
                    table=name,
                    columns=[column],
                    message=f"{name}.{column} {message}",
                )
            ]
    names = ", ".join(f"r.{quote_identifier(column)}" for column in reference.columns)
    count = quote_identifier(choose_unused_name("rows", reference.columns))
    lost = quote_identifier("scan dangling")
    session.execute(
        f"create or replace temp table {lost} as select {names}, count(*) as {count} from {relations[name]} r "
        f"anti join {relations[target]} t on {build_join_condition(pairs, 'r', 't')} "
        f"where {build_not_null_condition(reference.columns, 'r')} and {build_when_condition(reference, 'r')} group by {names}",
        doing=f"checking {name} → {target}",
    )
    rows = session.fetch_rows(f"select coalesce(sum({count}), 0)::bigint from {lost}")[0][0]
    texts = ", ".join(f"{quote_identifier(column)}::varchar" for column in reference.columns)
    examples = session.fetch_rows(f"select {texts} from {lost} order by all limit {MAX_EXAMPLES}") if rows else []
    session.execute(f"drop table {lost}")
    if not rows:
        return []
    message = f"has {format_count(rows, 'row')} whose {', '.join(reference.columns)} names no row of {target}"
    return [_build_finding("dangling", table, reference.columns, rows, message, examples, hidden=hidden)]


def _build_finding(
    kind: FindingKind, table: SourceTable, columns: Sequence[str], count: int, message: str,
    examples: Sequence[Sequence[str | None]] = (), *, hidden: bool = False,
) -> Finding:  # fmt: skip
    shown = [[None if cell is None else truncate_example(cell) for cell in row] for row in examples]
    return Finding(
        kind=kind,
        severity="error" if kind == "duplicate_keys" else "warning",
        table=table.name,
        columns=list(columns),
        count=count,
        share=count / max(1, table.rows),
        message=f"{table.name} {message}",
        examples=[] if hidden else shown,
        hidden=hidden and bool(shown),
    )
