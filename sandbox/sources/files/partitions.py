"""Read columns with one value per file: partition folders, and constants of a lakehouse's log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.sources.files import csv_schema
from sandbox.sources.files.columns import check_distinct_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class FileConstants:
    """SQL of columns with one value per file, absent from the files.

    Attributes:
        sql: Column -> its SELECT item.
        file: The file name's column, distinct from all others.
        option: Option of the reading function for that column, with a leading comma; may be empty.
    """

    sql: Mapping[str, str]
    file: str
    option: str = ""

    @classmethod
    def from_files(
        cls, table: SourceTable, files: Sequence[int], *, named: bool = False, taken: Iterable[str] = ()
    ) -> FileConstants:
        """Build the constants of some of a table's files.

        Conditions on constants skip files: DuckDB knows a file's name before it opens it, and folds expressions of it.

        Args:
            table: The table.
            files: Indexes of the files.
            named: Whether the file name's column is read in any case.
            taken: Names of other columns in the files.
        """
        chosen = [table.files[index] for index in files]
        names = [name for name, _ in chosen[0].constants if name in table.columns]
        file = choose_unused_name("file", [*table.columns, *taken])
        paths = ", ".join(quote_literal(source_file.address) for source_file in chosen)
        items = {}
        for name in names:
            texts = [dict(source_file.constants)[name] for source_file in chosen]
            value = _quote_text(texts[0])
            if len(set(texts)) > 1:
                value, named = (
                    f"(map([{paths}], [{', '.join(map(_quote_text, texts))}]))[{quote_identifier(file)}]",
                    True,
                )
            items[name] = f"{value}::{table.columns[name]} as {quote_identifier(name)}"
        return cls(sql=items, file=file, option=f", filename = {quote_literal(file)}" if named else "")


def add_partition_columns(session: Session, table: SourceTable, fixed: Mapping[str, str]) -> SourceTable:
    """Add the partition columns in the paths of a table's files; columns in the files take precedence."""
    files = tuple(
        replace(file, constants=tuple(constant for constant in file.constants if constant[0] not in table.columns))
        for file in table.files
    )
    table = replace(table, files=files)
    texts = list_partition_values(table)
    check_distinct_columns(files[0], [*table.columns, *texts])
    types = csv_schema.infer_types_of_texts(session, texts)
    return replace(table, columns={**table.columns, **{name: fixed.get(name, kind) for name, kind in types.items()}})


def list_partition_values(table: SourceTable) -> dict[str, list[str | None]]:
    """Return the distinct values in partition folders, by column."""
    distinct: dict[str, dict[str | None, None]] = {}
    for file in table.files:
        for name, value in file.constants:
            distinct.setdefault(name, {})[value] = None
    return {name: list(values) for name, values in distinct.items()}


def _quote_text(value: str | None) -> str:
    return "null" if value is None else quote_literal(value)
