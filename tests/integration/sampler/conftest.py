"""A project whose source is made by a test, and the rows of its samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.projects import SourceProject, create_source_project

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.model import Sample


def rows(sample: Sample, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """Give the rows of a table of a sample, part after part."""
    found: list[tuple[Any, ...]] = []
    with duckdb.connect() as connection:
        for path in sample.tables[table].paths:
            literal = str(path).replace("'", "''")
            found += connection.execute(f"select {columns} from read_parquet('{literal}')").fetchall()
    return found


Read = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def place(tmp_path: Path) -> SourceProject:
    return create_source_project(tmp_path)


@pytest.fixture
def read() -> Read:
    return rows
