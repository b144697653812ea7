"""Infer the column types of CSV files from all values of all files.

A column has a type only if every value is written in that type's canonical form. So nothing is lost, and neither the
first rows nor the split into files matter: ``007`` stays text, and so do ambiguous dates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.sections.csv import PLAIN_CSV
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.sql.number_text import build_exact_double_condition
from sandbox.sources.files.csv_layout import CsvLayout, build_csv_reader, group_by_layout
from sandbox.sources.files.csv_values import build_number_sql, build_text_sql, choose_format_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.csv import CsvSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

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
    LONG_INTEGER,
) = (1 << bit for bit in range(11))
DATE_PATTERN = r"\d{4}-\d\d-\d\d"
TIME_PATTERN = r"[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
ZONE_PATTERN = r"(Z|[+-]\d\d(:?\d\d)?)"
DECIMAL_PATTERN = r"-?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?"


def infer_types_and_row_count(
    session: Session,
    files: Sequence[SourceFile],
    layouts: Sequence[CsvLayout],
    request: TableRequest,
) -> tuple[dict[str, str], int]:
    """Return the type of each column to take, and the number of rows, in one pass over all files; fixed types are kept."""
    section, fixed = request.section.csv or PLAIN_CSV, request.fixed
    names = [name for name in layouts[0].columns if request.section.takes_column(name)]
    inferred = [name for name in names if name not in fixed]
    seen = "".join(f", {sql}" for name in inferred for sql in _build_column_aggregates(name, section))
    columns = ", ".join(map(quote_identifier, names)) or "1"
    rows = " union all ".join(
        f"select {columns} from {build_csv_reader(addresses, layout)}"
        for layout, addresses in group_by_layout(files, layouts).items()
    )
    count, *cells = session.fetch_rows(f"select count(*){seen} from ({rows})", doing="reading the column types")[0]
    answers = iter(cells)
    types = {name: _choose_column_type(name, section, next(answers), is_date=next(answers)) for name in inferred}
    return {name: fixed.get(name) or types[name] for name in names}, count


def _build_column_aggregates(name: str, section: CsvSection) -> tuple[str, str]:
    """Build the SQL of a column's notations, and of whether all its values are dates in the format of the settings."""
    text = build_text_sql(quote_identifier(name), name, section)
    pattern = section.get_date_format(name)
    mask = f"bit_or({_build_classifier_sql(build_number_sql(text, section))})"
    if pattern is None:
        return mask, "null"
    return mask, f"bool_and(try_strptime({text}, {quote_literal(pattern)}) is not null) filter ({text} <> '')"


def _choose_column_type(name: str, section: CsvSection, mask: int | None, *, is_date: bool | None) -> str:
    kind, pattern = _choose_type(mask or 0), section.get_date_format(name)
    # A format for all columns decides only where nothing else does: 20240101 is a number.
    if is_date and pattern is not None and (kind == "VARCHAR" or isinstance(section.date_format, dict)):
        return choose_format_type(pattern)
    return kind


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
    """Build the SQL of the bits for a value's notation; NULL for an empty field."""
    exact = build_exact_double_condition(value)
    return f"""case
        when {value} is null or {value} = '' then null
        when try_cast({value} as bigint)::varchar = {value}
            then case when {value}[1] = '-' then {NEGATIVE_INTEGER} else {POSITIVE_INTEGER} end
                | case when length({value}) > 15 and not {exact} then {LONG_INTEGER} else 0 end
        when try_cast({value} as ubigint)::varchar = {value} then {UNSIGNED_BIGINT}
        when regexp_full_match({value}, '{DECIMAL_PATTERN}') and try_cast({value} as double) is not null
            then case when regexp_full_match({value}, '-?\\d+') or not {exact} then {TEXT} else {DECIMAL_NUMBER} end
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
    >>> _choose_type(POSITIVE_INTEGER | LONG_INTEGER | DECIMAL_NUMBER)  # no DOUBLE for integers that it does not hold
    'VARCHAR'
    """
    integers = POSITIVE_INTEGER | NEGATIVE_INTEGER
    choices = (
        (integers | LONG_INTEGER, "BIGINT"),
        (POSITIVE_INTEGER | LONG_INTEGER | UNSIGNED_BIGINT, "UBIGINT"),
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
