"""Read tables of Delta Lake and Iceberg at a version, without their deleted rows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.arrow_types import describe_schema, insert_rows
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.engine.lakes import delta, iceberg
from sandbox.engine.lakes.lake_table import LakeFile
from sandbox.errors import SourceError
from sandbox.model import ICEBERG_SCHEMES
from sandbox.sources.adapters.parquet_files import ParquetAdapter, build_parquet_select
from sandbox.sources.files.file_errors import explain_read_error, translate_engine_errors
from sandbox.sources.files.lakehouse_files import (
    FILE_INDEX_COLUMN,
    ROW_NUMBER_COLUMN,
    DataFileMapping,
    DeletedRows,
    name_equality_deletes_table,
    name_position_deletes_table,
)
from sandbox.sources.files.parquet_footer import read_footer, read_footers
from sandbox.sources.listing import SourceFile, SourceListing, register_files
from sandbox.sources.table import SourceTable
from sandbox.sources.unreadable_file import find_missing_files, format_names

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence
    from pathlib import Path

    from sandbox.config.sections.source import SourceSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.lakes.lake_table import EqualityDeletes, LakeTable, SourceSnapshot
    from sandbox.sources.protocol import TableRequest

ROW_NUMBERS_PER_BATCH = 1 << 20  # deleted row numbers inserted at once
FIELD_ID_KEY = b"PARQUET:field_id"
DATA_FILE_PATHS_VIEW = "paths of data files"


@dataclass(frozen=True, kw_only=True)
class LakeDetails:
    """How the files of a table differ from it.

    Attributes:
        file_mappings: The mapping of each file.
        deleted_rows: Deleted rows, determined by the snapshot.
        hides_file_index: Whether a column of a file hides the number of the file among those that are read.
    """

    file_mappings: tuple[DataFileMapping, ...]
    deleted_rows: DeletedRows = field(compare=False, repr=False)
    hides_file_index: bool = False

    @property
    def has_deleted_rows(self) -> bool:
        """Whether some rows of the files are deleted."""
        return any(shape.has_deleted_rows for shape in self.file_mappings)


class LakeAdapter(ParquetAdapter):
    """Tables whose log names their Parquet files."""

    suffixes = ()

    def load_table(self, request: TableRequest) -> LakeTable:
        """Read a table's log at the requested version.

        Raises:
            ConfigError: The table has no such version.
        """
        raise NotImplementedError

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        return open_lake_table(session, request.name, self.load_table(request))

    def attach_table(self, session: Session, table: SourceTable) -> None:
        _load_deleted_rows(session, table)

    def build_file_select(self, table: SourceTable, files: Sequence[int], number: str | None) -> str:
        return build_lake_select(table, files, number)

    def build_untyped_select(self, table: SourceTable) -> str:
        return self.build_select(table, None, None)

    def list_read_groups(self, table: SourceTable) -> Sequence[Hashable] | None:
        details = _get_details(table)
        return None if details.hides_file_index else details.file_mappings

    def preserves_row_order(self, table: SourceTable) -> bool:
        return not _get_details(table).has_deleted_rows

    def can_prefetch(self, table: SourceTable) -> bool:
        return False

    def has_no_nulls(self, table: SourceTable, columns: Sequence[str]) -> bool:
        return False

    def find_changed_files(self, table: SourceTable, files: tuple[SourceFile, ...]) -> list[str]:
        """Return the missing files of the version; newer versions do not matter."""
        return [file.name for file in table.files if file.read_size() != file.bytes]

    def build_change_error(self, table: SourceTable, names: Sequence[str]) -> SourceError:
        assert table.snapshot is not None
        return _build_vacuum_error(table.name, table.snapshot, names)


class DeltaAdapter(LakeAdapter):
    """Delta tables of a folder or bucket."""

    format = "delta"
    pin = "version"

    def load_table(self, request: TableRequest) -> LakeTable:
        listing, name = request.listing, request.name
        path = f"{listing.display_name}/{name}"
        if listing.remote is None:
            return delta.load_table(path, name, version=request.pin)
        lake = delta.load_table(path, name, version=request.pin, options=build_storage_options(listing.uri))
        return replace(lake, file_system=listing.remote.system)


class IcebergAdapter(LakeAdapter):
    """Iceberg tables of a catalogue."""

    format = "iceberg"
    pin = "snapshot"

    def list_source(self, uri: str, *, base: Path, section: SourceSection | None) -> SourceListing | None:
        if uri.partition("://")[0] not in ICEBERG_SCHEMES:
            return None
        catalogue = iceberg.open_catalog(uri, base=base)
        files = dict.fromkeys(catalogue.tables, (self.format, ()))
        return SourceListing(uri=uri, base=base, display_name=catalogue.address, files=files, handle=catalogue)

    def load_table(self, request: TableRequest) -> LakeTable:
        return iceberg.load_table(request.listing.handle, request.name, snapshot=request.pin)


def open_lake_table(session: Session, name: str, lake: LakeTable) -> SourceTable:
    """Open a table at its version and load its deleted rows.

    Raises:
        SourceError: A data file is missing or does not fit the table.
    """
    files = [_build_source_file(lake, file) for file in lake.files]
    try:
        footers = read_footers(files)
    except SourceError as error:
        missing = [] if error.lost else find_missing_files(files)
        if missing:
            raise _build_vacuum_error(name, lake.snapshot, [file.name for file in missing]) from error
        raise
    schemas = [footer.schema.to_arrow_schema() for footer in footers]
    for file, schema in zip(files, schemas, strict=True):
        _check_nested_fields(file, schema, lake)
    deleted, deleting = _collect_deleted_rows(lake)
    placed = {*deleted.keep_masks, *_find_files_with_position_deletes(session, name, deleted)}
    shapes = []
    for index, (lake_file, schema) in enumerate(zip(lake.files, schemas, strict=True)):
        files[index], shape = _build_file_mapping(lake, files[index], schema)
        numbers = [deleting.index(value) for value in lake_file.equality_deletes]
        called = [
            tuple(_find_field_name(lake, schema, key) for key in value.columns) for value in lake_file.equality_deletes
        ]
        values = tuple(zip(numbers, called, strict=True))
        shapes.append(replace(shape, has_position_deletes=lake_file.path in placed, equality_deletes=values))
    rows = sum(footer.num_rows for footer in footers)
    total = sum(footer.row_group(i).total_byte_size for footer in footers for i in range(footer.num_row_groups))
    table = SourceTable(
        name=name,
        format=lake.snapshot.kind,
        files=tuple(files),
        columns=describe_schema(session, lake.schema),
        rows=rows,
        width=total / max(1, rows),
        snapshot=lake.snapshot,
        details=LakeDetails(
            file_mappings=tuple(shapes),
            deleted_rows=deleted,
            hides_file_index=any(column.lower() == FILE_INDEX_COLUMN for schema in schemas for column in schema.names),
        ),
    )
    _check_row_number_column(table, schemas)
    register_files(session, table.files)
    if not _get_details(table).has_deleted_rows:
        return table
    _load_deleted_rows(session, table)
    rows_left = build_lake_select(table, range(len(files)), None)
    count = session.fetch_rows(f"select count(*) from ({rows_left})", doing=f"counting the rows of {name}")
    return replace(table, rows=count[0][0])


def _build_vacuum_error(name: str, snapshot: SourceSnapshot, files: Sequence[str]) -> SourceError:
    """Build the error for data files of a table's version that are not there any more."""
    is_delta = snapshot.kind == "delta"
    version = f"{'version' if is_delta else 'snapshot'} {snapshot.version}"
    cause = "vacuum has removed them" if is_delta else "its snapshots were expired"
    keeping = "delta.deletedFileRetentionDuration" if is_delta else "history.expire.max-snapshot-age-ms"
    return SourceError(
        f"{name}: data files of {version} are not there any more, probably since {cause}: {format_names(files)}",
        hint=f"draw from the newest version, or name a later one in [tables.{quote_key(name)}]; {keeping} keeps files longer",
    )


