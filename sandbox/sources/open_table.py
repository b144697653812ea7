"""Opening a table of the source: its columns and types, whatever the format, checked across all its files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from sandbox.engine.duckdb.session import quote_identifier, quote_literal, summarize_error
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.engine.rule import polars_reader
from sandbox.errors import ConfigError, DataRuleError, SandboxError, SourceError
from sandbox.sources import database_file, lakehouse, postgres, spark
from sandbox.sources.files import csv_schema
from sandbox.sources.files.file_errors import JSON_HINT, find_jsonl_error, translate_file_errors
from sandbox.sources.files.parquet_footer import read_footer, read_footers
from sandbox.sources.listing import fetch_etags, suggest_name
from sandbox.sources.reaching import register_bucket_files
from sandbox.sources.table import SourceTable, build_compression_option, build_csv_reader, build_select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile, SourceFormat, SourceListing

TYPE_NAMES = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE",
    "DECIMAL(18,2)", "VARCHAR", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "UUID", "BLOB", "JSON",
)  # fmt: skip
TYPE_REPLACEMENTS = {"HUGEINT": "DECIMAL(38,0)", '"NULL"': "VARCHAR"}
UNSUPPORTED_TYPES = ("HUGEINT", "UHUGEINT", "BIT", "VARINT", "BIGNUM")  # Parquet has no place for them


def open_table(  # noqa: C901 - one line a format
    session: Session,
    listing: SourceListing,
    name: str,
    types: Mapping[str, str],
    *,
    version: int | None = None,
    snapshot: int | None = None,
) -> SourceTable:
    """Look at all files of a table.

    Args:
        session: The engine.
        listing: Where the source's files are.
        name: The table.
        types: Column types that ``sandbox.toml`` fixes.
        version: The version of a Delta table; None takes the newest.
        snapshot: The id of a snapshot of an Iceberg table; None takes the newest.

    Raises:
        ConfigError: The table is not in the source or has no such version, or a fixed type is none.
        RuleError: A fixed type names a column that is not there, or does not fit a value.
        SourceError: A file cannot be read, or the files do not agree.
    """
    form, files = listing.find_table(name)
    _check_pinned_version(name, form, version, snapshot)
    files = _register_files(session, files)
    fixed = {column: _resolve_fixed_type(session, name, column, kind) for column, kind in types.items()}
    with translate_file_errors(form, files):
        match form:
            case "parquet":
                table = _open_parquet_table(session, name, files, fixed)
            case "csv":
                table = _open_csv_table(session, name, files, fixed)
            case "jsonl":
                table = _open_jsonl_table(session, name, files, fixed)
            case "delta":
                table = lakehouse.open_delta_table(session, listing, name, version=version)
            case "iceberg":
                table = lakehouse.open_iceberg_table(session, listing, name, snapshot=snapshot)
            case "duckdb":
                table = database_file.open_duckdb_table(session, name, files[0], fixed)
            case "sqlite":
                table = database_file.open_sqlite_table(session, name, files[0], fixed)
            case "postgres":
                table = postgres.open_table(session, name, files, fixed)
            case "spark":
                table = _open_parquet_table(session, name, files, {})
            case _:
                assert_never(form)
        if table.snapshot is None:
            table = _add_partition_columns(session, table, fixed)
        if form == "spark":
            table = spark.open_table(session, table)
        _check_fixed_types(session, table, fixed)
    return replace(table, columns={name: fixed.get(name, kind) for name, kind in table.columns.items()})


def _check_pinned_version(name: str, form: SourceFormat, version: int | None, snapshot: int | None) -> None:
    """Make sure that a table whose version is pinned has versions."""
    for kind, pin, pins in (("delta", version, "version"), ("iceberg", snapshot, "snapshot")):
        if pin is not None and form != kind:
            raise ConfigError(
                f"[tables.{name}] {pins} = {pin}: only {kind.title()} tables have {pins}s, this is {form}"
            )


def _register_files(session: Session, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Give files with what their bucket says of them, and let the session read them."""
    try:
        found = fetch_etags(files)
    except OSError as error:
        raise SourceError(f"the source cannot be read: {summarize_error(error)}", lost=True) from error
    register_bucket_files(session, found)
    return found


