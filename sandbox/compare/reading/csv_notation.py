"""Rewrite the values of CSV files from the notation of the settings to the usual one, alike on both sides.

A column is rewritten only if all its values on both sides are written as the settings say. So ``1.1.2024`` and
``01.01.2024`` are one date, and two texts where another value of the column is no date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.reading.text_columns import KINDS
from sandbox.engine.duckdb.session import quote_literal
from sandbox.sources.files.csv_values import (
    NUMBER_MISMATCH,
    build_number_sql,
    build_text_sql,
    choose_format_type,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.relations import TextRows
    from sandbox.config.sections.csv import CsvSection
    from sandbox.engine.duckdb.session import Session

    Places = Mapping[str, Sequence[tuple[TextRows, str]]]

PLAIN_NUMBER = KINDS[1].test
DOING = "reading values as csv in the settings says"


def rewrite_values(session: Session, places: Places, sections: Mapping[TextRows, CsvSection]) -> set[str]:
    """Rewrite texts that are NULL, numbers, and dates of columns with a format of their own.

    Args:
        session: Holds the tables.
        places: Each column's tables, and what it is called there in SQL.
        sections: The settings of each table that has some.

    Returns:
        The columns that are text, because a value looks like a number and is none in the notation of the settings.
    """
    texts = set()
    for name, owners in places.items():
        owned = [(table, column, sections[table]) for table, column in owners if table in sections]
        for table, column, section in owned:
            if section.list_null_texts(name):
                _update(session, table, column, build_text_sql(column, name, section))
        if any(section.has_number_format for *_, section in owned):
            numbers = [(table, column, build_number_sql(column, section)) for table, column, section in owned]
            checks = [
                _check_all(session, table, f"starts_with({sql}, {quote_literal(NUMBER_MISMATCH)})", column)
                for table, column, sql in numbers
            ]
            if any(matches for matches, _ in checks):
                texts.add(name)
            elif all(
                _check_all(session, table, f"not {PLAIN_NUMBER.format(f'({sql})')}", column)[0] == 0
                for table, column, sql in numbers
            ):
                for table, column, sql in numbers:
                    _update(session, table, column, sql)
        if any(isinstance(section.date_format, dict) for *_, section in owned):
            _rewrite_dates(session, name, owned)
    return texts


def rewrite_text_dates(session: Session, places: Places, sections: Mapping[TextRows, CsvSection]) -> list[str]:
    """Rewrite columns that are dates in the format for all columns, and would be text otherwise; return their names."""
    rewritten = []
    for name, owners in places.items():
        owned = [(table, column, sections[table]) for table, column in owners if table in sections]
        if any(isinstance(section.date_format, str) for *_, section in owned) and _rewrite_dates(session, name, owned):
            rewritten.append(name)
    return rewritten


def _rewrite_dates(session: Session, name: str, owned: Sequence[tuple[TextRows, str, CsvSection]]) -> bool:
    """Rewrite a column as dates if all its values are dates in the format of the settings; return whether they are."""
    rewritten = []
    count = 0
    for table, column, section in owned:
        pattern = section.get_date_format(name)
        if pattern is None:
            return False
        value = f"try_strptime({column}, {quote_literal(pattern)})"
        wrong, present = _check_all(session, table, f"{value} is null or not isfinite({value})", column)
        if wrong:
            return False
        count += present
        kind = "::date" if choose_format_type(pattern) == "DATE" else ""
        rewritten.append((table, column, f"{value}{kind}::varchar"))
    for table, column, sql in rewritten:
        _update(session, table, column, sql)
    return count > 0


def _check_all(session: Session, table: TextRows, condition: str, column: str) -> tuple[int, int]:
    """Return the number of values that meet a condition, and of all."""
    [(matches, count)] = session.fetch_rows(
        f"select count_if({condition}), count(*) from {table} where {column} is not null", doing=DOING
    )
    return matches, count


def _update(session: Session, table: TextRows, column: str, sql: str) -> None:
    session.execute(f"update {table} set {column} = {sql} where {column} is not null", doing=DOING)
