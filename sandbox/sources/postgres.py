"""Postgres as a source: its tables listed and opened, and made readable in a session.

A table is read in pieces of its blocks, each of which stands where a file of another source stands: it makes one part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sandbox.config.source_address import POSTGRES, complaint
from sandbox.engine.lakes.lake_table import Snapshot as Version
from sandbox.engine.postgres import catalog
from sandbox.engine.postgres.columns import columns_of, relation
from sandbox.engine.postgres.scan import Scan
from sandbox.engine.postgres.snapshot import Manners, Snapshot
from sandbox.errors import ConfigError, SourceError
from sandbox.sources.listing import Listing, SourceFile
from sandbox.sources.table import SourceTable, scanned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config.settings import PostgresSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFormat

PIECE_BYTES = 2**30
BLOCK_BYTES = 8192
LAST_BLOCK = 2**32 - 1  # more than a table can have


def is_uri(uri: str) -> bool:
    """Say whether a source is a Postgres database."""
    return uri.partition("://")[0] in POSTGRES and "://" in uri


def listed(uri: str, *, base: Path, section: PostgresSection | None) -> Listing:
    """List the tables of a database, all as they are at this moment.

    Those of the schema ``public`` are called as they are, others ``schema.table``.

    Raises:
        ConfigError: The address holds a password.
        SourceError: It cannot be reached, or refuses.
    """
    problem = complaint(uri)
    if problem is not None:
        raise ConfigError(problem)
    parts = urlsplit(uri)
    snapshot = Snapshot(uri, manners(section))
    try:
        there = catalog.tables(snapshot)
    except BaseException:
        snapshot.close()
        raise
    found: dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]] = {}
    problems: dict[str, str] = {}
    for table in there:
        schema, name = table.declared.schema, table.declared.table
        called = name if schema == "public" else f"{schema}.{name}"
        if called in found:
            problems[called] = f"the database has two tables that are called {called} here; rename one"
        if not table.readable:
            lacking = [one.name for one in table.columns if not one.readable]
            which = f"its columns {', '.join(lacking[:5])}" if len(lacking) < len(table.columns) else "it"
            problems[called] = (
                f"{relation(table)}: the role that sandbox connects as may not read {which}; "
                f"grant usage on its schema and select on it, or make a view without what must not be read"
            )
        found[called] = ("postgres", _pieces(snapshot, table))
    return Listing(
        uri=uri,
        base=base,
        shown=f"{parts.hostname or 'the local server'}{parts.path}",
        files={name: one for name, one in found.items() if name not in problems},
        problems=problems,
        moment=snapshot,
    )


def manners(section: PostgresSection | None) -> Manners:
    """Give what ``[source.postgres]`` says."""
    if section is None:
        return Manners()
    return Manners(
        statement_seconds=section.statement_timeout,
        lock_seconds=section.lock_timeout,
        rows_per_second=section.rows_per_second,
    )


def opened(
    session: Session, name: str, files: tuple[SourceFile, ...], fixed: Mapping[str, str]
) -> SourceTable:
    """Give a table of a database; its rows are counted by the server.

    Raises:
        SourceError: It cannot be read, or a column's type is none that a sample can keep.
    """
    snapshot, table = _opened(files[0])
    columns = columns_of(snapshot, table, fixed)
    lower = [one.name.lower() for one in columns]
    twice = sorted({one.name for one in columns if lower.count(one.name.lower()) > 1})
    if twice:
        raise SourceError(
            f"{name}: columns that differ at most in case: {', '.join(twice)}",
            hint="make a view that calls them otherwise",
        )
    [(rows,)] = snapshot.rows(f"select count(*) from {relation(table)}")
    found = SourceTable(
        name=name,
        format="postgres",
        files=files,
        columns={one.name: one.kind for one in columns},
        rows=rows,
        width=max(1.0, sum(file.bytes for file in files) / max(1, rows)),
        asked=tuple(columns),
        snapshot=Version(kind="postgres", version=snapshot.identity),
    )
    attach(session, found)
    return found


def attach(session: Session, table: SourceTable) -> None:
    """Let a session read a table: whole, or piece by piece, and then as far as it is narrowed."""
    snapshot, about = _opened(table.files[0])
    session.on_interrupt(snapshot.cancel)
    for index in (None, *range(len(table.files))):
        blocks = table.files[index].blocks if index is not None else None
        scan = Scan(
            snapshot, table.name, about, table.asked, blocks, narrowed=index is not None, failed=session.blame
        )
        session.lend(scanned(table.name, index), scan)


def _opened(file: SourceFile) -> tuple[Snapshot, catalog.Table]:
    snapshot, table = file.opened
    return snapshot, table


def _pieces(snapshot: Snapshot, table: catalog.Table) -> tuple[SourceFile, ...]:
    """Cut a table into pieces of blocks; what has no blocks of its own is one."""
    schema, name = table.declared.schema, table.declared.table
    whole = SourceFile(
        path=f"{schema}.{name}", name=f"{schema}.{name}", bytes=table.bytes, modified=0, inside=(schema, name, snapshot.identity),
        opened=(snapshot, table),
    )  # fmt: skip
    count = -(-table.bytes // PIECE_BYTES)
    if not table.plain or count < 2:
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
