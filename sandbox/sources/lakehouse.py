"""Tables of lakes: opened at a version, and what a session needs to leave their deleted rows out."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.engine.duckdb.arrow_scan import describe_schema, insert_rows
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.engine.lakes import delta, iceberg
from sandbox.engine.lakes.lake_table import LakeFile
from sandbox.errors import SourceError
from sandbox.sources.files.file_errors import translate_file_errors
from sandbox.sources.files.lakehouse_files import (
    ROW_NUMBER_COLUMN,
    DataFileMapping,
    DeletedRows,
    name_equality_deletes_table,
    name_position_deletes_table,
)
from sandbox.sources.files.parquet_footer import read_footer, read_footers
from sandbox.sources.listing import SourceFile
from sandbox.sources.reaching import register_bucket_files
from sandbox.sources.table import SourceTable, build_select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.lakes.lake_table import EqualityDeletes, LakeTable
    from sandbox.sources.listing import SourceListing

ROW_NUMBERS_PER_BATCH = 1 << 20  # of deleted rows that are looked at together
FIELD_ID_KEY = b"PARQUET:field_id"
DATA_FILE_PATHS_VIEW = "paths of data files"


def open_delta_table(session: Session, listing: SourceListing, name: str, *, version: int | None) -> SourceTable:
    """Give a Delta table of a folder or bucket (see `open_lake_table`).

    Raises:
        ConfigError: It has no such version.
    """
    place = f"{listing.display_name}/{name}"
    if listing.remote is None:
        return open_lake_table(session, name, delta.load_table(place, name, version=version))
    lake = delta.load_table(place, name, version=version, options=build_storage_options(listing.uri))
    return open_lake_table(session, name, replace(lake, file_system=listing.remote.system))


def open_iceberg_table(session: Session, listing: SourceListing, name: str, *, snapshot: int | None) -> SourceTable:
    """Give an Iceberg table of a catalogue (see `open_lake_table`).

    Raises:
        ConfigError: It has no such snapshot.
    """
    assert listing.catalogue is not None
    return open_lake_table(session, name, iceberg.load_table(listing.catalogue, name, snapshot=snapshot))


def open_lake_table(session: Session, name: str, lake: LakeTable) -> SourceTable:
    """Give a table of a lake as it is at its version.

    Args:
        session: The engine; it is made ready to read the table (see `attach_table`).
        name: The table.
        lake: What its log says.

    Raises:
        SourceError: A data file is not there, or does not fit the table.
    """
    files = [_build_source_file(lake, one) for one in lake.files]
    footers = read_footers(files)
    schemas = [one.schema.to_arrow_schema() for one in footers]
    for file, schema in zip(files, schemas, strict=True):
        _check_nested_fields(file, schema, lake)
    deleted, deleting = _collect_deleted_rows(lake)
    placed = {*deleted.keep_masks, *_find_files_with_position_deletes(session, name, deleted)}
    shapes = []
    for index, (one, schema) in enumerate(zip(lake.files, schemas, strict=True)):
        files[index], shape = _build_file_mapping(lake, files[index], schema)
        numbers = [deleting.index(value) for value in one.equality_deletes]
        called = [tuple(_find_field_name(lake, schema, key) for key in value.columns) for value in one.equality_deletes]
        values = tuple(zip(numbers, called, strict=True))
        shapes.append(replace(shape, has_position_deletes=one.path in placed, equality_deletes=values))
    rows = sum(one.num_rows for one in footers)
    total = sum(one.row_group(i).total_byte_size for one in footers for i in range(one.num_row_groups))
    table = SourceTable(
        name=name,
        format="parquet",
        files=tuple(files),
        columns=describe_schema(session, lake.schema),
        rows=rows,
        width=total / max(1, rows),
        file_mappings=tuple(shapes),
        snapshot=lake.snapshot,
        deleted_rows=deleted,
    )
    _check_row_number_column(table, schemas)
    register_bucket_files(session, table.files)
    if not table.has_deleted_rows:
        return table
    attach_table(session, table)
    count = session.fetch_rows(f"select count(*) from ({build_select(table)})", doing=f"counting the rows of {name}")
    return replace(table, rows=count[0][0])


def _build_source_file(lake: LakeTable, one: LakeFile) -> SourceFile:
    return SourceFile(
        path=one.path,
        name=one.name,
        bytes=one.bytes,
        modified=one.modified,
        constants=one.constants,
        system=lake.file_system if "://" in one.path else None,
    )


def _build_file_mapping(lake: LakeTable, file: SourceFile, held: pa.Schema) -> tuple[SourceFile, DataFileMapping]:
    """Give a data file with its constants, and what it calls the columns that it calls otherwise."""
    found = {column: _find_field_name(lake, held, key) for column, key in lake.fields.items()}
    constants = tuple(one for one in file.constants if not lake.has_fallback_constants or found.get(one[0], "") is None)
    named = tuple(column for column, _ in constants)
    names = tuple((column, name) for column, name in found.items() if column != name and column not in named)
    return replace(file, constants=constants), DataFileMapping(names=names, constants=named)


def _collect_deleted_rows(lake: LakeTable) -> tuple[DeletedRows, list[EqualityDeletes]]:
    """Give what is deleted of a table, and the files of deleted values in the order in which they are numbered."""
    deleting = list(dict.fromkeys(value for one in lake.files for value in one.equality_deletes))
    values = []
    for value in deleting:
        file = _build_source_file(lake, LakeFile(path=value.path, name=value.path, bytes=value.bytes))
        schema = read_footer(file).schema.to_arrow_schema()
        names = [_find_field_name(lake, schema, key) for key in value.columns]
        if None in names or not names:
            raise SourceError(f"{value.path} lacks a column by which rows are deleted: {value.columns}")
        values.append((file, tuple(name for name in names if name is not None)))
    return (
        DeletedRows(
            keep_masks={one.path: one.row_mask for one in lake.files if one.row_mask is not None},
            position_delete_files=tuple(_build_source_file(lake, one) for one in lake.position_deletes),
            data_file_paths={one.name: one.path for one in lake.files} if lake.position_deletes else {},
            equality_delete_files=tuple(values),
        ),
        deleting,
    )


def _find_files_with_position_deletes(session: Session, name: str, deleted: DeletedRows) -> set[str]:
    """Give the data files of which rows are deleted by files of places."""
    register_bucket_files(session, deleted.files)
    if not deleted.position_delete_files:
        return set()
    with translate_file_errors("parquet", deleted.position_delete_files):
        found = session.fetch_rows(
            f"select distinct file_path from {_build_parquet_reader(deleted.position_delete_files)}",
            doing=f"reading {name}",
        )
    return {deleted.data_file_paths[path] for (path,) in found if path in deleted.data_file_paths}


def _build_parquet_reader(files: Sequence[SourceFile]) -> str:
    return f"read_parquet({format_file_list(file.path for file in files)}, hive_partitioning = false)"


def build_storage_options(uri: str) -> dict[str, str]:
    """Give what delta-rs needs to reach a bucket as pyarrow does: what the address says; the environment says the rest.

    >>> build_storage_options("s3://bucket/x?endpoint_override=127.0.0.1:9000&scheme=http&region=eu")
    {'AWS_ENDPOINT_URL': 'http://127.0.0.1:9000', 'AWS_ALLOW_HTTP': 'true', 'AWS_REGION': 'eu'}
    """
    asked = dict(parse_qsl(urlsplit(uri).query))
    found = {}
    endpoint = asked.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "://" not in endpoint:
        endpoint = f"{asked.get('scheme', 'https')}://{endpoint}"
    if endpoint:
        found["AWS_ENDPOINT_URL"] = endpoint
        if endpoint.startswith("http://"):
            found["AWS_ALLOW_HTTP"] = "true"
    if "region" in asked:
        found["AWS_REGION"] = asked["region"]
    return found


def attach_table(session: Session, table: SourceTable) -> None:
    """Put what is deleted of a table into a session that is to read it; nothing for other tables.

    Raises:
        SourceError: A file that says what is deleted cannot be read.
    """
    if table.deleted_rows is None or not table.has_deleted_rows:
        return
    deleted, places = table.deleted_rows, name_position_deletes_table(table.name)
    register_bucket_files(session, deleted.files)
    session.execute(f"create or replace temp table {quote_identifier(places)} (path VARCHAR, place BIGINT)")
    for path, kept in deleted.keep_masks.items():
        for batch in _list_deleted_row_numbers(kept):
            insert_rows(session, batch, places, f"{quote_literal(path)}, place")
    with translate_file_errors("parquet", deleted.files):
        if deleted.position_delete_files:
            paths = pa.table({"name": list(deleted.data_file_paths), "path": list(deleted.data_file_paths.values())})
            session.register_table(DATA_FILE_PATHS_VIEW, paths)
            session.execute(
                f"insert into {quote_identifier(places)} select distinct p.path, d.pos from {_build_parquet_reader(deleted.position_delete_files)} d "
                f"join {quote_identifier(DATA_FILE_PATHS_VIEW)} p on p.name = d.file_path",
                doing=f"reading {table.name}",
            )
        for number, (file, names) in enumerate(deleted.equality_delete_files):
            columns = ", ".join(f"{quote_identifier(one)} as value_{index}" for index, one in enumerate(names))
            session.execute(
                f"create or replace temp table {quote_identifier(name_equality_deletes_table(table.name, number))} as "
                f"select distinct {columns} from {_build_parquet_reader([file])}",
                doing=f"reading {table.name}",
            )


def _list_deleted_row_numbers(kept: pa.BooleanArray) -> Iterator[pa.Table]:
    """Give the places of deleted rows, some at a time."""
    for start in range(0, len(kept), ROW_NUMBERS_PER_BATCH):
        some = kept.slice(start, ROW_NUMBERS_PER_BATCH)
        places = pa.array(range(start, start + len(some)), pa.int64())
        yield pa.table({"place": places.filter(pc.invert(some))})


def _find_field_name(lake: LakeTable, held: pa.Schema, key: int | str) -> str | None:
    """Give the name of a column in a data file, by its field id or by the name that the log gives it."""
    if isinstance(key, str):
        return key if key in held.names else None
    return next((field.name for field in held if _read_field_id(lake, field) == key), None)


def _read_field_id(lake: LakeTable, field: pa.Field) -> int | None:
    text = (field.metadata or {}).get(FIELD_ID_KEY)
    return int(text) if text is not None else (lake.name_mapping or {}).get(field.name)


def _check_nested_fields(file: SourceFile, held: pa.Schema, lake: LakeTable) -> None:
    """Make sure that fields within columns are called in a data file as they are in the table."""
    for column in lake.schema:
        name = _find_field_name(lake, held, lake.fields[column.name])
        if name is None:
            continue
        if not _have_same_fields(
            list(_list_nested_fields(held.field(name).type)), list(_list_nested_fields(column.type))
        ):
            raise SourceError(
                f"{file.path}: {column.name} has other fields in it than the table has now, which sandbox does not read",
                hint="write the table again, so that all its files have its schema",
            )


def _have_same_fields(one: list[pa.Field], other: list[pa.Field]) -> bool:
    """Say whether fields are the same: by their names, and by their ids where both have some."""
    return [field.name for field in one] == [field.name for field in other] and all(
        a == b or None in (a, b)
        for a, b in zip(
            ((field.metadata or {}).get(FIELD_ID_KEY) for field in one),
            ((field.metadata or {}).get(FIELD_ID_KEY) for field in other),
            strict=True,
        )
    )


def _list_nested_fields(kind: pa.DataType) -> Iterator[pa.Field]:
    """Give the fields within a type, however deep, in order."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield field
            yield from _list_nested_fields(field.type)
    elif pa.types.is_map(kind):
        yield from _list_nested_fields(kind.key_type)
        yield from _list_nested_fields(kind.item_type)
    elif pa.types.is_nested(kind):
        yield from _list_nested_fields(kind.value_type)


def _check_row_number_column(table: SourceTable, held: Sequence[pa.Schema]) -> None:
    """Make sure that a row's place can be told where rows are deleted by it."""
    for file, shape, schema in zip(table.files, table.file_mappings, held, strict=True):
        if shape.has_position_deletes and ROW_NUMBER_COLUMN in {name.lower() for name in schema.names}:
            raise SourceError(
                f"{file.path} has a column {ROW_NUMBER_COLUMN}, and rows of it are deleted by their place, which the engine calls so too",
                hint="write the table again (OPTIMIZE or compaction), so that no row is deleted by place",
            )