def _open_parquet_table(
    session: Session, name: str, files: Sequence[SourceFile], fixed: Mapping[str, str]
) -> SourceTable:
    footers = read_footers(files)
    _check_same_columns(files, [tuple(one.schema.to_arrow_schema().names) for one in footers])
    paths = format_file_list(file.path for file in files)
    types = _describe_columns(
        session, f"select * from read_parquet({paths}, union_by_name = true, hive_partitioning = false)"
    )
    rows = sum(one.num_rows for one in footers)
    total = sum(f.row_group(i).total_byte_size for f in footers for i in range(f.num_row_groups))
    return SourceTable(
        name=name,
        format="parquet",
        files=tuple(files),
        columns={column: fixed.get(column, kind) for column, kind in types.items()},
        rows=rows,
        width=total / max(1, rows),
    )


def has_no_nulls(table: SourceTable, columns: Sequence[str]) -> bool:
    """Say whether a table's files themselves tell that some of its columns hold no NULL.

    Raises:
        SourceError: A file is not there any more, or is no Parquet file any more.
    """
    if table.format != "parquet" or table.file_mappings:
        return False
    return all(polars_reader.has_no_nulls(read_footer(file), columns) for file in table.files)


def _open_csv_table(session: Session, name: str, files: Sequence[SourceFile], fixed: Mapping[str, str]) -> SourceTable:
    layouts = [csv_schema.read_layout(file) for file in files]
    _check_same_columns(files, [layout.columns for layout in layouts])
    types, rows = csv_schema.infer_types_and_row_count(session, files, layouts, fixed)
    return SourceTable(
        name=name,
        format="csv",
        files=tuple(files),
        columns=types,
        rows=rows,
        width=sum(file.bytes for file in files) / max(1, rows),
        layouts=tuple(layouts),
    )


def _open_jsonl_table(
    session: Session, name: str, files: Sequence[SourceFile], fixed: Mapping[str, str]
) -> SourceTable:
    paths = format_file_list(file.path for file in files)
    packed = build_compression_option([file.is_gzipped for file in files])
    sniffed = (
        f"read_json({paths}, format = 'newline_delimited', sample_size = -1, union_by_name = true, "
        f"maximum_sample_files = {len(files)}, map_inference_threshold = -1, {packed}, hive_partitioning = false)"
    )
    types = {
        column: _replace_unsupported_types(kind)
        for column, kind in _describe_columns(session, f"select * from {sniffed}").items()
    }
    rows = session.fetch_rows(f"select count(*) from read_ndjson_objects({paths}, {packed})", doing="counting rows")[0][
        0
    ]
    # The engine's one column for lines that are no objects; a column of that name may also be real.
    if list(types.items()) == [("json", "JSON")] and (broken := find_jsonl_error(files)):
        raise broken
    if not rows:
        raise SourceError(f"{files[0].path} holds no JSON object, so its columns are not known", hint=JSON_HINT)
    _check_renamed_columns(session, files, f"read_ndjson_objects({paths}, {packed})", types)
    return SourceTable(
        name=name,
        format="jsonl",
        files=tuple(files),
        columns={column: fixed.get(column, kind) for column, kind in types.items()},
        rows=rows,
        width=sum(file.bytes for file in files) / max(1, rows),
    )


def _add_partition_columns(session: Session, table: SourceTable, fixed: Mapping[str, str]) -> SourceTable:
    """Give a table also the columns that stand in the names of its files' folders; what files have themselves counts."""
    files = tuple(
        replace(file, constants=tuple(one for one in file.constants if one[0] not in table.columns))
        for file in table.files
    )
    table = replace(table, files=files)
    texts = _list_partition_values(table)
    _check_distinct_columns(files[0], [*table.columns, *texts])
    types = csv_schema.infer_types_of_texts(session, texts)
    return replace(table, columns={**table.columns, **{name: fixed.get(name, kind) for name, kind in types.items()}})


def _list_partition_values(table: SourceTable) -> dict[str, list[str | None]]:
    """Give the values that stand in the names of folders, each once, by column."""
    found: dict[str, dict[str | None, None]] = {}
    for file in table.files:
        for name, value in file.constants:
            found.setdefault(name, {})[value] = None
    return {name: list(values) for name, values in found.items()}


def _check_renamed_columns(session: Session, files: Sequence[SourceFile], lines: str, types: Mapping[str, str]) -> None:
    """Make sure that no column is one that the engine renamed: it calls ``A`` beside ``a`` ``A_1``."""
    lower = {name.lower() for name in types}
    for name in types:
        match = re.fullmatch(r"(.+)_\d+", name)
        if match is None or match[1].lower() not in lower:
            continue
        known = f"select count(*) from (select 1 from {lines} where list_contains(json_keys(json), ?) limit 1)"
        if not session.fetch_rows(known, [name], doing="reading the columns")[0][0]:
            raise SourceError(f"{files[0].path}: columns that differ at most in case: {match[1]}")


