"""Open a table of any format as SQL for a ``from`` clause."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_table_function
from sandbox.errors import SourceError
from sandbox.tables.folder_contents import parse_partition

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.model import TableFiles

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
FILE_COLUMN = "file of sandbox's partitions"


def open_table(session: Session, table: TableFiles, key: str, *, doing: str, option: str = "") -> str:
    """Return the SQL of a table's rows, after preparing the session to read them.

    Args:
        session: The query engine.
        table: The table.
        key: The table's unique name in the session.
        doing: The beginning of the error message.
        option: A further option of the function to read Parquet, CSV or JSON, with a comma before it.

    Raises:
        SandboxError: The table cannot be read; a SourceError if the files themselves are invalid, else the session's
            error.
    """
    match table.format:
        case "parquet" | "csv" | "jsonl" | "json":
            if table.folder:
                return _open_partitions(session, table, doing, option)
            return build_table_function(table, option)
        case "arrow" | "orc":
            return _open_arrow_table(session, table, key, doing)
        case "duckdb":
            return open_duckdb_table(session, table, doing=doing)
        case "sqlite":
            return _open_sqlite_table(session, table, key)
        case "delta" | "iceberg":
            from sandbox.tables.lake_folders import open_lake_folder  # noqa: PLC0415 - slow to import, and rarely needed

            return f"({open_lake_folder(session, table, key)})"


def open_duckdb_table(session: Session, table: TableFiles, *, doing: str) -> str:
    """Return the SQL of a table of a DuckDB file, after attaching the file."""
    alias = attach_duckdb_file(session, table, doing=doing)
    schema, member = table.schema or "main", table.member or table.name
    return f"{alias}.{quote_identifier(schema)}.{quote_identifier(member)}"


def attach_duckdb_file(session: Session, table: TableFiles, *, doing: str) -> str:
    """Attach the file of a table unless it is attached, and return its quoted alias."""
    [path] = table.paths
    alias = quote_identifier(f"file {hashlib.sha256(str(path).encode()).hexdigest()[:16]}")
    session.execute(f"attach if not exists {quote_literal(str(path))} as {alias} (type duckdb, read_only)", doing=doing)
    return alias


def _open_sqlite_table(session: Session, table: TableFiles, key: str) -> str:
    """Return the SQL of a table of a SQLite file; columns of mixed kinds are read with each value's kind."""
    from sandbox.engine import sqlite  # noqa: PLC0415 - slow to import, and rarely needed

    assert table.member is not None
    snapshot = sqlite.SQLiteSnapshot(str(table.paths[0]))
    names = sqlite.list_columns(snapshot, table.member)
    columns, _ = sqlite.resolve_columns(snapshot, table.member, dict.fromkeys(names, ""))
    columns = [dataclasses.replace(column, shows_kind=column.as_text) for column in columns]
    view = f"rows of {key}"
    session.register_table(view, sqlite.SQLiteTable(snapshot, table.member, columns))
    shown = ", ".join(f"c{number} as {quote_identifier(column.name)}" for number, column in enumerate(columns))
    return f"(select {shown} from {quote_identifier(view)})"


def _open_arrow_table(session: Session, table: TableFiles, key: str, doing: str) -> str:
    if table.folder is not None:
        raise SourceError(f"{doing}: partitioned folders are read of Parquet, CSV and JSON files only")
    from sandbox.tables.arrow_files import open_dataset  # noqa: PLC0415 - slow to import, and rarely needed

    dataset, _ = open_dataset(table.paths, table.format)
    view = f"rows of {key}"
    with session.translate_errors(doing):
        session.register_table(view, dataset)
    return quote_identifier(view)


def _open_partitions(session: Session, table: TableFiles, doing: str, option: str) -> str:
    """Return the SQL of a partitioned table: the files' columns, then further columns of the folders, as text."""
    plain = build_table_function(table, option)
    held = {name.lower() for name, *_ in session.fetch_rows(f"describe select * from {plain}", doing=doing)}
    columns = [f"{sql} as {quote_identifier(name)}" for name, sql in list_partition_columns(table, held).items()]
    if not columns:
        return plain
    marked = build_table_function(table, f", filename = {quote_literal(FILE_COLUMN)}{option}")
    hidden = quote_identifier(FILE_COLUMN)
    return f"(select * exclude ({hidden}), {', '.join(columns)} from {marked})"


def list_partition_columns(table: TableFiles, held: Collection[str]) -> dict[str, str]:
    """Return the columns of a table's folders, and the SQL of their values by the path in `FILE_COLUMN`.

    Args:
        table: A partitioned table.
        held: Names of the columns in the files, in lower case.
    """
    assert table.folder is not None
    steps = [parse_partition(table.folder, path) for path in table.paths]
    paths = ", ".join(quote_literal(str(path)) for path in table.paths)
    columns = {}
    for column in steps[0]:
        if unquote(column).lower() not in held:
            values = ", ".join(_quote_partition_value(_find_step(step, column)) for step in steps)
            columns[unquote(column)] = f"(map([{paths}], [{values}]::varchar[]))[{quote_identifier(FILE_COLUMN)}]"
    return columns


def _find_step(steps: dict[str, str], column: str) -> str:
    return next(value for name, value in steps.items() if name.lower() == column.lower())


def _quote_partition_value(text: str) -> str:
    return "null" if text == NULL_PARTITION else quote_literal(unquote(text))


def find_unlike_columns(session: Session, table: TableFiles, *, doing: str) -> str | None:
    """Return a sentence about a file of a table whose columns differ from the first's; None if all agree."""
    if len(table.paths) == 1 or table.format not in {"parquet", "csv", "arrow", "orc"}:
        return None
    columns = [_list_file_columns(session, dataclasses.replace(table, paths=(path,)), doing) for path in table.paths]
    first = columns[0]
    for path, names in zip(table.paths, columns, strict=True):
        missing, extra = [name for name in first if name not in names], [name for name in names if name not in first]
        if missing or extra:
            parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has also {', '.join(extra)}"] * bool(extra)
            return f"{path.name} does not have the columns of {table.paths[0].name}: it {' and '.join(parts)}"
    return None


def _list_file_columns(session: Session, table: TableFiles, doing: str) -> Sequence[str]:
    if table.format in {"arrow", "orc"}:
        from sandbox.tables.arrow_files import open_dataset  # noqa: PLC0415 - slow to import, and rarely needed

        return open_dataset(table.paths, table.format)[1]
    source = build_table_function(dataclasses.replace(table, folder=None))
    if table.format == "csv":  # its types are inferred later, from all files
        source = source.replace("sample_size = -1", "all_varchar = true, sample_size = 1")
    return [name for name, *_ in session.fetch_rows(f"describe select * from {source}", doing=doing)]
