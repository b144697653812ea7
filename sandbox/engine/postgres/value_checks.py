"""Values of Postgres that no type of a sample can hold: their conditions in SQL, and what to write instead."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SandboxError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.engine.postgres.catalog import CatalogColumn, PostgresTable

TYPES_WITH_INFINITY = {"date", "timestamp", "timestamptz"}
# Postgres counts microseconds from 2000, DuckDB and Arrow from 1970, so the greatest timestamps of Postgres overflow there.
LAST_TIMESTAMP = "'294247-01-10 04:00:54.775806'"
UNSUPPORTED_VALUE = re.compile(r"sandbox: (\w+) (\d+)")


@dataclass(frozen=True, kw_only=True)
class UnsupportedValue:
    """A kind of value that a sample cannot keep.

    Attributes:
        phrase: What a column with such a value does: "holds infinity".
        type: The DuckDB type to read the column with.
        advice: Other ways, before the types line; empty without any.
    """

    phrase: str
    type: str
    advice: str = ""


UNSUPPORTED_VALUES = {
    "infinite": UnsupportedValue(
        phrase="holds infinity", type="VARCHAR", advice="leave it out with a view, or read it as text: "
    ),
    "late": UnsupportedValue(
        phrase="holds times after the year 294246", type="VARCHAR", advice="leave it out with a view, or read it as text: "
    ),
    "nan": UnsupportedValue(
        phrase="holds NaN or infinity among decimals", type="DOUBLE", advice="read it otherwise: "
    ),
    "nested": UnsupportedValue(
        phrase="holds arrays of arrays, or arrays that do not begin at 1", type="VARCHAR", advice="read it as text: "
    ),
}  # fmt: skip


def list_value_checks(column: CatalogColumn) -> list[tuple[str, str]]:
    """Return the kinds of unsupported values that a column may hold, each with its condition in SQL."""
    name, checks = quote_identifier(column.name), []
    if column.is_array:
        checks.append(("nested", f"array_ndims({name}) > 1 or array_lower({name}, 1) <> 1"))
    if column.type in TYPES_WITH_INFINITY:
        ends = [f"{end}::{column.type}" for end in ("'infinity'", "'-infinity'")]
        checks.append(("infinite", " or ".join(_compare_value(column, name, "=", end) for end in ends)))
        if column.type != "date":
            checks.append(("late", _compare_value(column, name, ">", f"{LAST_TIMESTAMP}::{column.type}")))
    elif column.type == "numeric" and column.modifier >= 0:
        checks.append(("nan", _compare_value(column, name, "=", "'NaN'::numeric")))
    return checks


def _compare_value(column: CatalogColumn, name: str, operator: str, limit: str) -> str:
    """Build the condition for a value, or for an item of an array."""
    if not column.is_array:
        return f"{name} {operator} {limit}"
    return f"{limit} {'<' if operator == '>' else operator} any({name})"


def guard_value(checks: Sequence[tuple[str, str]], column: CatalogColumn, cast: str) -> str:
    """Build SQL for a value, or for a failing cast that names reason and column.

    The failing text contains the value, so the server cannot evaluate it early.
    """
    name = quote_identifier(column.name)
    if not checks:
        return f"{name}::{cast}"
    cases = " ".join(
        f"when {condition} then ({name}::text || ' sandbox: {reason} {column.number}')::{cast}"
        for reason, condition in checks
    )
    return f"case {cases} else {name}::{cast} end"


@contextlib.contextmanager
def explain_value_errors(
    name: str, table: PostgresTable, on_error: Callable[[SandboxError], None] = lambda _: None
) -> Iterator[None]:
    """Add the column's name to errors caused by an unsupported value; call ``on_error`` with every error first."""
    try:
        yield
    except SourceError as error:
        match = UNSUPPORTED_VALUE.search(error.message)
        if match is None:
            on_error(error)
            raise
        [column] = [candidate.name for candidate in table.columns if candidate.number == int(match[2])]
        value = UNSUPPORTED_VALUES[match[1]]
        line = f'{quote_key(column)} = "{value.type}" in [tables.{quote_key(name)}.types]'
        better = SourceError(
            f"{name}.{column} {value.phrase}, which a sample cannot keep", hint=f"{value.advice}{line}"
        )
        on_error(better)
        raise better from error
