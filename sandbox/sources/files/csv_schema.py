"""Read the layout of CSV files, and infer column types from all values of all files.

A column has a type only if every value is written in that type's canonical form. So nothing is lost, and neither the
first rows nor the split into files matter: ``007`` stays text, and so do ambiguous dates.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_compression_option, detect_delimiter, format_file_list
from sandbox.error_text import describe_foreign_error
from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile

(
    POSITIVE_INTEGER,
    NEGATIVE_INTEGER,
    UNSIGNED_BIGINT,
    DECIMAL_NUMBER,
    NON_FINITE_NUMBER,
    BOOLEAN,
    DATE,
    TIMESTAMP,
    ZONED_TIMESTAMP,
    TEXT,
) = (1 << bit for bit in range(10))
DATE_PATTERN = r"\d{4}-\d\d-\d\d"
TIME_PATTERN = r"[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
ZONE_PATTERN = r"(Z|[+-]\d\d(:?\d\d)?)"
DECIMAL_PATTERN = r"-?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?"


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """Delimiter, columns in file order and compression of a CSV file."""

    delimiter: str
    columns: tuple[str, ...]
    is_gzipped: bool = False


def build_csv_reader(paths: Iterable[str], layout: CsvLayout, option: str = "") -> str:
    """Build the table function for CSV files of one layout as text, without detection.

    An empty field is NULL, ``""`` is an empty text, and a malformed line is an error.
    """
    columns = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in layout.columns)
    return (
        f"read_csv({format_file_list(paths)}, auto_detect = false, columns = {{{columns}}}, header = true, "
        f"delim = {quote_literal(layout.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        f"nullstr = '', allow_quoted_nulls = false, {build_compression_option([layout.is_gzipped])}, hive_partitioning = false{option})"
    )


def group_by_layout(files: Sequence[SourceFile], layouts: Sequence[CsvLayout]) -> dict[CsvLayout, list[str]]:
    """Group the paths of files by layout."""
    groups: dict[CsvLayout, list[str]] = {}
    for file, layout in zip(files, layouts, strict=True):
        groups.setdefault(layout, []).append(file.path)
    return groups


def read_layout(file: SourceFile) -> CsvLayout:
    """Read a file's header.

    Raises:
        SourceError: The header is missing, or has duplicate or empty names.
    """
    try:
        with (
            file.open_decompressed() as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines,
        ):
            first = lines.readline()
            while first.count('"') % 2 and (more := lines.readline()):
                first += more
        if any("\udc80" <= letter <= "\udcff" for letter in first):  # DuckDB checks the other lines
            raise SourceError(f"{file.path}: line 1 is not UTF-8", hint="write the file again in UTF-8")
        mark = detect_delimiter(first)
        names = next(csv.reader([first], delimiter=mark, strict=True), [])
    except (OSError, EOFError, csv.Error) as error:
        raise SourceError(f"{file.path}: the header cannot be read: {describe_foreign_error(error)}") from error
    if not names:
        raise SourceError(f"{file.path} is empty; the first line must name the columns")
    lower = [name.lower() for name in names]
    if "" in names or len(set(lower)) < len(names):
        twice = sorted({name for name in names if name and lower.count(name.lower()) > 1})
        what = f"names {', '.join(twice)} more than once" if twice else "has a column without a name"
        raise SourceError(f"{file.path}: the header {what}", hint="give every column a name of its own")
    return CsvLayout(delimiter=mark, columns=tuple(names), is_gzipped=file.is_gzipped)


def infer_types_and_row_count(
    session: Session, files: Sequence[SourceFile], layouts: Sequence[CsvLayout], fixed: Mapping[str, str]
) -> tuple[dict[str, str], int]:
    """Return each column's type and the number of rows, in one pass over all files; types in ``fixed`` are kept."""
    names = layouts[0].columns
    inferred = [name for name in names if name not in fixed]
    seen = "".join(f", bit_or({_build_classifier_sql(quote_identifier(name))})" for name in inferred)
    columns = ", ".join(quote_identifier(name) for name in names)
    rows = " union all ".join(
        f"select {columns} from {build_csv_reader(paths, layout)}"
        for layout, paths in group_by_layout(files, layouts).items()
    )
    count, *masks = session.fetch_rows(f"select count(*){seen} from ({rows})", doing="reading the column types")[0]
    types = {name: _choose_type(mask or 0) for name, mask in zip(inferred, masks, strict=True)}
    return {name: fixed.get(name) or types[name] for name in names}, count


