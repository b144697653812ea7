"""Open Delta and Iceberg folders at their current version; their files come from others and are not trusted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.engine.lakes import delta, iceberg
from sandbox.errors import SourceError
from sandbox.sources.adapters.lakehouse import open_lake_table
from sandbox.sources.registry import build_select
from sandbox.tables.folder_contents import DELTA_LOG, ICEBERG_METADATA

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.lakes.lake_table import LakeTable
    from sandbox.model import TableFiles

_DELETION_VECTOR = re.compile(r"deletion_vector_[0-9a-f-]+\.bin")  # the log holds its name encoded


def open_lake_folder(session: Session, table: TableFiles, key: str) -> str:
    """Return SQL of the rows of a lake's table; ``key`` names it in the session.

    Raises:
        SourceError: The table cannot be read, or its log names a file outside its folder.
    """
    assert table.folder is not None
    if table.format == "delta":
        lake = delta.load_table(str(table.folder), table.name, version=None)
    else:
        lake = iceberg.load_folder_table(table.folder, table.name)
    _check_files(lake, table, table.folder)
    return build_select(open_lake_table(session, key, lake))


def list_unlogged_files(table: TableFiles) -> list[Path]:
    """Return the files of a lake's folder that no version in its log names: readers of the table never see them.

    Raises:
        SourceError: The log cannot be read.
    """
    folder = table.folder
    assert folder is not None
    module, log = (delta, DELTA_LOG) if table.format == "delta" else (iceberg, ICEBERG_METADATA)
    logged = module.list_logged_files(folder)
    return [
        path
        for path in table.paths
        if path not in logged
        and path.relative_to(folder).parts[0] != log
        and not (table.format == "delta" and _DELETION_VECTOR.fullmatch(path.name))
    ]


def _check_files(lake: LakeTable, table: TableFiles, folder: Path) -> None:
    """Check that a log names only recorded files of its folder: it could name any file of this machine."""
    deletes = [delete.path for file in lake.files for delete in file.equality_deletes]
    known = {str(path) for path in table.paths}
    for path in [*(file.path for file in (*lake.files, *lake.position_deletes)), *deletes]:
        if path not in known:
            raise SourceError(f"{table.name}: the log names a file that does not lie in {folder.name}")
