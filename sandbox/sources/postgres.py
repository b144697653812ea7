"""Postgres as a source: its tables listed and opened, and made readable in a session.

A table is read in pieces of its blocks, each of which stands where a file of another source stands: it makes one part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sandbox.config.source_address import POSTGRES_SCHEMES, find_address_problem
from sandbox.engine.lakes.lake_table import SourceSnapshot as Version
from sandbox.engine.postgres import catalog
from sandbox.engine.postgres.columns import qualify_table, resolve_columns
from sandbox.engine.postgres.scan import PostgresScan
from sandbox.engine.postgres.snapshot import PostgresLimits, PostgresSnapshot
from sandbox.errors import ConfigError, SourceError
from sandbox.sources.listing import SourceFile, SourceListing
from sandbox.sources.table import SourceTable, name_scan_view

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config.settings import PostgresSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFormat

PIECE_BYTES = 2**30
BLOCK_BYTES = 8192
LAST_BLOCK = 2**32 - 1  # more than a table can have


def is_postgres_uri(uri: str) -> bool:
    """Say whether a source is a Postgres database."""
    return uri.partition("://")[0] in POSTGRES_SCHEMES and "://" in uri


def list_database(uri: str, *, base: Path, section: PostgresSection | None) -> SourceListing:
    """List the tables of a database, all as they are at this moment.

    Those of the schema ``public`` are called as they are, others ``schema.table``.

    Raises:
        ConfigError: The address holds a password.
        SourceError: It cannot be reached, or refuses.
    """
    problem = find_address_problem(uri)
    if problem is not None:
        raise ConfigError(problem)
    parts = urlsplit(uri)
    snapshot = PostgresSnapshot(uri, build_connection_limits(section))
    try:
        there = catalog.list_tables(snapshot)
    except BaseException:
        snapshot.close()
        raise
    found: dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]] = {}
    problems: dict[str, str] = {}
    for table in there:
        schema, name = table.declaration.schema, table.declaration.table
        called = name if schema == "public" else f"{schema}.{name}"
        if called in found:
            problems[called] = f"the database has two tables that are called {called} here; rename one"
        if not table.is_readable:
            lacking = [one.name for one in table.columns if not one.is_readable]
            which = f"its columns {', '.join(lacking[:5])}" if len(lacking) < len(table.columns) else "it"
            problems[called] = (
                f"{qualify_table(table)}: the role that sandbox connects as may not read {which}; "
                f"grant usage on its schema and select on it, or make a view without what must not be read"
            )
        found[called] = ("postgres", _split_table(snapshot, table))
    return SourceListing(
        uri=uri,
        base=base,
        display_name=f"{parts.hostname or 'the local server'}{parts.path}",
        files={name: one for name, one in found.items() if name not in problems},
        problems=problems,
        connection=snapshot,
    )


def build_connection_limits(section: PostgresSection | None) -> PostgresLimits:
    """Give what ``[source.postgres]`` says."""
    if section is None:
        return PostgresLimits()
    return PostgresLimits(
        statement_seconds=section.statement_timeout,
        lock_seconds=section.lock_timeout,
        rows_per_second=section.rows_per_second,
    )


def open_table(session: Session, name: str, files: tuple[SourceFile, ...], fixed: Mapping[str, str]) -> SourceTable:
    """Give a table of a database; its rows are counted by the server.

    Raises:
        SourceError: It cannot be read, or a column's type is none that a sample can keep.
    """
    snapshot, table = _unpack_handle(files[0])
    columns = resolve_columns(snapshot, table, fixed)
    lower = [one.name.lower() for one in columns]
    twice = sorted({one.name for one in columns if lower.count(one.name.lower()) > 1})
    if twice:
        raise SourceError(
            f"{name}: columns that differ at most in case: {', '.join(twice)}",
            hint="make a view that calls them otherwise",
        )
    [(rows,)] = snapshot.fetch_rows(f"select count(*) from {qualify_table(table)}")
    found = SourceTable(
        name=name,
        format="postgres",
        files=files,
        columns={one.name: one.kind for one in columns},
        rows=rows,
        width=max(1.0, sum(file.bytes for file in files) / max(1, rows)),
        postgres_columns=tuple(columns),
        snapshot=Version(kind="postgres", version=snapshot.identity),
    )
    attach_table(session, found)
    return found


def attach_table(session: Session, table: SourceTable) -> None:
    """Let a session read a table: whole, or piece by piece, and then as far as it is narrowed."""
    snapshot, about = _unpack_handle(table.files[0])
    session.add_interrupt_callback(snapshot.cancel)
    for index in (None, *range(len(table.files))):
        blocks = table.files[index].blocks if index is not None else None
        scan = PostgresScan(
            snapshot,
            table.name,
            about,
            table.postgres_columns,
            blocks,
            narrowed=index is not None,
            failed=session.set_statement_error,
        )
        session.register_table(name_scan_view(table.name, index), scan)


def _unpack_handle(file: SourceFile) -> tuple[PostgresSnapshot, catalog.PostgresTable]:
    snapshot, table = file.handle
    return snapshot, table


def _split_table(snapshot: PostgresSnapshot, table: catalog.PostgresTable) -> tuple[SourceFile, ...]:
    """Cut a table into pieces of blocks; what has no blocks of its own is one."""
    schema, name = table.declaration.schema, table.declaration.table
    whole = SourceFile(
        path=f"{schema}.{name}", name=f"{schema}.{name}", bytes=table.bytes, modified=0, table_path=(schema, name, snapshot.identity),
        handle=(snapshot, table),
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
            blocks=(index * step, (index + 1) * step if index < count - 1 else LAST_BLOCK),
        )
        for index in range(count)
    )