def infer_types_of_texts(session: Session, texts: Mapping[str, Sequence[str | None]]) -> dict[str, str]:
    """Return the types of columns from their values as text; an empty text makes a column VARCHAR."""
    types = {}
    for name, values in texts.items():
        masks = session.fetch_rows(
            f"select bit_or({_build_classifier_sql('value')}), count_if(value = '') from (select unnest(?::varchar[]) as value)",
            [list(values)],
            doing="reading the column types",
        )
        [(mask, empty)] = masks
        types[name] = "VARCHAR" if empty else _choose_type(mask or 0)
    return types


def infer_temporal_type(session: Session, select: str, column: str, kind: str) -> str:
    """Return ``kind`` (DATE or TIMESTAMP) if all values of a text column are written as one, else VARCHAR."""
    [(mask,)] = session.fetch_rows(
        f"select bit_or({_build_classifier_sql(quote_identifier(column))}) | max(case when {quote_identifier(column)} = '' then {TEXT} else 0 end) "
        f"from ({select})",
        doing="reading the column types",
    )
    allowed = DATE if kind == "DATE" else DATE | TIMESTAMP
    return kind if mask and mask & ~allowed == 0 else "VARCHAR"


def _build_classifier_sql(value: str) -> str:
    """Build the SQL of the bit for a value's notation; NULL for an empty field."""
    return f"""case
        when {value} is null or {value} = '' then null
        when try_cast({value} as bigint)::varchar = {value}
            then case when {value}[1] = '-' then {NEGATIVE_INTEGER} else {POSITIVE_INTEGER} end
        when try_cast({value} as ubigint)::varchar = {value} then {UNSIGNED_BIGINT}
        when regexp_full_match({value}, '{DECIMAL_PATTERN}') and try_cast({value} as double) is not null
            then case when regexp_full_match({value}, '-?\\d+') then {TEXT} else {DECIMAL_NUMBER} end
        when regexp_full_match({value}, '-?(nan|inf|infinity)', 'i') then {NON_FINITE_NUMBER}
        when lower({value}) in ('true', 'false') then {BOOLEAN}
        when regexp_full_match({value}, '{DATE_PATTERN}') and try_cast({value} as date) is not null then {DATE}
        when regexp_full_match({value}, '{DATE_PATTERN}{TIME_PATTERN}') and try_cast({value} as timestamp) is not null
            then {TIMESTAMP}
        when regexp_full_match({value}, '{DATE_PATTERN}{TIME_PATTERN}{ZONE_PATTERN}') and try_cast({value} as timestamptz) is not null
            then {ZONED_TIMESTAMP}
        else {TEXT} end"""


def _choose_type(mask: int) -> str:
    """Return the narrowest type for all values of a column.

    >>> _choose_type(POSITIVE_INTEGER), _choose_type(POSITIVE_INTEGER | DECIMAL_NUMBER), _choose_type(DATE | TIMESTAMP), _choose_type(POSITIVE_INTEGER | TEXT), _choose_type(0)
    ('BIGINT', 'DOUBLE', 'TIMESTAMP', 'VARCHAR', 'VARCHAR')
    """
    integers = POSITIVE_INTEGER | NEGATIVE_INTEGER
    choices = (
        (integers, "BIGINT"),
        (POSITIVE_INTEGER | UNSIGNED_BIGINT, "UBIGINT"),
        (BOOLEAN, "BOOLEAN"),
        (DATE, "DATE"),
        (DATE | TIMESTAMP, "TIMESTAMP"),
        (ZONED_TIMESTAMP, "TIMESTAMP WITH TIME ZONE"),
    )
    if mask == 0:
        return "VARCHAR"
    for allowed, kind in choices:
        if mask & ~allowed == 0:
            return kind
    numbers = integers | DECIMAL_NUMBER | NON_FINITE_NUMBER
    return "DOUBLE" if mask & ~numbers == 0 and mask & (integers | DECIMAL_NUMBER) else "VARCHAR"