def _replace_unsupported_types(kind: str) -> str:
    return re.sub(r'\bHUGEINT\b|"NULL"', lambda match: TYPE_REPLACEMENTS[match[0]], kind)


def _describe_columns(session: Session, select: str) -> dict[str, str]:
    return {row[0]: row[1] for row in session.fetch_rows(f"describe {select}", doing="reading the columns")}


def _check_same_columns(files: Sequence[SourceFile], columns: Sequence[tuple[str, ...]]) -> None:
    """Make sure that every file has the first one's columns, in whatever order."""
    first = set(columns[0])
    for file, names in zip(files, columns, strict=True):
        _check_distinct_columns(file, names)
        if set(names) != first:
            missing, extra = sorted(first - set(names)), sorted(set(names) - first)
            parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has also {', '.join(extra)}"] * bool(extra)
            raise SourceError(
                f"{file.path} does not have the columns of {files[0].path}: it {' and '.join(parts)}",
                hint="the files of a table have the same columns; write them again, or move some out of the folder",
            )


def _check_distinct_columns(file: SourceFile, names: Sequence[str]) -> None:
    """Make sure that no two columns of a file are one to the engine."""
    lower = [name.lower() for name in names]
    twice = sorted({name for name in names if lower.count(name.lower()) > 1})
    if twice:
        raise SourceError(f"{file.path}: columns that differ at most in case: {', '.join(twice)}")


def _resolve_fixed_type(session: Session, table: str, column: str, kind: str) -> str:
    """Give the engine's own name of a type that the file gives."""
    problem = f"[tables.{table}.types] {column}: {kind!r} is not a column type that a sample can keep"
    if not re.fullmatch(r"[A-Za-z_][\w ]*(\(\s*\d+(\s*,\s*\d+)?\s*\))?(\[\])*", kind):
        raise ConfigError(problem, hint=suggest_name(kind, TYPE_NAMES, "types"))
    try:
        described = _describe_columns(session, f"select null::{kind} as x")["x"]
    except SandboxError:
        raise ConfigError(problem, hint=suggest_name(kind, TYPE_NAMES, "types")) from None
    if described in UNSUPPORTED_TYPES:
        raise ConfigError(problem, hint="DECIMAL(38,0) holds the longest integers")
    return described


def _check_fixed_types(session: Session, table: SourceTable, fixed: Mapping[str, str]) -> None:
    """Make sure that every value fits the type that the file fixes for its column."""
    for column in fixed:
        if column not in table.columns:
            raise DataRuleError(
                f"{table.name} has no column {column}, which [tables.{table.name}.types] names",
                hint=suggest_name(column, table.columns, "its columns"),
            )
    if not fixed:
        return
    raw, constants = _build_untyped_select(table), _list_partition_values(table)
    for column, kind in fixed.items():
        value, rows = quote_identifier(column), f"({raw})"
        if column in constants:
            texts = ", ".join("null" if one is None else quote_literal(one) for one in constants[column])
            rows = f"(select unnest([{texts}]::varchar[]) as {value})"
        present = f"nullif({value}, '')" if table.format == "csv" and kind != "VARCHAR" else value
        wrong = session.fetch_rows(
            f"select {value}::varchar from {rows} where {present} is not null and try_cast({value} as {kind}) is null "
            "order by 1 limit 1",
            doing=f"checking the type of {table.name}.{column}",
        )
        if wrong:
            raise DataRuleError(
                f"{table.name}.{column} is to be {kind}, and {wrong[0][0]!r} is not",
                hint=f"correct the type in [tables.{table.name}.types], or the value in the source",
            )


def _build_untyped_select(table: SourceTable) -> str:
    """Give the SELECT that reads a table before any type is fixed."""
    paths = format_file_list(file.path for file in table.files)
    match table.format:
        case "csv":
            names = ", ".join(quote_identifier(name) for name in table.columns)
            return " union all ".join(
                f"select {names} from {build_csv_reader([file.path], layout)}"
                for file, layout in zip(table.files, table.layouts, strict=True)
            )
        case "jsonl":
            columns = ", ".join(f"{quote_literal(name)}: 'JSON'" for name in table.columns)
            names = ", ".join(f"{quote_identifier(name)} ->> '$' as {quote_identifier(name)}" for name in table.columns)
            return (
                f"select {names} from read_json({paths}, format = 'newline_delimited', columns = {{{columns}}}, "
                f"{build_compression_option([file.is_gzipped for file in table.files])}, hive_partitioning = false)"
            )
        case _:
            if table.file_mappings or table.format != "parquet":
                return build_select(table)
            return f"select * from read_parquet({paths}, union_by_name = true, hive_partitioning = false)"
