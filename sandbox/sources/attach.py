"""What a session needs before it reads tables of a source that are more than files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.sources import database_file, lakehouse, postgres, spark
from sandbox.sources.reaching import register_bucket_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable


def attach_tables(session: Session, tables: Iterable[SourceTable]) -> None:
    """Make a session ready to read tables that another one opened.

    Raises:
        SourceError: What they need cannot be read.
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
