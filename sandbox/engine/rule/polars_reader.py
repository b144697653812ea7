"""Candidate rows of a Parquet file, found by the permanent random number of their key.

DuckDB decodes every column before it filters by arithmetic: the filter may fail, so it is not pushed into the reader.
Polars decodes the key first, and the other columns for the remaining rows only. Its result is only a superset: the
session applies the sampling rule to it again.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.rule.prn import PRIME, compute_fold, compute_random_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

KEY_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
# Both libraries return equal values for these types; others (nested, UUID, TIME, INTERVAL, ...) are not verified.
SUPPORTED_TYPE = re.compile(
    r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|BOOLEAN|VARCHAR|DATE|DECIMAL\(\d+,\d+\)"
    r"|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?"
)


@dataclass(frozen=True, kw_only=True)
class PolarsReadRequest:
    """What to read from a file.

    Attributes:
        columns: The columns.
        key: The key, one of them.
        coefficients: See `sandbox.engine.rule.prn.compute_coefficients`.
        threshold: Upper limit (exclusive) of the permanent random number.
        row_number_column: The name of an additional column: the row number in the file.
    """

    columns: Sequence[str]
    key: str
    coefficients: Sequence[int]
    threshold: int
    row_number_column: str


def can_read_table(columns: Mapping[str, str], key: Sequence[str]) -> bool:
    """Return whether Polars is installed (an extra) and can read a table with these columns and DuckDB types."""
    if importlib.util.find_spec("polars") is None:
        return False
    patterns = any(name.startswith("^") and name.endswith("$") for name in columns)  # a regular expression to Polars
    plain = all(SUPPORTED_TYPE.fullmatch(kind) for kind in columns.values())
    return len(key) == 1 and columns[key[0]] in KEY_TYPES and plain and not patterns


def can_read_file(footer: pq.FileMetaData, columns: Iterable[str]) -> bool:
    """Return whether a file has these columns, all in a physical type that both libraries read alike."""
    kinds = {footer.schema.column(i).path: footer.schema.column(i) for i in range(len(footer.schema))}
    return all(name in kinds and kinds[name].physical_type != "INT96" for name in columns)


def has_no_nulls(footer: pq.FileMetaData, columns: Iterable[str]) -> bool:
    """Return whether a file's statistics exclude NULLs in these columns."""
    return all(
        statistics is not None and statistics.has_null_count and statistics.null_count == 0
        for column in columns
        for statistics in _read_statistics(footer, column)
    )


def has_small_keys(footer: pq.FileMetaData, key: str) -> bool:
    """Return whether a file's statistics put each key into [0, P), where folding is the identity."""
    return all(
        statistics is not None and statistics.has_min_max and 0 <= statistics.min <= statistics.max < PRIME
        for statistics in _read_statistics(footer, key)
    )


def _read_statistics(footer: pq.FileMetaData, column: str) -> Iterator[Any]:
    """Yield a column's statistics in each row group; None if it has none."""
    index = next((i for i in range(len(footer.schema)) if footer.schema.column(i).path == column), None)
    for group in range(footer.num_row_groups):
        yield None if index is None else footer.row_group(group).column(index).statistics


def read_candidate_rows(
    path: str, request: PolarsReadRequest, rows: tuple[int, int | None], *, small: bool
) -> pa.Table | None:
    """Read the rows of a file, or of a range of it, with a permanent random number below the threshold.

    Args:
        path: A local Parquet file.
        request: What to read.
        rows: The first row number, and the one after the last; None reads to the end.
        small: Whether keys are expected to lie in [0, P). Rows with other keys are always returned.

    Returns:
        The columns and the row number, possibly with extra rows; None if Polars cannot read the file, so that DuckDB
        reports the error.
    """
    import polars as pl  # noqa: PLC0415 - takes 0.1 s

    first, stop = rows
    key = pl.col(request.key).cast(pl.Int64)
    # Unsigned, because unsigned remainders are faster.
    x = (key if small else compute_fold(key, request.coefficients, shift_right=_shift_right)).reinterpret(signed=False)
    low = compute_random_number(x, request.coefficients) < request.threshold
    if small:
        low = low | (x >= PRIME)
    try:
        scan = pl.scan_parquet(
            path,
            row_index_name=request.row_number_column,
            glob=False,
            hive_partitioning=False,
            use_statistics=False,
        )
        if stop is not None:
            scan = scan.slice(first, stop - first)
        return (
            scan.filter(low).select(*request.columns, request.row_number_column).collect(engine="streaming").to_arrow()
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None


def _shift_right(key: Any, bits: int) -> Any:
    """Shift a signed expression, which has no operator for it: floor division is the same."""
    return key // 2**bits
