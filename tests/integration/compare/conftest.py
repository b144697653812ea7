"""Two queries, or two dictionaries of columns, compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path  # noqa: TC003 -- pytest looks at the annotations
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare import OutputRules, compare_tables
from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.manifest.diff import OutputDiff
from sandbox.model import SilentProgress, TableFiles

Compared = Callable[..., OutputDiff]


@pytest.fixture
def compared(tmp_path: Path) -> Compared:
    """Give a function that compares the rows of two queries, or two dictionaries of columns, by the key ``id``."""

    def give(baseline: Any, candidate: Any, rules: OutputRules | None = None, threads: int = 2) -> OutputDiff:
        tables = []
        for side, rows in (("baseline", baseline), ("candidate", candidate)):
            path = tmp_path / f"{side}.parquet"
            if isinstance(rows, str):
                with Session() as session:
                    session.execute(f"copy ({rows}) to {quote_literal(str(path))}")
            else:
                pq.write_table(pa.table(rows), path)
            tables.append({"t": TableFiles(name="t", format="parquet", paths=(path,))})
        return compare_tables(
            *tables,
            rules={"t": rules or OutputRules(key=("id",))},
            units={},
            identical=(),
            memory=2**29,
            threads=threads,
            progress=SilentProgress(),
        )["t"]

    return give
