"""Read tables of a Postgres database in one snapshot.

A table is read in ranges of blocks. Each range corresponds to a file of other sources and becomes one part.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sandbox.config.source_address import POSTGRES_SCHEMES, find_address_problem
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.lakes.lake_table import SourceSnapshot as Version
from sandbox.engine.postgres import catalog
from sandbox.engine.postgres.columns import find_unsupported_columns, qualify_table, resolve_columns
from sandbox.errors import ConfigError, DataRuleError, SourceError
from sandbox.sources.adapters import postgres_pushdown
from sandbox.sources.adapters.scan_view import build_scan_select, name_scan_view
from sandbox.sources.listing import SourceFile, SourceListing
from sandbox.sources.protocol import MAX_GROUPS, SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from sandbox.config.sections.source import SourceSection
    from sandbox.engine.database_schema import DeclaredTable
    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.postgres.columns import PostgresColumn
    from sandbox.engine.postgres.snapshot import PostgresLimits, PostgresSnapshot
    from sandbox.sources.listing import SourceFormat
    from sandbox.sources.protocol import ColumnPairs, DrawRule, TableRequest

PIECE_BYTES = 2**30
BLOCK_BYTES = 8192
LAST_BLOCK = 2**32 - 1  # above any table's block count


@dataclass(frozen=True, kw_only=True)
class PostgresDetails:
    """The queried columns of a table."""

    columns: tuple[PostgresColumn, ...]


@dataclass(frozen=True, kw_only=True)
class PostgresPiece:
    """A part of a table: the first block and the end block (exclusive), or all blocks."""

    snapshot: PostgresSnapshot
    table: catalog.PostgresTable
    blocks: tuple[int, int] | None = None


class PostgresAdapter(SourceAdapter):
    """Tables of a Postgres database."""

    format = "postgres"
    parquet_ratio = 0.3
    is_snapshot = True

    def list_source(self, uri: str, *, base: Path, section: SourceSection | None) -> SourceListing | None:
        if "://" not in uri or uri.partition("://")[0] not in POSTGRES_SCHEMES:
            return None
        return _list_database(uri, base=base, section=section)

    def list_declared_tables(self, listing: SourceListing) -> Iterator[tuple[str, DeclaredTable]]:
        for name, (form, pieces) in listing.files.items():
            if form == self.format:
                yield name, _get_piece(pieces[0]).table.declaration

    def find_unsupported_columns(self, listing: SourceListing, name: str) -> Mapping[str, tuple[str, str]]:
        piece = _get_piece(listing.find_table(name)[1][0])
        found = find_unsupported_columns(piece.snapshot, piece.table)
        return {column: (value.type, value.phrase) for column, value in found.items()}

    def list_warnings(self, table: SourceTable) -> list[str]:
        piece = _get_piece(table.files[0])
        warnings = []
        if piece.table.policies is not None:
            warnings.append(
                f"{table.name} has row-level security: its population is the rows that the role {piece.snapshot.role} sees, "
                f"by {_describe_policies(piece.table)}"
            )
        if piece.table.is_view:
            warnings.append(
                f"{table.name} is a view: production computed its rows from all units, also from those that are not drawn"
            )
        return warnings

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        table = _open_table(request.name, request.files, request.fixed)
        self.attach_table(session, table)
        return table

    def attach_table(self, session: Session, table: SourceTable) -> None:
        """Register a table in a session: whole, and in pieces that accept filters."""
        from sandbox.engine.postgres import scan as scanning  # noqa: PLC0415 - slow, see `arrow_scan`

        pieces = [_get_piece(file) for file in table.files]
        snapshot, declared = pieces[0].snapshot, pieces[0].table
        session.add_interrupt_callback(snapshot.cancel)
        for index in (None, *range(len(pieces))):
            scan = scanning.PostgresScan(
                snapshot,
                table.name,
                declared,
                _get_columns(table),
                None if index is None else pieces[index].blocks,
                narrowed=index is not None,
                failed=session.set_statement_error,
            )
            session.register_table(name_scan_view(table.name, index), scan)

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        return number_rows(build_scan_select(table, None if files is None else files[0]), number)

    def check_key(self, table: SourceTable, key: Sequence[str]) -> None:
        for column in _get_columns(table):
            if column.name in key and column.measured_scale:
                raise DataRuleError(
                    f"{table.name}.{column.name} is numeric without a scale and has values with up to {column.measured_scale} digits after "
                    "the point: as a key it needs a scale, or other values would change which rows are drawn",
                    hint=f'fix its type in [tables.{table.name}.types]: {column.name} = "{column.kind}"',
                )

    def list_pushable_columns(self, table: SourceTable) -> list[str]:
        return list(postgres_pushdown.build_server_columns(table.columns, _get_columns(table)))

    def count_groups(self, table: SourceTable, columns: Sequence[str], key: Sequence[str]) -> pa.Table | None:
        from sandbox.engine.postgres.scan import count_groups  # noqa: PLC0415 - slow, see `arrow_scan`

        piece = _get_piece(table.files[0])
        by_name = {column.name: column for column in _get_columns(table)}
        chosen = [by_name[name] for name in columns]
        return count_groups(piece.snapshot, table.name, piece.table, chosen, key, most=MAX_GROUPS)

    def build_rule_filter(self, table: SourceTable, rule: DrawRule) -> str | None:
        if _get_piece(table.files[0]).snapshot.encoding == "SQL_ASCII":
            return None
        return postgres_pushdown.build_rule_filter(table.columns, _get_columns(table), rule)

    def build_key_filter(self, session: Session, table: SourceTable, pairs: ColumnPairs, keys: str) -> str | None:
        values = postgres_pushdown.build_server_columns(table.columns, _get_columns(table))
        return postgres_pushdown.build_key_filter(session, values, pairs, keys)

    @contextlib.contextmanager
    def filter_rows(self, table: SourceTable, condition: Any) -> Iterator[None]:
        if condition is None:
            yield
            return
        piece = _get_piece(table.files[0])
        with piece.snapshot.filter_rows(piece.table.oid, condition):
            yield


def _list_database(uri: str, *, base: Path, section: SourceSection | None) -> SourceListing:
    """List the tables of a database in one snapshot.

    Tables of the schema ``public`` have no prefix, others are ``schema.table``.

    Raises:
        ConfigError: The address contains a password.
        SourceError: The server is unreachable or refuses.
    """
    problem = find_address_problem(uri)
    if problem is not None:
        raise ConfigError(problem)
    parts = urlsplit(uri)
    accepted = section is not None and section.row_security == "accept"
    from sandbox.engine.postgres.snapshot import PostgresSnapshot  # noqa: PLC0415 - the driver takes 0.5 s

    snapshot = PostgresSnapshot(uri, _build_connection_limits(section), row_security=accepted)
    try:
        there = catalog.list_tables(snapshot)
    except BaseException:
        snapshot.close()
        raise
    tables: dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]] = {}
    problems: dict[str, str] = {}
    for table in there:
        schema, name = table.declaration.schema, table.declaration.table
        called = name if schema == "public" else f"{schema}.{name}"
        if called in tables:
            problems[called] = f"the database has two tables that are called {called} here; rename one"
        if problem := _find_table_problem(snapshot, table):
            problems[called] = problem
        tables[called] = ("postgres", _split_table(snapshot, table))
    return SourceListing(
        uri=uri,
        base=base,
        display_name=f"{parts.hostname or 'the local server'}{parts.path}",
        files={name: entry for name, entry in tables.items() if name not in problems},
        problems=problems,
        views=frozenset(name for name, (_, pieces) in tables.items() if _get_piece(pieces[0]).table.is_view),
        connection=snapshot,
    )


def _find_table_problem(snapshot: PostgresSnapshot, table: catalog.PostgresTable) -> str | None:
    """Return the reason that a table cannot be read; None if it can."""
    qualified = qualify_table(table)
    if not table.columns:
        return f"{qualified} has no columns"
    if not table.is_readable:
        lacking = [column.name for column in table.columns if not column.is_readable]
        which = f"its columns {', '.join(lacking[:5])}" if len(lacking) < len(table.columns) else "it"
        return (
            f"{qualified}: the role that sandbox connects as may not read {which}; "
            f"grant usage on its schema and select on it, or make a view without what must not be read"
        )
    if not table.is_populated:
        return f"{qualified} is a materialized view that was never populated; fill it: refresh materialized view {qualified}"
    if table.policies is not None and not snapshot.row_security:
        return (
            f"{qualified} has row-level security, and the role {snapshot.role} would see only some rows, by "
            f"{_describe_policies(table)}; read it with a role that sees every row (bypassrls), or take "
            'what this one sees: row_security = "accept" in [source]'
        )
    return None


def _describe_policies(table: catalog.PostgresTable) -> str:
    names = ", ".join(map(quote_identifier, table.policies or ()))
    if not names:
        return "the lack of any policy for it"
    return f"{'policy' if len(table.policies or ()) == 1 else 'policies'} {names}"


def _build_connection_limits(section: SourceSection | None) -> PostgresLimits:
    """Return the limits in ``[source.postgres]``."""
    from sandbox.engine.postgres.snapshot import PostgresLimits  # noqa: PLC0415 - the driver takes 0.5 s

    if section is None or section.postgres is None:
        return PostgresLimits()
    return PostgresLimits(
        statement_seconds=section.postgres.statement_timeout,
        lock_seconds=section.postgres.lock_timeout,
        rows_per_second=section.postgres.rows_per_second,
    )


def _open_table(name: str, files: tuple[SourceFile, ...], fixed: Mapping[str, str]) -> SourceTable:
    """Open a table of a database; the server counts its rows.

    Raises:
        SourceError: The table cannot be read, or a column's type is not supported.
    """
    snapshot, table = _get_piece(files[0]).snapshot, _get_piece(files[0]).table
    columns = resolve_columns(snapshot, table, fixed)
    lower = [column.name.lower() for column in columns]
    twice = sorted({column.name for column in columns if lower.count(column.name.lower()) > 1})
    if twice:
        raise SourceError(
            f"{name}: columns that differ at most in case: {', '.join(twice)}",
            hint="make a view that calls them otherwise",
        )
    [(rows,)] = snapshot.fetch_rows(f"select count(*) from {qualify_table(table)}")
    return SourceTable(
        name=name,
        format="postgres",
        files=files,
        columns={column.name: column.kind for column in columns},
        rows=rows,
        width=max(1.0, sum(file.bytes for file in files) / max(1, rows)),
        snapshot=Version(
            kind="postgres", version=snapshot.identity, role=snapshot.role if table.policies is not None else None
        ),
        details=PostgresDetails(columns=tuple(columns)),
    )


def _get_columns(table: SourceTable) -> tuple[PostgresColumn, ...]:
    assert isinstance(table.details, PostgresDetails)
    return table.details.columns


def _get_piece(file: SourceFile) -> PostgresPiece:
    piece: PostgresPiece = file.handle
    return piece


def _split_table(snapshot: PostgresSnapshot, table: catalog.PostgresTable) -> tuple[SourceFile, ...]:
    """Split a table into ranges of blocks; tables without blocks of their own stay whole."""
    schema, name = table.declaration.schema, table.declaration.table
    whole = SourceFile(
        path=f"{schema}.{name}", name=f"{schema}.{name}", bytes=table.bytes, modified=0, table_path=(schema, name, snapshot.identity),
        handle=PostgresPiece(snapshot=snapshot, table=table),
    )  # fmt: skip
    count = -(-table.bytes // PIECE_BYTES)
    if not table.is_ordinary or count < 2:
        return (whole,)
    step = PIECE_BYTES // BLOCK_BYTES
    return tuple(
        replace(
            whole,
            name=f"{whole.name} {index:05d}",
            bytes=min(PIECE_BYTES, table.bytes - index * PIECE_BYTES),
            handle=replace(
                whole.handle, blocks=(index * step, (index + 1) * step if index < count - 1 else LAST_BLOCK)
            ),
        )
        for index in range(count)
    )
