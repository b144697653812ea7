"""Compute content digests of samples: equal for equal values, whatever the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.content_digest import compute_content_digest
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.sample import SizeRecord


def describe_parquet_files(session: Session, files: Iterable[Path]) -> tuple[dict[str, str], str]:
    """Return the columns of Parquet files with DuckDB's names of their types, and their content digest."""
    relation = build_parquet_reader(files)
    rows = session.fetch_rows(f"describe select * from {relation}", doing="the content digest")
    columns = {row[0]: row[1] for row in rows}
    return columns, compute_content_digest(session, relation, columns)


def compute_assignment_digest(
    session: Session, weights: Path, key: Sequence[str], types: Mapping[str, str], sizes: Sequence[SizeRecord]
) -> str:
    """Return the content digest of the keys, strata and recorded sizes in a file of weights.

    Args:
        session: Reads the file.
        weights: The file.
        key: The columns of the unit's key.
        types: The types of the unit table's columns.
        sizes: The recorded sizes.
    """
    columns = {
        **{column: types[column] for column in key},
        "stratum": "INTEGER",
        **dict.fromkeys(sorted(size.name for size in sizes), "DOUBLE"),
    }
    shown = ", ".join(quote_identifier(column) for column in columns)
    return compute_content_digest(session, f"(select {shown} from {build_parquet_reader([weights])})", columns)