def build_lake_select(table: SourceTable, files: Sequence[int], number: str | None) -> str:
    """Build the SELECT for some files of a table, with DuckDB's row numbers if requested."""
    if not files:
        nothing = [f"null::{kind} as {quote_identifier(name)}" for name, kind in table.columns.items()]
        nothing += [f"null::bigint as {quote_identifier(number)}"] if number is not None else []
        return f"select {', '.join(nothing)} where false"
    shapes = _get_details(table).file_mappings
    held = [name for shape in shapes for _, name in shape.names if name is not None]
    groups: dict[DataFileMapping, list[int]] = {}
    for index in files:
        groups.setdefault(shapes[index], []).append(index)
    return " union all ".join(
        build_parquet_select(table, alike, number, shape=shape, taken=held) for shape, alike in groups.items()
    )


def _build_source_file(lake: LakeTable, file: LakeFile) -> SourceFile:
    return SourceFile(
        path=file.path,
        name=file.name,
        bytes=file.bytes,
        modified=file.modified,
        constants=file.constants,
        system=lake.file_system if "://" in file.path else None,
    )


def _build_file_mapping(lake: LakeTable, file: SourceFile, held: pa.Schema) -> tuple[SourceFile, DataFileMapping]:
    """Return a data file with its constants, and its mapping of renamed columns."""
    field_names = {column: _find_field_name(lake, held, key) for column, key in lake.fields.items()}
    constants = tuple(
        constant
        for constant in file.constants
        if not lake.has_fallback_constants or field_names.get(constant[0], "") is None
    )
    named = tuple(column for column, _ in constants)
    names = tuple((column, name) for column, name in field_names.items() if column != name and column not in named)
    return replace(file, constants=constants), DataFileMapping(names=names, constants=named)


