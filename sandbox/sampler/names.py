"""Names in ``sandbox.toml`` against the columns that the source has: every problem at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine import rule
from sandbox.engine.duck import quote
from sandbox.engine.types import comparable
from sandbox.errors import ConfigError, RuleError
from sandbox.sampler.source import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.settings import Reference, Settings
    from sandbox.sampler.table import SourceTable

WEIGHTS = ("stratum", "probability", "weight")  # the columns that stand beside the key in a sample's weights


def check_tables(settings: Settings) -> None:
    """Make sure that every table's name can be a folder's.

    Raises:
        ConfigError: One cannot.
    """
    for name in settings.tables:
        if "/" in name or "\0" in name or name.startswith("."):
            raise ConfigError(f"[tables.{name}]: a table's name has no / in it and does not start with a dot")


def check_columns(settings: Settings, tables: Mapping[str, SourceTable]) -> None:
    """Make sure that every column that the file names is there, and of a type that can be what it is to be.

    Raises:
        RuleError: Columns are missing (all are named), or cannot be keys or references.
    """
    missing = [
        (table, column, where)
        for table, column, where in _named(settings)
        if column not in tables[table].columns
    ]
    if missing:
        lines = [f"{table} has no column {column}, which {where} names" for table, column, where in missing]
        hints = [
            suggestion(column, tables[table].columns, f"columns of {table}") for table, column, _ in missing
        ]
        raise RuleError("\n".join(lines), hint="\n".join(dict.fromkeys(hints)))
    unit = settings.sample.unit
    key = settings.tables[unit].key or []
    rule.check_key(tables[unit].columns, key)
    taken = sorted({column.lower() for column in key} & set(WEIGHTS))
    if taken:
        raise RuleError(
            f"{unit}: a key column cannot be called {taken[0]}: the sample's weights have a column of that name"
        )
    for name, table in settings.tables.items():
        for reference in table.all_references:
            _check_comparable(tables, name, reference)


def _named(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Give every column that the file names: its table, its name and where it is named."""
    unit = settings.sample.unit
    for stratum in settings.sample.strata:
        yield unit, stratum.column, "strata in [sample]"
    for name, table in settings.tables.items():
        for column in table.key or ():
            yield name, column, f"key in [tables.{name}]"
        for column in table.mask:
            yield name, column, f"[tables.{name}.mask]"
        for reference in table.all_references:
            for column in reference.columns:
                yield name, column, f"a reference in [tables.{name}]"
            for column in reference.key:
                yield reference.table, column, f"a reference in [tables.{name}]"


def _check_comparable(tables: Mapping[str, SourceTable], name: str, reference: Reference) -> None:
    for (column, kind), (target, other) in typed_pairs(tables, name, reference):
        if not comparable(kind, other):
            raise RuleError(
                f"{name}.{column} is {kind} and cannot be compared with {reference.table}.{target}, which is {other}",
                hint=f"correct the reference in [tables.{name}], or fix a type in [tables.{name}.types]",
            )


def typed_pairs(
    tables: Mapping[str, SourceTable], name: str, reference: Reference
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Give a reference's columns and those that they name, each with its type."""
    return [
        ((column, tables[name].columns[column]), (target, tables[reference.table].columns[target]))
        for column, target in zip(reference.columns, reference.key, strict=True)
    ]


def matching(pairs: list[tuple[tuple[str, str], tuple[str, str]]], row: str, target: str) -> str:
    """Give the SQL condition that a row refers to a target row; a text and a number agree if they read the same."""
    conditions = []
    for (column, kind), (name, other) in pairs:
        one, two = f"{row}.{quote(column)}", f"{target}.{quote(name)}"
        if (kind == "VARCHAR") != (other == "VARCHAR"):
            one, two = f"{one}::varchar", f"{two}::varchar"
        conditions.append(f"{one} = {two}")
    return " and ".join(conditions)
