"""Check the types of Parquet files that DuckDB would read with other values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.engine.duckdb.arrow_types import MAX_DECIMAL_DIGITS, walk_types
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow.parquet as pq

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

INT96_OPTION = ", int96_as = 'timestamp_ns'"
SPARK_VERSION_KEY = b"org.apache.spark.version"  # Spark's timestamps have microseconds
FIRST_NANOSECOND, LAST_NANOSECOND = "timestamp '1677-09-22'", "timestamp '2262-04-11'"


def group_by_types(schemas: Sequence[pa.Schema]) -> tuple[int, ...]:
    """Return a number for each schema, the same for schemas with the same types."""
    numbers: dict[tuple[tuple[str, str], ...], int] = {}
    return tuple(
        numbers.setdefault(tuple((field.name, str(field.type)) for field in schema), len(numbers)) for schema in schemas
    )


def check_decimal_digits(files: Sequence[SourceFile], schemas: Sequence[pa.Schema], columns: Collection[str]) -> None:
    """Check that no decimal has more digits than DuckDB's: it would be read as DOUBLE.

    Raises:
        SourceError: One has.
    """
    for file, schema in zip(files, schemas, strict=True):
        for field in schema:
            long = (
                pa.types.is_decimal(kind) and kind.precision > MAX_DECIMAL_DIGITS for kind in walk_types(field.type)
            )
            if field.name in columns and any(long):
                raise SourceError(
                    f"{file.path}: {field.name} is {field.type}, and decimals of {MAX_DECIMAL_DIGITS} digits are the longest",
                    hint=f'leave the column out: leave_out = ["{field.name}"]',
                )


def find_int96_nanoseconds(
    session: Session, request: TableRequest, footers: Sequence[pq.FileMetaData], columns: Sequence[str]
) -> list[str]:
    """Return the INT96 columns with nanoseconds, which DuckDB reads as microseconds by default.

    Raises:
        SourceError: A column has nanoseconds, and also times that a timestamp with nanoseconds does not hold.
    """
    if all(SPARK_VERSION_KEY in (footer.metadata or {}) for footer in footers):
        return []
    held = {
        footer.schema.column(index).path
        for footer in footers
        for index in range(len(footer.schema))
        if footer.schema.column(index).physical_type == "INT96"
    }
    names = [name for name in columns if name in held and name not in request.fixed]
    if not names:
        return []
    paths = f"{format_file_list(file.path for file in request.files)}, union_by_name = true, hive_partitioning = false"
    fine = ", ".join(f"count_if(epoch_ns({quote_identifier(name)}) % 1000 <> 0)" for name in names)
    outside = ", ".join(
        f"count_if({quote_identifier(name)} not between {FIRST_NANOSECOND} and {LAST_NANOSECOND})" for name in names
    )
    doing = f"reading {request.name}"
    [beyond] = session.fetch_rows(f"select {outside} from read_parquet({paths})", doing=doing)
    [found] = session.fetch_rows(f"select {fine} from read_parquet({paths}{INT96_OPTION})", doing=doing)
    exact = [
        name
        for name, count, far in zip(names, found, beyond, strict=True)
        if count and (not far or _has_nanoseconds(session, paths, name, doing))
    ]
    if exact and any(beyond):
        far = next(name for name, count in zip(names, beyond, strict=True) if count)
        raise SourceError(
            f"{request.files[0].path}: {exact[0]} has nanoseconds, and {far} times before 1677 or after 2262, which no "
            "timestamp with nanoseconds holds",
            hint=f'leave a column out: leave_out = ["{far}"] in [tables.{request.name}]',
        )
    return exact


def _has_nanoseconds(session: Session, paths: str, name: str, doing: str) -> bool:
    """Check whether a value within the range of nanoseconds has some; the others wrap around."""
    marked = f"{paths}, filename = 'file', file_row_number = true"
    column = quote_identifier(name)
    rows = [
        f"(select {column} as value, file, file_row_number as place from read_parquet({marked}{option}))"
        for option in ("", INT96_OPTION)
    ]
    found = session.fetch_rows(
        f"select 1 from {rows[0]} a join {rows[1]} b using (file, place) "
        f"where a.value between {FIRST_NANOSECOND} and {LAST_NANOSECOND} and epoch_ns(b.value) % 1000 <> 0 limit 1",
        doing=doing,
    )
    return bool(found)
