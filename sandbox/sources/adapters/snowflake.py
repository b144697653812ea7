"""Read tables of a Snowflake database: the warehouse filters, joins and counts, and results come as Arrow."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.config.source_address import SNOWFLAKE_SCHEMES, find_address_problem
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule.pushdown_sql import ROW_ALIAS
from sandbox.engine.snowflake import pushdown
from sandbox.errors import ConfigError
from sandbox.sources.adapters.scan_view import build_scan_select, name_scan_view
from sandbox.sources.listing import SourceFile, SourceListing
from sandbox.sources.protocol import MAX_GROUPS, SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from sandbox.config.sections.source import SourceSection
    from sandbox.engine.database_schema import DeclaredTable
    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.snowflake.catalog import SnowflakeTable
    from sandbox.engine.snowflake.client import SnowflakeClient
    from sandbox.engine.snowflake.columns import SnowflakeColumn
    from sandbox.sources.protocol import ColumnPairs, DrawRule, TableRequest

MISSING_DRIVER_HINT = "pip install 'snowflake-connector-python>=4.8,<5'"


@dataclass(frozen=True, kw_only=True)
class SnowflakeDetails:
    """The queried columns of a table."""

    columns: tuple[SnowflakeColumn, ...]


@dataclass(frozen=True, kw_only=True)
class SnowflakeHandle:
    """A table and the connection that reads it."""

    client: SnowflakeClient
    table: SnowflakeTable


class SnowflakeAdapter(SourceAdapter):
    """Tables of a Snowflake database."""

    format = "snowflake"
    parquet_ratio = 1.0

    def list_source(self, uri: str, *, base: Path, section: SourceSection | None) -> SourceListing | None:
        if "://" not in uri or uri.partition("://")[0] not in SNOWFLAKE_SCHEMES:
            return None
        problem = find_address_problem(uri)
        if problem is not None:
            raise ConfigError(problem)
        return _list_database(uri, base=base)

    def list_declared_tables(self, listing: SourceListing) -> Iterator[tuple[str, DeclaredTable]]:
        for name, (form, files) in listing.files.items():
            if form == self.format:
                yield name, _get_handle(files[0]).table.declaration

    def list_warnings(self, table: SourceTable) -> list[str]:
        if _get_handle(table.files[0]).table.is_view:
            return [
                f"{table.name} is a view: production computed its rows from all units, also from those that are not drawn"
            ]
        return []

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        from sandbox.engine.snowflake.columns import resolve_columns  # noqa: PLC0415 - an extra

        [file] = request.files
        handle = _get_handle(file)
        taken = [column for column in handle.table.columns if request.section.takes_column(column.name)]
        columns = resolve_columns(handle.client, handle.table, taken, request.fixed)
        rows = handle.table.rows
        if rows is None:
            [count] = handle.client.fetch_rows(f"select count(*) as n from {handle.table.quoted_name}")
            rows = int(next(iter(count.values())))
        every = tuple(column.name for column in handle.table.columns)
        table = SourceTable(
            name=request.name,
            format=self.format,
            files=(file,),
            columns={column.name: column.kind for column in columns},
            rows=rows,
            width=max(1.0, file.bytes / max(1, rows)),
            source_columns=every if len(every) > len(columns) else (),
            details=SnowflakeDetails(columns=tuple(columns)),
        )
        self.attach_table(session, table)
        return table

    def estimate_scanned_bytes(self, table: SourceTable) -> int | None:
        handle = _get_handle(table.files[0])
        values = ", ".join(f"{column.sql} as c{number}" for number, column in enumerate(_get_columns(table)))
        return handle.client.estimate_scanned_bytes(
            f"select {values} from {handle.table.quoted_name} as {quote_identifier(ROW_ALIAS)}"
        )

    def attach_table(self, session: Session, table: SourceTable) -> None:
        from sandbox.engine.snowflake.scan import SnowflakeScan  # noqa: PLC0415 - an extra

        handle = _get_handle(table.files[0])
        session.add_interrupt_callback(handle.client.cancel)
        for file in (None, 0):  # a draw reads the file, in which filters apply
            scan = SnowflakeScan(
                handle.client, handle.table, _get_columns(table),
                is_filtered=file is not None, on_error=session.set_statement_error,
            )  # fmt: skip
            session.register_table(name_scan_view(table.name, file), scan)

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        order = [column.name for column in _get_columns(table)]
        return number_rows(build_scan_select(table, None if files is None else files[0], order=order), number)

    def list_pushable_columns(self, table: SourceTable) -> list[str]:
        return list(pushdown.build_server_columns(table.columns, _get_columns(table)))

    def count_groups(self, table: SourceTable, columns: Sequence[str], key: Sequence[str]) -> pa.Table | None:
        from sandbox.engine.snowflake.scan import count_groups  # noqa: PLC0415 - an extra

        handle = _get_handle(table.files[0])
        by_name = {column.name: column for column in _get_columns(table)}
        return count_groups(handle.client, handle.table, [by_name[name] for name in columns], key, most=MAX_GROUPS)

    def build_rule_filter(self, table: SourceTable, rule: DrawRule) -> str | None:
        return pushdown.build_rule_filter(
            table.columns, _get_columns(table), rule.key, rule.coefficients, rule.threshold
        )

    def build_key_filter(self, session: Session, table: SourceTable, pairs: ColumnPairs, keys: str) -> str | None:
        values = pushdown.build_server_columns(table.columns, _get_columns(table))
        return pushdown.build_key_filter(session, values, pairs, keys)

    @contextlib.contextmanager
    def filter_rows(self, table: SourceTable, condition: Any) -> Iterator[None]:
        if condition is None:
            yield
            return
        handle = _get_handle(table.files[0])
        with handle.client.filter_rows(handle.table.quoted_name, condition):
            yield


def _list_database(uri: str, *, base: Path) -> SourceListing:
    """List the tables of a database or schema.

    Tables of the address's schema, else of ``PUBLIC``, have no prefix; others are ``SCHEMA.TABLE``.

    Raises:
        ConfigError: The driver is not installed, or the address is invalid.
        SourceError: Snowflake is unreachable or refuses.
    """
    try:
        from sandbox.engine.snowflake import catalog  # noqa: PLC0415 - an extra
        from sandbox.engine.snowflake.client import SnowflakeAddress, SnowflakeClient  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"Snowflake as a source needs its driver: {error}", hint=MISSING_DRIVER_HINT) from error
    address = SnowflakeAddress.parse(uri)
    client = SnowflakeClient(address)
    try:
        tables = catalog.list_tables(client)
    except BaseException:
        client.close()
        raise
    files, views = {}, set()
    for table in tables:
        schema, name = table.declaration.schema, table.declaration.table
        called = name if schema == (address.schema or catalog.DEFAULT_SCHEMA) else f"{schema}.{name}"
        file = SourceFile(
            path=f"{schema}.{name}",
            name=f"{schema}.{name}",
            bytes=table.bytes,
            modified=table.altered * 1000,
            table_path=(schema, name, str(table.rows)),
            handle=SnowflakeHandle(client=client, table=table),
        )
        files[called] = ("snowflake", (file,))
        if table.is_view:
            views.add(called)
    return SourceListing(
        uri=uri,
        base=base,
        display_name=uri,
        files=files,
        views=frozenset(views),
        connection=client,
    )


def _get_handle(file: SourceFile) -> SnowflakeHandle:
    handle: SnowflakeHandle = file.handle
    return handle


def _get_columns(table: SourceTable) -> tuple[SnowflakeColumn, ...]:
    assert isinstance(table.details, SnowflakeDetails)
    return table.details.columns
