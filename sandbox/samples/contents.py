"""Compute content digests of samples: equal for equal values, whatever the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.content_digest import compute_content_digest
from sandbox.engine.duckdb.table_functions import build_parquet_reader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session


def describe_parquet_files(session: Session, files: Iterable[Path]) -> tuple[dict[str, str], str]:
    """Return the columns of Parquet files with DuckDB's names of their types, and their content digest."""
    relation = build_parquet_reader(files)
    rows = session.fetch_rows(f"describe select * from {relation}", doing="the content digest")
    columns = {row[0]: row[1] for row in rows}
    return columns, compute_content_digest(session, relation, columns)
