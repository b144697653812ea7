"""Check table and column names in ``sandbox.toml`` against the source, reporting all problems at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.rule import sampling_rule
from sandbox.engine.sql.type_names import NUMBER_TYPE, are_comparable
from sandbox.errors import ConfigError, DataRuleError
from sandbox.manifest.sample import SIZE_PREFIX
from sandbox.sources.listing import suggest_name
from sandbox.sources.registry import get_adapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sandbox.config.sections.sample import Reference
    from sandbox.config.settings import Settings
    from sandbox.sources.table import SourceTable

WEIGHTS_COLUMNS = ("stratum", "probability", "weight")  # columns beside the key in a sample's weights


def check_table_names(settings: Settings) -> None:
    """Check that every table name is a valid folder name.

    Raises:
        ConfigError: A name contains a slash or NUL, or starts with a dot.
    """
    for name in settings.tables:
        if "/" in name or "\0" in name or name.startswith("."):
            raise ConfigError(f"[tables.{name}]: a table's name has no / in it and does not start with a dot")


def check_columns(settings: Settings, tables: Mapping[str, SourceTable]) -> None:
    """Check that every column named in the settings exists and has a type fit for its role.

    Raises:
        DataRuleError: Columns are missing (all are named), or cannot be keys or references.
    """
    missing = [
        (table, column, where)
        for table, column, where in [*_list_named_columns(settings), *_list_draw_columns(settings, tables)]
        if column not in tables[table].columns
    ]
    if missing:
        lines = [f"{table} has no column {column}, which {where} names" for table, column, where in missing]
        hints = [suggest_name(column, tables[table].columns, f"columns of {table}") for table, column, _ in missing]
        raise DataRuleError("\n".join(lines), hint="\n".join(dict.fromkeys(hints)))
    for unit in settings.sample.draws:
        _check_unit_table(settings, tables[unit], unit)
    for name, table in settings.tables.items():
        for reference in table.all_references:
            _check_reference_types(tables, name, reference)
            get_adapter(tables[name]).check_reference(
                tables[name], reference.columns, tables[reference.table], reference.key
            )
            _check_when_values(tables[name], reference)


def _list_named_columns(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Yield (table, column, section and setting) for every column named in the sections of tables."""
    for name, table in settings.tables.items():
        for column in table.key or ():
            yield name, column, f"key in [tables.{name}]"
        for column in table.unique:
            yield name, column, f"unique in [tables.{name}]"
        for column in table.mask:
            yield name, column, f"[tables.{name}.mask]"
        for reference in table.all_references:
            for column in [*reference.columns, *(condition for condition, _ in reference.when)]:
                yield name, column, f"a reference in [tables.{name}]"
            for column in reference.key:
                yield reference.table, column, f"a reference in [tables.{name}]"


def _list_draw_columns(settings: Settings, tables: Mapping[str, SourceTable]) -> Iterator[tuple[str, str, str]]:
    """Yield the columns named by draws (see `_list_named_columns`)."""
    columns = {name: table.columns for name, table in tables.items()}
    for unit, draw in settings.sample.draws.items():
        where = "[sample]" if unit == settings.sample.unit else f"[sample.also.{unit}]"
        for stratum in draw.strata_columns:
            yield *resolve_column(settings, columns, unit, stratum.column), f"strata in {where}"
        summed = [(name, "totals") for name in draw.totals]
        if draw.size_stratum is not None and draw.size_stratum.sum is not None:
            summed.append((draw.size_stratum.sum, "strata"))
        for name, setting in summed:
            yield *resolve_column(settings, columns, unit, name), f"{setting} in {where}"
        if draw.neyman_column is not None:
            yield unit, draw.neyman_column, f"allocation in {where}"


def _check_unit_table(settings: Settings, table: SourceTable, unit: str) -> None:
    key = settings.tables[unit].key or []
    sampling_rule.check_key(table.columns, key)
    get_adapter(table).check_key(table, key)
    names = {column.lower() for column in key}
    taken = sorted(name for name in names if name in WEIGHTS_COLUMNS or name.startswith(SIZE_PREFIX))
    if taken:
        raise DataRuleError(
            f"{unit}: a key column cannot be called {taken[0]}: the sample's weights have a column of that name"
        )
    measure = settings.sample.draws[unit].neyman_column
    if measure is not None and not NUMBER_TYPE.fullmatch(table.columns[measure]):
        raise DataRuleError(
            f'{unit}: allocation = "neyman:{measure}" needs a number, and {measure} is {table.columns[measure]}',
            hint='name a numeric column, or use allocation = "power"',
        )


def _check_reference_types(tables: Mapping[str, SourceTable], name: str, reference: Reference) -> None:
    for (column, kind), (target, other) in pair_reference_columns(tables, name, reference):
        if not are_comparable(kind, other):
            raise DataRuleError(
                f"{name}.{column} is {kind} and cannot be compared with {reference.table}.{target}, which is {other}",
                hint=f"correct the reference in [tables.{name}], or fix a type in [tables.{name}.types]",
            )


def _check_when_values(table: SourceTable, reference: Reference) -> None:
    for column, value in reference.when:
        kind = table.columns[column]
        numeric = NUMBER_TYPE.fullmatch(kind) is not None
        fits = {bool: kind == "BOOLEAN", str: kind == "VARCHAR"}.get(type(value), numeric)
        if not fits:
            raise DataRuleError(
                f"{table.name}.{column} is {kind} and never equals {value!r}, which a reference's when asks for",
                hint=f"write a value of its type; or fix the type in [tables.{table.name}.types]",
            )


def pair_reference_columns(
    tables: Mapping[str, SourceTable], name: str, reference: Reference
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Return each column of a reference and its target column, both with their types."""
    return [
        ((column, tables[name].columns[column]), (target, tables[reference.table].columns[target]))
        for column, target in zip(reference.columns, reference.key, strict=True)
    ]


def build_join_condition(pairs: list[tuple[tuple[str, str], tuple[str, str]]], row: str, target: str) -> str:
    """Build the SQL join condition of a reference; a text equals a number with the same text."""
    conditions = []
    for (column, kind), (name, other) in pairs:
        left, right = f"{row}.{quote_identifier(column)}", f"{target}.{quote_identifier(name)}"
        if (kind == "VARCHAR") != (other == "VARCHAR"):
            left, right = f"{left}::varchar", f"{right}::varchar"
        conditions.append(f"{left} = {right}")
    return " and ".join(conditions)


def build_when_condition(reference: Reference, row: str = "") -> str:
    """Build the SQL condition for a reference's ``when``; "true" without one."""
    prefix = f"{row}." if row else ""
    conditions = [f"{prefix}{quote_identifier(column)} = {_quote_value(value)}" for column, value in reference.when]
    return " and ".join(conditions) or "true"


def _quote_value(value: str | float | bool) -> str:
    if isinstance(value, str):
        return quote_literal(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def resolve_column(settings: Settings, columns: Mapping[str, Iterable[str]], unit: str, name: str) -> tuple[str, str]:
    """Resolve an entry of ``strata`` to a table and a column; neither needs to exist.

    A column of the unit table comes first, dots included. Otherwise the part before a dot is a table.
    """
    if name in columns[unit]:
        return unit, name
    parts = name.split(".")
    splits = [(".".join(parts[:index]), ".".join(parts[index:])) for index in range(1, len(parts))]
    known = [(table, column) for table, column in splits if table in settings.tables]
    there = [(table, column) for table, column in known if column in columns[table]]
    return next(iter([*there, *known]), (unit, name))
