"""Check that keys are unique, and that references name one row each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.engine.sql.type_names import FLOAT_TYPES
from sandbox.error_text import format_row_value
from sandbox.errors import DataRuleError
from sandbox.formatting import format_count
from sandbox.sources.checks.schema_check import pair_reference_columns
from sandbox.sources.projection import MAX_EXACT_ROWS, project_table
from sandbox.sources.registry import translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sandbox.config.settings import Settings
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable

MAX_EXAMPLES = 5
EXACT_BITS = {"FLOAT": 24, "DOUBLE": 53}  # whole numbers of so many bits are distinct


def has_checked_key(settings: Settings, table: SourceTable, key: Sequence[str]) -> bool:
    """Return whether planning a draw has checked that this key of a table is unique in all of its rows."""
    section = settings.tables[table.name]
    return table.rows <= MAX_EXACT_ROWS and section.duplicates == "error" and section.key == list(key)


def check_unique_keys(
    session: Session, table: str, relation: str, key: Sequence[str], *, hidden: Collection[str]
) -> None:
    """Check that keys of a relation (SQL for the FROM clause) are unique; rows with a NULL part have no key.

    Values of the columns in ``hidden`` are not shown.

    Raises:
        DataRuleError: A key repeats.
    """
    columns = ", ".join(quote_identifier(column) for column in key)
    repeated = (
        f"select count(*) as {quote_identifier(choose_unused_name('rows', key))}, {columns} from {relation} where {build_not_null_condition(key)} "
        f"group by {columns} having count(*) > 1"
    )
    texts = ", ".join(f"{quote_identifier(column)}::varchar" for column in key)
    doing = f"checking the keys of {table}"
    examples = session.fetch_rows(f"select {texts} from ({repeated}) order by all limit {MAX_EXAMPLES}", doing=doing)
    if not examples:
        return
    keys, rows = session.fetch_rows(f"select count(*), sum(#1)::bigint from ({repeated})", doing=doing)[0]
    shown = "; ".join(dict.fromkeys(_format_key(key, row, hidden) for row in examples))
    raise DataRuleError(
        f"{table}: {format_count(keys, 'key repeats', 'keys repeat')} ({', '.join(key)}) in {format_count(rows, 'row')}; for example {shown}",
        hint=f"name in [tables.{table}] key the columns that tell its rows apart, or remove the repeated rows",
    )


def _format_key(key: Sequence[str], row: Sequence[str | None], hidden: Collection[str]) -> str:
    return ", ".join(
        f"{column} {'is like' if column in hidden else '='} {format_row_value(value, hidden=column in hidden)}"
        for column, value in zip(key, row, strict=True)
    )


def count_null_keys(session: Session, table: str, relation: str, key: Sequence[str]) -> int:
    """Count the rows with NULL in a part of the key."""
    sql = f"select count(*) from {relation} where not ({build_not_null_condition(key)})"
    return int(session.fetch_rows(sql, doing=f"checking the keys of {table}")[0][0])


def build_not_null_condition(columns: Sequence[str], alias: str = "") -> str:
    """Build the SQL condition for columns without NULL."""
    prefix = f"{alias}." if alias else ""
    return " and ".join(f"{prefix}{quote_identifier(column)} is not null" for column in columns)


def check_float_references(session: Session, settings: Settings, tables: Mapping[str, SourceTable]) -> None:
    """Check that no floating-point column of a reference holds numbers that stand for several whole ones.

    Raises:
        DataRuleError: One does.
    """
    for table, column in dict.fromkeys(_list_float_columns(settings, tables)):
        kind = tables[table].columns[column]
        relation = quote_identifier(project_table(session, tables[table], [column]))
        with translate_file_errors(tables[table].format, tables[table].files):
            [(count,)] = session.fetch_rows(
                f"select count(*) from {relation} where isfinite({quote_identifier(column)}) "
                f"and abs({quote_identifier(column)}) >= {2 ** EXACT_BITS[kind]}",
                doing=f"checking the references of {table}",
            )
        if count:
            raise DataRuleError(
                f"{table}.{column} is {kind}, a reference between it and whole numbers, and {count:,} of its values are "
                f"2^{EXACT_BITS[kind]} or more: each stands for several whole numbers",
                hint="write the column as whole numbers in the source, or remove the reference in "
                f"[tables.{quote_key(table)}]",
            )


def _list_float_columns(settings: Settings, tables: Mapping[str, SourceTable]) -> Iterator[tuple[str, str]]:
    for name, section in settings.tables.items():
        for reference in section.all_references:
            for (column, kind), (target, other) in pair_reference_columns(tables, name, reference):
                if kind in FLOAT_TYPES and other not in FLOAT_TYPES and other != "VARCHAR":
                    yield name, column
                elif other in FLOAT_TYPES and kind not in FLOAT_TYPES and kind != "VARCHAR":
                    yield reference.table, target
