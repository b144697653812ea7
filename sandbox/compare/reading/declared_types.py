"""Declared types of columns in text formats: they decide instead of the values, which have to be of the type exactly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.compare.sql_types import INTEGER_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.relations import TextRows
    from sandbox.engine.duckdb.session import Session
    from sandbox.errors import SandboxError

_DECIMAL_SCALE = re.compile(r"DECIMAL\(\d+, ?(\d+)\)")
_FRACTION = r"rtrim(regexp_extract({0}, '\.(\d+)', 1), '0')"
_NANOSECOND_TYPES = ("TIMESTAMP_NS", "TIME_NS", "TIMESTAMPTZ_NS")
_FRACTION_DIGITS = {"TIMESTAMP_S": 0, "TIMESTAMP_MS": 3}


def check_declared_types(
    session: Session,
    columns: Mapping[str, Sequence[tuple[TextRows, str]]],
    types: Mapping[str, str],
    *,
    failure: type[SandboxError],
) -> dict[str, str]:
    """Return the declared types of the given columns, after checking that each value is one of the type's.

    Args:
        session: Holds the tables.
        columns: Each column's tables, and what it is called there in SQL.
        types: The declared types by column.
        failure: The class of errors.

    Raises:
        SandboxError: Of the given class; some values are not of the type, or would lose digits.
    """
    declared = {name: types[name] for name in columns if name in types}
    for name, type_ in declared.items():
        for table, column in columns[name]:
            [(wrong,)] = session.fetch_rows(
                f"select count(*) from {table} where {column} is not null and not coalesce({_render_exact_sql(type_, column)}, false)",
                doing=f'checking the type of "{name}"',
            )
            if wrong:
                raise failure(
                    f'types says that "{name}" is {type_}, and {wrong:,} of its values are not, or would lose digits',
                    hint="correct the type in sandbox.toml; VARCHAR holds every value",
                )
    return declared


def _render_exact_sql(type_: str, column: str) -> str:
    """Render whether a text is a value of a type, without rounding."""
    cast = f"try_cast({column} as {type_}) is not null"
    fraction = _FRACTION.format(column)
    if type_ in INTEGER_TYPES or type_ in {"HUGEINT", "UHUGEINT"}:
        return f"{cast} and regexp_full_match({column}, '[+-]?[0-9]+')"
    if scale := _DECIMAL_SCALE.fullmatch(type_):
        return f"{cast} and length({fraction}) <= {scale[1]} and not contains(lower({column}), 'e')"
    if type_ == "DATE":
        return rf"{cast} and regexp_full_match({column}, '-?\d+-\d+-\d+')"
    if type_.startswith("TIME"):
        digits = 9 if type_ in _NANOSECOND_TYPES else _FRACTION_DIGITS.get(type_, 6)
        return f"{cast} and length({fraction}) <= {digits}"
    return cast
