"""Assert that tables hold the same data, and keep tables as snapshots beside the tests."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from sandbox.api import ArrowTable, TableComparison

UPDATE_FLAG = "--sandbox-update"
SCREEN_COLUMNS = 100


def assert_same_data(
    expected: str | os.PathLike[str] | ArrowTable,
    actual: str | os.PathLike[str] | ArrowTable,
    *,
    key: Sequence[str] = (),
    rules: str | os.PathLike[str] | None = None,
) -> None:
    """Fail unless two tables hold the same rows, in any order; rounding is accepted.

    Args:
        expected: A path (also ``file.duckdb:table``), or a table of pyarrow, pandas, Polars or DuckDB.
        actual: The table to compare with it.
        key: The columns that identify a row; empty to search for them.
        rules: A file with an ``[output]`` table: tolerances, columns to leave out, and a gate of its own.

    Raises:
        AssertionError: They differ; the message shows counts, columns and examples.
        SandboxError: They cannot be compared.

    >>> import pyarrow as pa
    >>> assert_same_data(pa.table({"id": [1, 2], "x": [0.1, 0.2]}), pa.table({"id": [2, 1], "x": [0.2, 0.1]}), key=["id"])
    """
    __tracebackhide__ = True
    from sandbox.api import compare_tables  # noqa: PLC0415 - tests without a comparison start fast

    found = compare_tables(expected, actual, key=key, rules=rules)
    if found.verdict == "outside_gate":
        raise AssertionError(_describe_difference(found))


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """The snapshots of a test: Parquet files in the folder ``snapshots`` beside its module.

    Attributes:
        folder: The folder of the module's snapshots.
        test: The name of the test.
        update: Whether snapshots are written instead of compared.
    """

    folder: Path
    test: str
    update: bool

    def __call__(
        self,
        table: ArrowTable,
        name: str = "",
        *,
        key: Sequence[str] = (),
        rules: str | os.PathLike[str] | None = None,
    ) -> None:
        """Fail unless a table holds the data of its snapshot; with ``--sandbox-update`` write the snapshot.

        Args:
            table: A table of pyarrow, pandas, Polars or DuckDB.
            name: Tells several snapshots of a test apart.
            key: The columns that identify a row; empty to search for them.
            rules: A file with an ``[output]`` table.

        Raises:
            AssertionError: It differs, or there is no snapshot.
        """
        __tracebackhide__ = True
        from sandbox.api import compare_tables, read_arrow  # noqa: PLC0415 - tests without a snapshot start fast

        path, rows = self.build_path(name), read_arrow(table)
        if path.is_file():
            found = compare_tables(path, rows, key=key, rules=rules)
            if found.verdict == "same" or (found.verdict == "within_gate" and not self.update):
                return
            difference = f"{_describe_difference(found)}\nto accept it: pytest {UPDATE_FLAG}"
        else:
            difference = f"there is no snapshot {path}; to write it: pytest {UPDATE_FLAG}"
        if not self.update:
            raise AssertionError(difference)
        _write_snapshot(path, rows)

    def build_path(self, name: str = "") -> Path:
        """Return the path of a snapshot; characters that not every file system takes become ``_``.

        >>> from pathlib import Path
        >>> Snapshots(folder=Path("tests/snapshots/test_value"), test="test_total[a/b]", update=False).build_path("by day")
        PosixPath('tests/snapshots/test_value/test_total[a_b]-by_day.parquet')
        """
        words = f"{self.test}-{name}" if name else self.test
        return self.folder / (re.sub(r"[^\w.\[\]=,-]", "_", words) + ".parquet")


def _describe_difference(found: TableComparison) -> str:
    """Return what differs, as ``sandbox diff`` prints it: one screen."""
    from rich.console import Console  # noqa: PLC0415 - tests that pass start fast

    from sandbox.report.terminal.diff import render_diff  # noqa: PLC0415

    text = io.StringIO()
    Console(file=text, width=SCREEN_COLUMNS, markup=False, emoji=False, highlight=False).print(
        render_diff(found.document)
    )
    return "\n".join(["the tables differ", *(line.rstrip() for line in text.getvalue().splitlines())])


def _write_snapshot(path: Path, rows: pa.Table) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - tests without a snapshot start fast

    from sandbox.store.folder import write_file  # noqa: PLC0415

    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    write_file(path, buffer.getvalue())