def _collect_deleted_rows(lake: LakeTable) -> tuple[DeletedRows, list[EqualityDeletes]]:
    """Return a table's deleted rows, and the files of deleted values in the order of their numbers."""
    deleting = list(dict.fromkeys(value for data_file in lake.files for value in data_file.equality_deletes))
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
            keep_masks={
                data_file.path: data_file.row_mask for data_file in lake.files if data_file.row_mask is not None
            },
            position_delete_files=tuple(_build_source_file(lake, data_file) for data_file in lake.position_deletes),
            data_file_paths={data_file.name: data_file.path for data_file in lake.files}
            if lake.position_deletes
            else {},
            equality_delete_files=tuple(values),
        ),
        deleting,
    )


def _find_files_with_position_deletes(session: Session, name: str, deleted: DeletedRows) -> set[str]:
    """Return the data files named in files of deleted row numbers."""
    register_files(session, deleted.files)
    if not deleted.position_delete_files:
        return set()
    with translate_engine_errors(explain_read_error, deleted.position_delete_files):
        rows = session.fetch_rows(
            f"select distinct file_path from {_build_parquet_reader(deleted.position_delete_files)}",
            doing=f"reading {name}",
        )
    return {deleted.data_file_paths[path] for (path,) in rows if path in deleted.data_file_paths}


def _build_parquet_reader(files: Sequence[SourceFile]) -> str:
    return build_parquet_reader(file.path for file in files)


def build_storage_options(uri: str) -> dict[str, str]:
    """Return delta-rs options equivalent to the parameters of a bucket's address, completed from the environment.

    >>> build_storage_options("s3://bucket/x?endpoint_override=127.0.0.1:9000&scheme=http&region=eu")
    {'AWS_ENDPOINT_URL': 'http://127.0.0.1:9000', 'AWS_ALLOW_HTTP': 'true', 'AWS_REGION': 'eu'}
    """
    parameters = dict(parse_qsl(urlsplit(uri).query))
    options = {}
    endpoint = parameters.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "://" not in endpoint:
        endpoint = f"{parameters.get('scheme', 'https')}://{endpoint}"
    if endpoint:
        options["AWS_ENDPOINT_URL"] = endpoint
        if endpoint.startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
    if "region" in parameters:
        options["AWS_REGION"] = parameters["region"]
    return options


