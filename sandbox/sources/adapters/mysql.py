"""Read tables of a MySQL or MariaDB database in one snapshot. Types come from the catalogue, never from values."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sandbox.config.source_address import MYSQL_SCHEMES, find_address_problem
from sandbox.engine.lakes.lake_table import SourceSnapshot as Version
from sandbox.engine.mysql import pushdown
from sandbox.errors import ConfigError, DataRuleError, SourceError
from sandbox.sources.adapters.scan_view import build_scan_select, name_scan_view
from sandbox.sources.listing import SourceFile, SourceListing
from sandbox.sources.protocol import SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.config.sections.source import SourceSection
    from sandbox.engine.database_schema import DeclaredTable
    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.mysql.catalog import MySQLTable
    from sandbox.engine.mysql.columns import MySQLColumn
    from sandbox.engine.mysql.snapshot import MySQLSnapshot
    from sandbox.sources.protocol import ColumnPairs, DrawRule, TableRequest

MISSING_DRIVER_HINT = "pip install 'pymysql>=1.2'"


@dataclass(frozen=True, kw_only=True)
class MySQLDetails:
    """The queried columns of a table."""

    columns: tuple[MySQLColumn, ...]


@dataclass(frozen=True, kw_only=True)
class TableHandle:
    """A table and the snapshot it is read in."""

    snapshot: MySQLSnapshot
    table: MySQLTable


class MySQLAdapter(SourceAdapter):
    """Tables of a MySQL or MariaDB database."""

    format = "mysql"
    parquet_ratio = 0.3
    is_snapshot = True

    def list_source(self, uri: str, *, base: Path, section: SourceSection | None) -> SourceListing | None:
        if "://" not in uri or uri.partition("://")[0] not in MYSQL_SCHEMES:
            return None
        problem = find_address_problem(uri)
        if problem is not None:
            raise ConfigError(problem)
        return _list_database(uri, base=base, section=section)

    def list_declared_tables(self, listing: SourceListing) -> Iterator[tuple[str, DeclaredTable]]:
        for name, (form, files) in listing.files.items():
            if form == self.format:
                yield name, _get_handle(files[0]).table.declaration

    def find_unsupported_columns(self, listing: SourceListing, name: str) -> Mapping[str, tuple[str, str]]:
        from sandbox.engine.mysql.columns import resolve_columns  # noqa: PLC0415 - an extra
        from sandbox.engine.mysql.scan import find_zero_dates  # noqa: PLC0415

        handle = _get_handle(listing.find_table(name)[1][0])
        found = find_zero_dates(handle.snapshot, handle.table, resolve_columns(handle.table.columns, {}))
        return dict.fromkeys(found, ("VARCHAR", "holds zero dates (0000-00-00)"))

    def list_warnings(self, table: SourceTable) -> list[str]:
        declared = _get_handle(table.files[0]).table
        if declared.is_view:
            return [
                f"{table.name} is a view: production computed its rows from all units, also from those that are not drawn"
            ]
        if not declared.is_transactional:
            return [
                f"{table.name} has a storage engine without transactions: it is read as it is, outside of the snapshot"
            ]
        return []

    def check_reference(
        self, table: SourceTable, columns: Sequence[str], target: SourceTable, key: Sequence[str]
    ) -> None:
        from sandbox.engine.mysql.scan import count_collation_matches  # noqa: PLC0415 - an extra

        if target.format != self.format:
            return
        handle, other = _get_handle(table.files[0]), _get_handle(target.files[0])
        rows, collation = count_collation_matches(handle.snapshot, handle.table, columns, other.table, key)
        if rows:
            raise DataRuleError(
                f"{table.name}.{', '.join(columns)} → {target.name}.{', '.join(key)}: {rows:,} {'row is' if rows == 1 else 'rows are'} "
                f"equal only by the collation {collation}, and would refer to nothing in a sample",
                hint="write both sides alike in the database, or sample views that do (lower(…), trim(…)), "
                "or leave the reference out of sandbox.toml",
            )

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        from sandbox.engine.mysql.columns import resolve_columns  # noqa: PLC0415 - an extra

        [file] = request.files
        handle = _get_handle(file)
        columns = resolve_columns(handle.table.columns, request.fixed)
        lower = [column.name.lower() for column in columns]
        if twice := sorted({column.name for column in columns if lower.count(column.name.lower()) > 1}):
            raise SourceError(
                f"{request.name}: columns that differ at most in case: {', '.join(twice)}",
                hint="make a view that calls them otherwise",
            )
        # The catalogue omits columns that the user may not read; this is refused then.
        handle.snapshot.fetch_rows(f"select * from {handle.table.quoted_name} limit 0")
        [(count,)] = handle.snapshot.fetch_rows(f"select count(*) from {handle.table.quoted_name}")
        rows = int(count)
        table = SourceTable(
            name=request.name,
            format=self.format,
            files=(file,),
            columns={column.name: column.kind for column in columns},
            rows=rows,
            width=max(1.0, file.bytes / max(1, rows)),
            snapshot=Version(kind="mysql", version=handle.snapshot.identity),
            details=MySQLDetails(columns=tuple(columns)),
        )
        self.attach_table(session, table)
        return table

    def attach_table(self, session: Session, table: SourceTable) -> None:
        from sandbox.engine.mysql.scan import MySQLScan  # noqa: PLC0415 - an extra

        assert isinstance(table.details, MySQLDetails)
        handle = _get_handle(table.files[0])
        session.add_interrupt_callback(handle.snapshot.cancel)
        for file in (None, 0):  # a draw reads the file, in which filters apply
            scan = MySQLScan(
                handle.snapshot, table.name, handle.table, table.details.columns,
                is_filtered=file is not None, on_error=session.set_statement_error,
            )  # fmt: skip
            session.register_table(name_scan_view(table.name, file), scan)

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        return number_rows(build_scan_select(table, None if files is None else files[0]), number)

    def build_rule_filter(self, table: SourceTable, rule: DrawRule) -> str | None:
        assert isinstance(table.details, MySQLDetails)
        return pushdown.build_rule_filter(
            table.columns,
            table.details.columns,
            key=rule.key,
            coefficients=rule.coefficients,
            threshold=rule.threshold,
        )

    def build_key_filter(self, session: Session, table: SourceTable, pairs: ColumnPairs, keys: str) -> str | None:
        assert isinstance(table.details, MySQLDetails)
        values = pushdown.build_server_columns(table.columns, table.details.columns)
        return pushdown.build_key_filter(session, values, pairs, keys)

    @contextlib.contextmanager
    def filter_rows(self, table: SourceTable, condition: Any) -> Iterator[None]:
        if condition is None:
            yield
            return
        handle = _get_handle(table.files[0])
        with handle.snapshot.filter_rows(handle.table.quoted_name, condition):
            yield


def _list_database(uri: str, *, base: Path, section: SourceSection | None) -> SourceListing:
    """List the tables of a database in one snapshot.

    Tables of the address's database have no prefix; without a database in it, all are ``database.table``.

    Raises:
        ConfigError: The driver is not installed.
        SourceError: The server is unreachable or refuses.
    """
    try:
        from sandbox.engine.mysql import catalog  # noqa: PLC0415 - an extra
        from sandbox.engine.mysql.snapshot import MySQLLimits, MySQLSnapshot  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"MySQL as a source needs its driver: {error}", hint=MISSING_DRIVER_HINT) from error
    limits = MySQLLimits()
    if section is not None and section.mysql is not None:
        limits = MySQLLimits(statement_seconds=section.mysql.statement_timeout, lock_seconds=section.mysql.lock_timeout)
    snapshot = MySQLSnapshot(uri, limits)
    try:
        tables = catalog.list_tables(snapshot)
    except BaseException:
        snapshot.close()
        raise
    files, views = {}, set()
    for table in tables:
        schema, name = table.declaration.schema, table.declaration.table
        called = name if schema == snapshot.database else f"{schema}.{name}"
        file = SourceFile(
            path=f"{schema}.{name}",
            name=f"{schema}.{name}",
            bytes=table.bytes,
            modified=0,
            table_path=(schema, name, snapshot.identity),
            handle=TableHandle(snapshot=snapshot, table=table),
        )
        files[called] = ("mysql", (file,))
        if table.is_view:
            views.add(called)
    parts = urlsplit(uri)
    return SourceListing(
        uri=uri,
        base=base,
        display_name=f"{parts.hostname or 'localhost'}{parts.path}",
        files=files,
        views=frozenset(views),
        connection=snapshot,
    )


def _get_handle(file: SourceFile) -> TableHandle:
    handle: TableHandle = file.handle
    return handle
