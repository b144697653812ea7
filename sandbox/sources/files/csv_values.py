"""Build SQL for values of CSV files: texts that are NULL, numbers and dates in the notation of the settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_literal
from sandbox.engine.sql.type_names import NUMBER_TYPE, TEMPORAL_TYPE

if TYPE_CHECKING:
    from sandbox.config.sections.csv import CsvSection

TIME_DIRECTIVES = re.compile(r"%-?[HIpMSfgnXcTR]")
NUMBER_MISMATCH = "?"  # before a text that looks like a number and is none in the notation of the settings
ZONE_DIRECTIVES = re.compile(r"%z|%Z")


def build_text_sql(column: str, name: str, section: CsvSection) -> str:
    """Build the SQL of a field's text; ``column`` is the SQL of the field."""
    texts = ", ".join(map(quote_literal, section.list_null_texts(name)))
    return f"case when {column} in ({texts}) then null else {column} end" if texts else column


def build_number_sql(text: str, section: CsvSection) -> str:
    """Build the SQL of a text with a number as ``1234.5``; another text that looks like a number becomes one that does not.

    >>> from sandbox.config.sections.csv import CsvSection
    >>> build_number_sql("t", CsvSection())
    't'
    """
    if not section.has_number_format:
        return text
    decimal, thousands = re.escape(section.decimal), re.escape(section.thousands or "")
    grouped = rf"\d{{1,3}}({thousands}\d{{3}})+|" if thousands else ""
    pattern = quote_literal(rf"-?({grouped}\d+)?({decimal}\d*)?([eE][+-]?\d+)?")
    number = text if not thousands else f"replace({text}, {quote_literal(section.thousands or '')}, '')"
    number = number if section.decimal == "." else f"replace({number}, {quote_literal(section.decimal)}, '.')"
    lookalike = r"'[-+.,\d]+([eE][+-]?\d+)?'"
    return (
        f"case when regexp_full_match({text}, {pattern}) then {number} "
        f"when regexp_full_match({text}, {lookalike}) then {quote_literal(NUMBER_MISMATCH)} || {text} else {text} end"
    )


def build_value_sql(column: str, name: str, kind: str, section: CsvSection) -> str:
    """Build the SQL of a field's value in a type; an empty text is NULL unless the type is text."""
    text = build_text_sql(column, name, section)
    if kind == "VARCHAR":
        return text
    if NUMBER_TYPE.fullmatch(kind):
        return f"nullif({build_number_sql(text, section)}, '')::{kind}"
    pattern = section.get_date_format(name)
    if pattern is not None and TEMPORAL_TYPE.fullmatch(kind):
        return f"coalesce(try_strptime({text}, {quote_literal(pattern)})::{kind}, nullif({text}, '')::{kind})"
    return f"nullif({text}, '')::{kind}"


def build_castable_sql(column: str, name: str, kind: str, section: CsvSection) -> str:
    """Build the SQL of a field's text that is cast to a type exactly if `build_value_sql` gives a value."""
    text = build_text_sql(column, name, section)
    pattern = section.get_date_format(name)
    if NUMBER_TYPE.fullmatch(kind):
        return build_number_sql(text, section)
    if pattern is not None and TEMPORAL_TYPE.fullmatch(kind):
        return f"coalesce(try_strptime({text}, {quote_literal(pattern)})::varchar, {text})"
    return text


def choose_format_type(pattern: str) -> str:
    """Return the type of values in a format of dates.

    >>> choose_format_type("%d.%m.%Y"), choose_format_type("%d.%m.%Y %H:%M"), choose_format_type("%FT%T%z")
    ('DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE')
    """
    if ZONE_DIRECTIVES.search(pattern):
        return "TIMESTAMP WITH TIME ZONE"
    return "TIMESTAMP" if TIME_DIRECTIVES.search(pattern) else "DATE"
