"""Open source tables with columns and types checked across all files, and attach them to sessions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.config.sections.sample import TableSection
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.error_text import format_row_value
from sandbox.errors import ConfigError, DataRuleError, SandboxError
from sandbox.sources.adapters.duckdb_file import UNSUPPORTED_TYPES
from sandbox.sources.files.columns import describe_columns
from sandbox.sources.files.partitions import add_partition_columns, list_partition_values
from sandbox.sources.listing import fetch_etags, register_files, suggest_name
from sandbox.sources.protocol import TableRequest
from sandbox.sources.registry import ADAPTERS, get_adapter, translate_file_errors
from sandbox.sources.unreadable_file import build_file_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile, SourceListing
    from sandbox.sources.protocol import SourceAdapter
    from sandbox.sources.table import SourceTable

PLAIN_TABLE = TableSection()
TYPE_NAMES = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE",
    "DECIMAL(18,2)", "VARCHAR", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "UUID", "BLOB", "JSON",
)  # fmt: skip


def open_table(
    session: Session,
    listing: SourceListing,
    name: str,
    section: TableSection = PLAIN_TABLE,
) -> SourceTable:
    """Open a table and check all its files.

    Args:
        session: The query engine.
        listing: The source's files.
        name: The table.
        section: Its settings: types, columns, CSV, and the version or snapshot.

    Raises:
        ConfigError: The table or its version does not exist, or a fixed type is invalid.
        DataRuleError: A fixed type names a missing column or does not fit a value.
        SourceError: A file cannot be read, or the files have different columns.
    """
    form, files = listing.find_table(name)
    adapter, pins = ADAPTERS[form], {"version": section.version, "snapshot": section.snapshot}
    _check_pins(name, adapter, pins)
    files = _register_files(session, files)
    fixed = {column: _resolve_fixed_type(session, name, column, kind) for column, kind in section.types.items()}
    request = TableRequest(
        listing=listing, name=name, files=files, fixed=fixed, section=section, pin=pins.get(adapter.pin or "")
    )
    with translate_file_errors(form, files):
        table = adapter.open_table(session, request)
        if any(file.constants for file in table.files) and table.snapshot is None:
            table = add_partition_columns(session, table, fixed)
        _check_taken_columns(table, section)
        table = _leave_columns_out(table, section)
        _check_fixed_types(session, table, fixed)
    return replace(table, columns={name: fixed.get(name, kind) for name, kind in table.columns.items()})


def _check_taken_columns(table: SourceTable, section: TableSection) -> None:
    """Check that the columns to take, or to leave out, are there, and that some are taken."""
    for setting, columns in (("columns", section.columns), ("leave_out", section.leave_out)):
        for column in columns or ():
            if column not in table.all_columns:
                raise DataRuleError(
                    f"{table.name} has no column {column}, which {setting} in [tables.{table.name}] names",
                    hint=suggest_name(column, table.all_columns, "its columns"),
                )
    if not any(map(section.takes_column, table.all_columns)):
        raise DataRuleError(f"[tables.{table.name}] leave_out names all columns of {table.name}")


def _leave_columns_out(table: SourceTable, section: TableSection) -> SourceTable:
    """Return a table with the columns to take alone."""
    taken = {name: kind for name, kind in table.columns.items() if section.takes_column(name)}
    if len(taken) == len(table.columns):
        return table
    return replace(table, columns=taken, source_columns=table.all_columns)


def attach_tables(session: Session, tables: Iterable[SourceTable]) -> None:
    """Make tables opened by one session readable in another.

    Raises:
        SourceError: A file or server cannot be read.
    """
    for table in tables:
        register_files(session, table.files)
        get_adapter(table).attach_table(session, table)


def estimate_scanned_bytes(tables: Mapping[str, SourceTable]) -> dict[str, int]:
    """Return the bytes that one reading of each table scans, of those whose warehouse says it."""
    estimates = {name: get_adapter(table).estimate_scanned_bytes(table) for name, table in tables.items()}
    return {name: count for name, count in estimates.items() if count is not None}


def list_table_warnings(tables: Iterable[SourceTable]) -> list[str]:
    """Return what a reader of a sample has to know about its tables, one sentence each."""
    return [warning for table in tables for warning in get_adapter(table).list_warnings(table)]


def _check_pins(name: str, adapter: SourceAdapter, pins: Mapping[str, int | None]) -> None:
    """Check that a table with a pinned version has a format with versions."""
    for key, pin in pins.items():
        if pin is not None and key != adapter.pin:
            titles = " and ".join(other.format.title() for other in ADAPTERS.values() if other.pin == key)
            raise ConfigError(
                f"[tables.{name}] {key} = {pin}: only {titles} tables have {key}s, this is {adapter.format}"
            )


def _register_files(session: Session, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Return files with their etags, and register those of a bucket in the session."""
    try:
        tagged = fetch_etags(files, with_content=True)
    except OSError as error:
        raise build_file_error("the source", "cannot be read", error) from error
    register_files(session, tagged)
    return tagged


def _resolve_fixed_type(session: Session, table: str, column: str, kind: str) -> str:
    """Return DuckDB's name of a type in the settings."""
    problem = f"[tables.{table}.types] {column}: {kind!r} is not a column type that a sample can keep"
    if not re.fullmatch(r"[A-Za-z_][\w ]*(\(\s*\d+(\s*,\s*\d+)?\s*\))?(\[\])*", kind):
        raise ConfigError(problem, hint=suggest_name(kind, TYPE_NAMES, "types"))
    try:
        described = describe_columns(session, f"select null::{kind} as x")["x"]
    except SandboxError:
        raise ConfigError(problem, hint=suggest_name(kind, TYPE_NAMES, "types")) from None
    if described in UNSUPPORTED_TYPES:
        raise ConfigError(problem, hint="DECIMAL(38,0) holds the longest integers")
    return described


def _check_fixed_types(session: Session, table: SourceTable, fixed: Mapping[str, str]) -> None:
    """Check that all values fit the fixed types of their columns."""
    for column in fixed:
        if column not in table.columns:
            raise DataRuleError(
                f"{table.name} has no column {column}, which [tables.{table.name}.types] names",
                hint=suggest_name(column, table.columns, "its columns"),
            )
    if not fixed:
        return
    adapter = get_adapter(table)
    raw, constants = adapter.build_untyped_select(table), list_partition_values(table)
    for column, kind in fixed.items():
        value, rows = quote_identifier(column), f"({raw})"
        if column in constants:
            texts = ", ".join("null" if text is None else quote_literal(text) for text in constants[column])
            rows = f"(select unnest([{texts}]::varchar[]) as {value})"
        present = f"nullif({value}, '')" if adapter.reads_empty_as_null and kind != "VARCHAR" else value
        [(count, first)] = session.fetch_rows(
            f"select count(*), min({value}::varchar) from {rows} "
            f"where {present} is not null and try_cast({value} as {kind}) is null",
            doing=f"checking the type of {table.name}.{column}",
        )
        if count:
            values = "value is" if count == 1 else "values are"
            raise DataRuleError(
                f"{table.name}.{column} is to be {kind}, and {count:,} {values} not; one is written like "
                f"{format_row_value(first)}",
                hint=f"correct the type in [tables.{table.name}.types], or the value in the source",
            )
