"""Attach opened source tables to another session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.sources import database_file, lakehouse, postgres, spark
from sandbox.sources.listing import register_bucket_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable


def attach_tables(session: Session, tables: Iterable[SourceTable]) -> None:
    """Make tables opened by one session readable in another.

    Raises:
        SourceError: A file or server cannot be read.
    """
    for table in tables:
        register_bucket_files(session, table.files)
        if table.format in {"duckdb", "sqlite"}:
            database_file.attach_table(session, table)
        elif table.format == "postgres":
            postgres.attach_table(session, table)
        elif table.format == "spark":
            spark.attach_table(session, table)
        lakehouse.attach_table(session, table)
