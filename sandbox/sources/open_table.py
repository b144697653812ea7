"""Open source tables of every format with columns and types checked across all files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.engine.rule import polars_reader
from sandbox.error_text import describe_foreign_error, format_row_value
from sandbox.errors import ConfigError, DataRuleError, SandboxError, SourceError
from sandbox.sources import database_file, lakehouse, postgres, spark
from sandbox.sources.files import csv_schema
from sandbox.sources.files.file_errors import JSON_HINT, find_jsonl_error, translate_file_errors
from sandbox.sources.files.parquet_footer import read_footer, read_footers
from sandbox.sources.listing import fetch_etags, register_bucket_files, suggest_name
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
UNSUPPORTED_TYPES = ("HUGEINT", "UHUGEINT", "BIT", "VARINT", "BIGNUM")  # not representable in Parquet


def open_table(  # noqa: C901 - one line a format
    session: Session,
    listing: SourceListing,
    name: str,
    types: Mapping[str, str],
    *,
    version: int | None = None,
    snapshot: int | None = None,
) -> SourceTable:
    """Open a table and check all its files.

    Args:
        session: The query engine.
        listing: The source's files.
        name: The table.
        types: Column types fixed in ``sandbox.toml``.
        version: Version of a Delta table; None for the newest.
        snapshot: Snapshot id of an Iceberg table; None for the newest.

    Raises:
        ConfigError: The table or its version does not exist, or a fixed type is invalid.
        DataRuleError: A fixed type names a missing column or does not fit a value.
        SourceError: A file cannot be read, or the files have different columns.
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
    """Check that a table with a pinned version has a format with versions."""
    for kind, pin, pins in (("delta", version, "version"), ("iceberg", snapshot, "snapshot")):
        if pin is not None and form != kind:
            raise ConfigError(
                f"[tables.{name}] {pins} = {pin}: only {kind.title()} tables have {pins}s, this is {form}"
            )


def _register_files(session: Session, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Return files with their etags, and register those of a bucket in the session."""
    try:
        tagged = fetch_etags(files)
    except OSError as error:
        raise SourceError(f"the source cannot be read: {describe_foreign_error(error)}", lost=True) from error
    register_bucket_files(session, tagged)
    return tagged


def _open_parquet_table(
    session: Session, name: str, files: Sequence[SourceFile], fixed: Mapping[str, str]
) -> SourceTable:
    footers = read_footers(files)
    _check_same_columns(files, [tuple(footer.schema.to_arrow_schema().names) for footer in footers])
    paths = format_file_list(file.path for file in files)
    types = _describe_columns(
        session, f"select * from read_parquet({paths}, union_by_name = true, hive_partitioning = false)"
    )
    rows = sum(footer.num_rows for footer in footers)
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
    """Check whether the table's Parquet footers rule out NULL in some columns.

    Raises:
        SourceError: A file is missing or is no Parquet file any more.
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
    # DuckDB's only column for lines without an object; a real column can have that name too.
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
    """Add the partition columns in the paths of a table's files; columns in the files take precedence."""
    files = tuple(
        replace(file, constants=tuple(constant for constant in file.constants if constant[0] not in table.columns))
        for file in table.files
    )
    table = replace(table, files=files)
    texts = _list_partition_values(table)
    _check_distinct_columns(files[0], [*table.columns, *texts])
    types = csv_schema.infer_types_of_texts(session, texts)
    return replace(table, columns={**table.columns, **{name: fixed.get(name, kind) for name, kind in types.items()}})


def _list_partition_values(table: SourceTable) -> dict[str, list[str | None]]:
    """Return the distinct values in partition folders, by column."""
    distinct: dict[str, dict[str | None, None]] = {}
    for file in table.files:
        for name, value in file.constants:
            distinct.setdefault(name, {})[value] = None
    return {name: list(values) for name, values in distinct.items()}


def _check_renamed_columns(session: Session, files: Sequence[SourceFile], lines: str, types: Mapping[str, str]) -> None:
    """Check that DuckDB renamed no column: it reads ``A`` beside ``a`` as ``A_1``."""
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
    """Check that every file has the columns of the first, in any order."""
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
    """Check that the columns of a file differ in more than case."""
    lower = [name.lower() for name in names]
    twice = sorted({name for name in names if lower.count(name.lower()) > 1})
    if twice:
        raise SourceError(f"{file.path}: columns that differ at most in case: {', '.join(twice)}")


def _resolve_fixed_type(session: Session, table: str, column: str, kind: str) -> str:
    """Return DuckDB's name of a type in the settings."""
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
    """Check that all values fit the fixed types of their columns."""
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
            texts = ", ".join("null" if text is None else quote_literal(text) for text in constants[column])
            rows = f"(select unnest([{texts}]::varchar[]) as {value})"
        present = f"nullif({value}, '')" if table.format == "csv" and kind != "VARCHAR" else value
        [(count, first)] = session.fetch_rows(
            f"select count(*), min({value}::varchar) from {rows} "
            f"where {present} is not null and try_cast({value} as {kind}) is null",
            doing=f"checking the type of {table.name}.{column}",
        )
        if count:
            values = "value is" if count == 1 else "values are"
            raise DataRuleError(
                f"{table.name}.{column} is to be {kind}, and {count:,} {values} not; one is written like "
                f"{format_row_value(first)}",
                hint=f"correct the type in [tables.{table.name}.types], or the value in the source",
            )


def _build_untyped_select(table: SourceTable) -> str:
    """Build the SELECT for a table before types are fixed."""
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
