"""Rows of a Parquet file with a low permanent random number, found by the key alone: of all others nothing is decoded.

DuckDB decodes every value of a file before it filters by arithmetic, which may fail and so is not left to its reader. Polars
decodes the key first, and of the other columns the rows that are left. What it gives is no more than a first choice: the
session applies the sampling rule to it again, so that one piece of code decides, whatever was read and how.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.rule.prn import PRIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

KEY_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
# Both libraries give equal values of these; of others (nested, UUID, TIME, INTERVAL, ...) that was not made sure of.
SUPPORTED_TYPE = re.compile(
    r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|BOOLEAN|VARCHAR|DATE|DECIMAL\(\d+,\d+\)"
    r"|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?"
)
SHIFT_DIVISOR = 2**31  # what a shift by 31 bits divides by


@dataclass(frozen=True, kw_only=True)
class PolarsReadRequest:
    """What is to be read of a file.

    Attributes:
        columns: The columns.
        key: The key, one of them.
        coefficients: See `sandbox.engine.rule.prn.compute_coefficients`.
        threshold: The permanent random number that every row's must be under.
        row_number_column: The name of one column more: the row's place in the file.
    """

    columns: Sequence[str]
    key: str
    coefficients: Sequence[int]
    threshold: int
    row_number_column: str


def can_read_table(columns: Mapping[str, str], key: Sequence[str]) -> bool:
    """Say whether rows of a table with these columns, and the engine's names of their types, can be read so."""
    patterns = any(name.startswith("^") and name.endswith("$") for name in columns)  # Polars reads more into these
    plain = all(SUPPORTED_TYPE.fullmatch(kind) for kind in columns.values())
    return len(key) == 1 and columns[key[0]] in KEY_TYPES and plain and not patterns


def can_read_file(footer: pq.FileMetaData, columns: Iterable[str]) -> bool:
    """Say whether a file has these columns, and none of them in a form that the libraries read in different ways."""
    kinds = {footer.schema.column(i).path: footer.schema.column(i) for i in range(len(footer.schema))}
    return all(name in kinds and kinds[name].physical_type != "INT96" for name in columns)


def has_no_nulls(footer: pq.FileMetaData, columns: Iterable[str]) -> bool:
    """Say whether a file's own statistics tell that some of its columns hold no NULL."""
    return all(
        statistics is not None and statistics.has_null_count and statistics.null_count == 0
        for column in columns
        for statistics in _read_statistics(footer, column)
    )


def has_small_keys(footer: pq.FileMetaData, key: str) -> bool:
    """Say whether a file's own statistics put each value of an integer column into [0, P), where the fold changes none."""
    return all(
        statistics is not None and statistics.has_min_max and 0 <= statistics.min <= statistics.max < PRIME
        for statistics in _read_statistics(footer, key)
    )


def _read_statistics(footer: pq.FileMetaData, column: str) -> Iterator[Any]:
    """Give what a file tells of a column in each row group; None where it tells nothing."""
    index = next((i for i in range(len(footer.schema)) if footer.schema.column(i).path == column), None)
    for group in range(footer.num_row_groups):
        yield None if index is None else footer.row_group(group).column(index).statistics


def read_candidate_rows(
    path: str, wanted: PolarsReadRequest, rows: tuple[int, int | None], *, small: bool
) -> pa.Table | None:
    """Read the rows of a file, or of a range of it, whose permanent random number is low enough.

    Args:
        path: A Parquet file of this machine.
        wanted: What is wanted.
        rows: The place of the first row in the file, and the one behind the last; None reads to the end.
        small: Whether keys are believed to lie in [0, P). Where they do not the row comes in any case.

    Returns:
        The columns and the place, perhaps with rows that are not wanted; None where Polars cannot read the file, so that
        somebody else has to say why.
    """
    import polars as pl  # noqa: PLC0415 - 0.1 s that only a large table is worth

    first, stop = rows
    key = pl.col(wanted.key).cast(pl.Int64)
    x = (key if small else _compute_fold(key, wanted.coefficients)).reinterpret(signed=False)
    low = _compute_random_number(x, wanted.coefficients) < wanted.threshold
    if small:
        low = low | (x >= PRIME)
    try:
        scan = pl.scan_parquet(
            path,
            row_index_name=wanted.row_number_column,
            glob=False,
            hive_partitioning=False,
            use_statistics=False,
        )
        if stop is not None:
            scan = scan.slice(first, stop - first)
        return scan.filter(low).select(*wanted.columns, wanted.row_number_column).collect(engine="streaming").to_arrow()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None


def _compute_fold(key: Any, coefficients: Sequence[int]) -> Any:
    """Fold a key as `sandbox.engine.rule.sampling_rule.add_random_numbers` does; a division that rounds down is a shift."""
    limbs = ((key // SHIFT_DIVISOR) & PRIME) * coefficients[4] % PRIME + ((key // SHIFT_DIVISOR**2) & 3) * coefficients[
        5
    ] % PRIME
    return ((key & PRIME) + limbs) % PRIME


def _compute_random_number(x: Any, coefficients: Sequence[int]) -> Any:
    """Give the number of a folded key, without a sign: what remains of a division is found faster so."""
    c0, c1, c2, c3 = coefficients[:4]
    return ((((x * c3 + c2) % PRIME) * x + c1) % PRIME * x + c0) % PRIME
