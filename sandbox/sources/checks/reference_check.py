"""Check that references between floating-point and whole numbers name one row each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.type_names import FLOAT_TYPES
from sandbox.errors import DataRuleError
from sandbox.sources.checks.schema_check import pair_reference_columns
from sandbox.sources.projection import project_table
from sandbox.sources.registry import translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.settings import Settings
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable

EXACT_BITS = {"FLOAT": 24, "DOUBLE": 53}  # whole numbers of so many bits are distinct


def check_float_references(session: Session, settings: Settings, tables: Mapping[str, SourceTable]) -> None:
    """Check that no floating-point column of a reference holds numbers that stand for several whole ones.

    Raises:
        DataRuleError: One does.
    """
    for table, column in dict.fromkeys(_list_float_columns(settings, tables)):
        kind = tables[table].columns[column]
        relation = quote_identifier(project_table(session, tables[table], [column]))
        with translate_file_errors(tables[table].format, tables[table].files):
            [(count,)] = session.fetch_rows(
                f"select count(*) from {relation} where isfinite({quote_identifier(column)}) "
                f"and abs({quote_identifier(column)}) >= {2 ** EXACT_BITS[kind]}",
                doing=f"checking the references of {table}",
            )
        if count:
            raise DataRuleError(
                f"{table}.{column} is {kind}, a reference between it and whole numbers, and {count:,} of its values are "
                f"2^{EXACT_BITS[kind]} or more: each stands for several whole numbers",
                hint="write the column as whole numbers in the source, or remove the reference in "
                f"[tables.{quote_key(table)}]",
            )


def _list_float_columns(settings: Settings, tables: Mapping[str, SourceTable]) -> Iterator[tuple[str, str]]:
    for name, section in settings.tables.items():
        for reference in section.all_references:
            for (column, kind), (target, other) in pair_reference_columns(tables, name, reference):
                if kind in FLOAT_TYPES and other not in FLOAT_TYPES and other != "VARCHAR":
                    yield name, column
                elif other in FLOAT_TYPES and kind not in FLOAT_TYPES and kind != "VARCHAR":
                    yield reference.table, target