def _load_deleted_rows(session: Session, table: SourceTable) -> None:
    """Load a table's deleted rows into a session; no effect without deleted rows.

    Raises:
        SourceError: A file with deletes cannot be read.
    """
    details = _get_details(table)
    if not details.has_deleted_rows:
        return
    deleted, places = details.deleted_rows, name_position_deletes_table(table.name)
    register_files(session, deleted.files)
    session.execute(f"create or replace temp table {quote_identifier(places)} (path VARCHAR, place BIGINT)")
    for path, kept in deleted.keep_masks.items():
        for batch in _list_deleted_row_numbers(kept):
            insert_rows(session, batch, places, f"{quote_literal(path)}, place")
    with translate_engine_errors(explain_read_error, deleted.files):
        if deleted.position_delete_files:
            paths = pa.table({"name": list(deleted.data_file_paths), "path": list(deleted.data_file_paths.values())})
            session.register_table(DATA_FILE_PATHS_VIEW, paths)
            session.execute(
                f"insert into {quote_identifier(places)} select distinct p.path, d.pos from {_build_parquet_reader(deleted.position_delete_files)} d "
                f"join {quote_identifier(DATA_FILE_PATHS_VIEW)} p on p.name = d.file_path",
                doing=f"reading {table.name}",
            )
        for number, (file, names) in enumerate(deleted.equality_delete_files):
            columns = ", ".join(f"{quote_identifier(column)} as value_{index}" for index, column in enumerate(names))
            session.execute(
                f"create or replace temp table {quote_identifier(name_equality_deletes_table(table.name, number))} as "
                f"select distinct {columns} from {_build_parquet_reader([file])}",
                doing=f"reading {table.name}",
            )


def _list_deleted_row_numbers(kept: pa.BooleanArray) -> Iterator[pa.Table]:
    """Yield the row numbers of deleted rows in batches."""
    for start in range(0, len(kept), ROW_NUMBERS_PER_BATCH):
        some = kept.slice(start, ROW_NUMBERS_PER_BATCH)
        places = pa.array(range(start, start + len(some)), pa.int64())
        yield pa.table({"place": places.filter(pc.invert(some))})


def _find_field_name(lake: LakeTable, held: pa.Schema, key: int | str) -> str | None:
    """Return a column's name in a data file by field id or name; None if it is missing."""
    if isinstance(key, str):
        return key if key in held.names else None
    return next((field.name for field in held if _read_field_id(lake, field) == key), None)


def _read_field_id(lake: LakeTable, field: pa.Field) -> int | None:
    text = (field.metadata or {}).get(FIELD_ID_KEY)
    return int(text) if text is not None else (lake.name_mapping or {}).get(field.name)


def _check_nested_fields(file: SourceFile, held: pa.Schema, lake: LakeTable) -> None:
    """Check that nested fields have the same names in a data file as in the table."""
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


def _have_same_fields(fields: list[pa.Field], other: list[pa.Field]) -> bool:
    """Check that fields have the same names, and the same ids if both have ids."""
    return [field.name for field in fields] == [field.name for field in other] and all(
        a == b or None in (a, b)
        for a, b in zip(
            ((field.metadata or {}).get(FIELD_ID_KEY) for field in fields),
            ((field.metadata or {}).get(FIELD_ID_KEY) for field in other),
            strict=True,
        )
    )


def _list_nested_fields(kind: pa.DataType) -> Iterator[pa.Field]:
    """Yield the fields nested in a type, depth first."""
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
    """Check that no column hides the row number of files with deletes by row number."""
    for file, shape, schema in zip(table.files, _get_details(table).file_mappings, held, strict=True):
        if shape.has_position_deletes and ROW_NUMBER_COLUMN in {name.lower() for name in schema.names}:
            raise SourceError(
                f"{file.path} has a column {ROW_NUMBER_COLUMN}, and rows of it are deleted by their place, which the engine calls so too",
                hint="write the table again (OPTIMIZE or compaction), so that no row is deleted by place",
            )


def _get_details(table: SourceTable) -> LakeDetails:
    assert isinstance(table.details, LakeDetails)
    return table.details
