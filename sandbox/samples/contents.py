"""What a sample holds, as digests: equal for equal values, whatever the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.content_digest import content_digest
from sandbox.engine.duckdb.table_functions import file_list

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session


def columns_and_content(session: Session, files: Iterable[Path]) -> tuple[dict[str, str], str]:
    """Give the columns of Parquet files with the engine's names of their types, and their content digest."""
    relation = f"read_parquet({file_list(files)}, hive_partitioning = false)"
    found = session.rows(f"describe select * from {relation}", doing="the content digest")
    columns = {row[0]: row[1] for row in found}
    return columns, content_digest(session, relation, columns)
