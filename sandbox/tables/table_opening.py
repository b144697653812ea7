"""Open a table of any format as SQL for a ``from`` clause."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_table_function, read_heading
from sandbox.tables.folder_contents import parse_partition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

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
            return _open_plain_files(session, table, doing, option)
        case "arrow" | "orc":
            return _open_arrow_table(session, table, key, doing)
        case "duckdb":
            return open_duckdb_table(session, table, doing=doing)
        case "sqlite":
            return _open_sqlite_table(session, table, key)
        case "delta" | "iceberg":
            from sandbox.tables.lake_folders import open_lake_folder  # noqa: PLC0415 - slow to import, and rarely needed

            return f"({open_lake_folder(session, table, key)})"


def _open_plain_files(session: Session, table: TableFiles, doing: str, option: str) -> str:
    """Return the SQL of a table that DuckDB reads itself, or of CSV files that the settings describe."""
    if table.csv is not None:
        from sandbox.tables.csv_tables import open_csv_table  # noqa: PLC0415 - slow to import, and rarely needed

        return open_csv_table(session, table)
    if table.folder is not None:
        return _open_partitions(session, table, doing, option)
    return build_table_function(table, option)


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
    from sandbox.tables.arrow_files import open_dataset  # noqa: PLC0415 - slow to import, and rarely needed

    dataset, names = open_dataset(table.paths, table.format, file_column=FILE_COLUMN if table.folder else None)
    view = f"rows of {key}"
    with session.translate_errors(doing):
        session.register_table(view, dataset)
    source = quote_identifier(view)
    if table.folder is None:
        return source
    held = {name.lower() for name in names}
    return render_partitions_sql(source, list_partition_columns(session, table, source, held, doing=doing))


def _open_partitions(session: Session, table: TableFiles, doing: str, option: str) -> str:
    plain = build_table_function(table, option)
    held = {name.lower() for name, *_ in session.fetch_rows(f"describe select * from {plain}", doing=doing)}
    columns = list_partition_columns(session, table, build_marked_function(table), held, doing=doing)
    return render_partitions_sql(build_marked_function(table, option), columns) if columns else plain


def build_marked_function(table: TableFiles, option: str = "") -> str:
    """Return the SQL of a table function that reads Parquet, CSV or JSON files, with the path of each row's file."""
    return build_table_function(table, f", filename = {quote_literal(FILE_COLUMN)}{option}")


def render_partitions_sql(marked: str, columns: Mapping[str, str], more: Sequence[str] = ()) -> str:
    """Return the SQL of a partitioned table: the files' columns, then those of the folders, as text, then more."""
    shown = [f"{sql} as {quote_identifier(name)}" for name, sql in columns.items()]
    return f"(select {', '.join([f'* exclude ({quote_identifier(FILE_COLUMN)})', *shown, *more])} from {marked})"


def list_partition_columns(
    session: Session, table: TableFiles, marked: str, held: Collection[str], *, doing: str
) -> dict[str, str]:
    """Return the columns of a table's folders, and the SQL of their values by the path in `FILE_COLUMN`.

    A column of the files themselves counts instead, unless it holds other values than its folder: most readers would
    take the folder's. It is then a further column, called ``column=``.

    Args:
        session: Reads the columns of files that are named like a folder's.
        table: A partitioned table.
        marked: The SQL of its files' rows, with their paths in `FILE_COLUMN`.
        held: Names of the columns in the files, in lower case.
        doing: The beginning of the error message.
    """
    assert table.folder is not None
    steps = [parse_partition(table.folder, path) for path in table.paths]
    paths = ", ".join(quote_literal(str(path)) for path in table.paths)
    columns = {}
    for column in steps[0]:
        name = unquote(column)
        values = ", ".join(_quote_partition_value(_find_step(step, column)) for step in steps)
        sql = f"(map([{paths}], [{values}]::varchar[]))[{quote_identifier(FILE_COLUMN)}]"
        if name.lower() not in held:
            columns[name] = sql
        elif not _holds_folder_values(session, marked, name, sql, doing):
            columns[f"{name}="] = sql
    return columns


def _holds_folder_values(session: Session, marked: str, column: str, folder_sql: str, doing: str) -> bool:
    """Return whether a column of a table's files has in every row the value of the file's folder."""
    described = session.fetch_rows(f"describe select * from {marked}", doing=doing)
    type_ = next(type_ for name, type_, *_ in described if name.lower() == column.lower())
    value = quote_identifier(column)
    same = (
        f"folder = {value}::varchar or try_cast(folder as {type_}) = {value} "
        f"or (folder is null and coalesce({value}::varchar, '') = '')"
    )
    query = f"select {value}, {folder_sql} as folder from {marked}"
    return not session.fetch_rows(f"select 1 from ({query}) where not coalesce({same}, false) limit 1", doing=doing)


def _find_step(steps: dict[str, str], column: str) -> str:
    return next(value for name, value in steps.items() if name.lower() == column.lower())


def _quote_partition_value(text: str) -> str:
    return "null" if text == NULL_PARTITION else quote_literal(unquote(text))


def find_unlike_columns(session: Session, table: TableFiles, *, doing: str) -> str | None:
    """Return a sentence about a file of a table whose columns differ from the first's; None if all agree."""
    if len(table.paths) == 1 or table.csv is not None or table.format not in {"parquet", "csv", "arrow", "orc"}:
        return None
    known: dict[tuple[str, str], Sequence[str]] = {}  # of CSV files with the same first line, one is read
    first: Sequence[str] | None = None
    for path in table.paths:
        heading = read_heading(path) if table.format == "csv" else None
        names = known.get(heading) if heading is not None else None
        if names is None:
            names = _list_file_columns(session, dataclasses.replace(table, paths=(path,)), doing)
            if heading is not None:
                known[heading] = names
        first = names if first is None else first
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
