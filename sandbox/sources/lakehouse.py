"""Tables of lakes: opened at a version, and what a session needs to leave their deleted rows out."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.engine.duckdb.arrow_scan import kinds_of, loaded
from sandbox.engine.duckdb.session import literal, quote
from sandbox.engine.duckdb.table_functions import file_list
from sandbox.engine.lakes import delta, iceberg
from sandbox.engine.lakes.lake_table import LakeFile
from sandbox.errors import SourceError
from sandbox.sources.files.file_errors import blamed
from sandbox.sources.files.lakehouse_files import PLACE, Deleted, Shape, deleted_places, deleted_values
from sandbox.sources.files.parquet_footer import footer, footers_of
from sandbox.sources.listing import SourceFile
from sandbox.sources.reaching import reach
from sandbox.sources.table import SourceTable, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.lakes.lake_table import LakeTable, ValuesDeleted
    from sandbox.sources.listing import Listing

PLACES = 1 << 20  # of deleted rows that are looked at together
FIELD_ID = b"PARQUET:field_id"
PATHS = "paths of data files"


def opened_delta(session: Session, listing: Listing, name: str, *, version: int | None) -> SourceTable:
    """Give a Delta table of a folder or bucket (see `opened`).

    Raises:
        ConfigError: It has no such version.
    """
    place = f"{listing.shown}/{name}"
    if listing.remote is None:
        return opened(session, name, delta.table(place, name, version=version))
    lake = delta.table(place, name, version=version, options=options(listing.uri))
    return opened(session, name, replace(lake, system=listing.remote.system))


def opened_iceberg(session: Session, listing: Listing, name: str, *, snapshot: int | None) -> SourceTable:
    """Give an Iceberg table of a catalogue (see `opened`).

    Raises:
        ConfigError: It has no such snapshot.
    """
    assert listing.catalogue is not None
    return opened(session, name, iceberg.table(listing.catalogue, name, snapshot=snapshot))


def opened(session: Session, name: str, lake: LakeTable) -> SourceTable:
    """Give a table of a lake as it is at its version.

    Args:
        session: The engine; it is made ready to read the table (see `attach`).
        name: The table.
        lake: What its log says.

    Raises:
        SourceError: A data file is not there, or does not fit the table.
    """
    files = [_file(lake, one) for one in lake.files]
    footers = footers_of(files)
    schemas = [one.schema.to_arrow_schema() for one in footers]
    for file, schema in zip(files, schemas, strict=True):
        _check_fit(file, schema, lake)
    deleted, deleting = _deleted(lake)
    placed = {*deleted.kept, *_placed(session, name, deleted)}
    shapes = []
    for index, (one, schema) in enumerate(zip(lake.files, schemas, strict=True)):
        files[index], shape = _shape(lake, files[index], schema)
        numbers = [deleting.index(value) for value in one.values]
        called = [tuple(_field(lake, schema, key) for key in value.columns) for value in one.values]
        values = tuple(zip(numbers, called, strict=True))
        shapes.append(replace(shape, placed=one.path in placed, values=values))
    rows = sum(one.num_rows for one in footers)
    total = sum(one.row_group(i).total_byte_size for one in footers for i in range(one.num_row_groups))
    table = SourceTable(
        name=name,
        format="parquet",
        files=tuple(files),
        columns=kinds_of(session, lake.schema),
        rows=rows,
        width=total / max(1, rows),
        shapes=tuple(shapes),
        snapshot=lake.snapshot,
        deleted=deleted,
    )
    _check_place(table, schemas)
    reach(session, table.files)
    if not table.thinned:
        return table
    attach(session, table)
    count = session.rows(f"select count(*) from ({reading(table)})", doing=f"counting the rows of {name}")
    return replace(table, rows=count[0][0])


def _file(lake: LakeTable, one: LakeFile) -> SourceFile:
    return SourceFile(
        path=one.path,
        name=one.name,
        bytes=one.bytes,
        modified=one.modified,
        constants=one.constants,
        system=lake.system if "://" in one.path else None,
    )


def _shape(lake: LakeTable, file: SourceFile, held: pa.Schema) -> tuple[SourceFile, Shape]:
    """Give a data file with its constants, and what it calls the columns that it calls otherwise."""
    found = {column: _field(lake, held, key) for column, key in lake.fields.items()}
    constants = tuple(one for one in file.constants if not lake.optional or found.get(one[0], "") is None)
    named = tuple(column for column, _ in constants)
    names = tuple((column, name) for column, name in found.items() if column != name and column not in named)
    return replace(file, constants=constants), Shape(names=names, constants=named)


def _deleted(lake: LakeTable) -> tuple[Deleted, list[ValuesDeleted]]:
    """Give what is deleted of a table, and the files of deleted values in the order in which they are numbered."""
    deleting = list(dict.fromkeys(value for one in lake.files for value in one.values))
    values = []
    for value in deleting:
        file = _file(lake, LakeFile(path=value.path, name=value.path, bytes=value.bytes))
        schema = footer(file).schema.to_arrow_schema()
        names = [_field(lake, schema, key) for key in value.columns]
        if None in names or not names:
            raise SourceError(f"{value.path} lacks a column by which rows are deleted: {value.columns}")
        values.append((file, tuple(name for name in names if name is not None)))
    return (
        Deleted(
            kept={one.path: one.kept for one in lake.files if one.kept is not None},
            places=tuple(_file(lake, one) for one in lake.places),
            paths={one.name: one.path for one in lake.files} if lake.places else {},
            values=tuple(values),
        ),
        deleting,
    )


def _placed(session: Session, name: str, deleted: Deleted) -> set[str]:
    """Give the data files of which rows are deleted by files of places."""
    reach(session, deleted.files)
    if not deleted.places:
        return set()
    with blamed("parquet", deleted.places):
        found = session.rows(
            f"select distinct file_path from {_parquet(deleted.places)}", doing=f"reading {name}"
        )
    return {deleted.paths[path] for (path,) in found if path in deleted.paths}


def _parquet(files: Sequence[SourceFile]) -> str:
    return f"read_parquet({file_list(file.path for file in files)}, hive_partitioning = false)"


def options(uri: str) -> dict[str, str]:
    """Give what delta-rs needs to reach a bucket as pyarrow does: what the address says; the environment says the rest.

    >>> options("s3://bucket/x?endpoint_override=127.0.0.1:9000&scheme=http&region=eu")
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


def attach(session: Session, table: SourceTable) -> None:
    """Put what is deleted of a table into a session that is to read it; nothing for other tables.

    Raises:
        SourceError: A file that says what is deleted cannot be read.
    """
    if table.deleted is None or not table.thinned:
        return
    deleted, places = table.deleted, deleted_places(table.name)
    reach(session, deleted.files)
    session.execute(f"create or replace temp table {quote(places)} (path VARCHAR, place BIGINT)")
    for path, kept in deleted.kept.items():
        for batch in _places(kept):
            loaded(session, batch, places, f"{literal(path)}, place")
    with blamed("parquet", deleted.files):
        if deleted.places:
            paths = pa.table({"name": list(deleted.paths), "path": list(deleted.paths.values())})
            session.lend(PATHS, paths)
            session.execute(
                f"insert into {quote(places)} select distinct p.path, d.pos from {_parquet(deleted.places)} d "
                f"join {quote(PATHS)} p on p.name = d.file_path",
                doing=f"reading {table.name}",
            )
        for number, (file, names) in enumerate(deleted.values):
            columns = ", ".join(f"{quote(one)} as value_{index}" for index, one in enumerate(names))
            session.execute(
                f"create or replace temp table {quote(deleted_values(table.name, number))} as "
                f"select distinct {columns} from {_parquet([file])}",
                doing=f"reading {table.name}",
            )


def _places(kept: pa.BooleanArray) -> Iterator[pa.Table]:
    """Give the places of deleted rows, some at a time."""
    for start in range(0, len(kept), PLACES):
        some = kept.slice(start, PLACES)
        places = pa.array(range(start, start + len(some)), pa.int64())
        yield pa.table({"place": places.filter(pc.invert(some))})


def _field(lake: LakeTable, held: pa.Schema, key: int | str) -> str | None:
    """Give the name of a column in a data file, by its field id or by the name that the log gives it."""
    if isinstance(key, str):
        return key if key in held.names else None
    return next((field.name for field in held if _id(lake, field) == key), None)


def _id(lake: LakeTable, field: pa.Field) -> int | None:
    text = (field.metadata or {}).get(FIELD_ID)
    return int(text) if text is not None else (lake.names or {}).get(field.name)


def _check_fit(file: SourceFile, held: pa.Schema, lake: LakeTable) -> None:
    """Make sure that fields within columns are called in a data file as they are in the table."""
    for column in lake.schema:
        name = _field(lake, held, lake.fields[column.name])
        if name is None:
            continue
        if not _alike(list(_inner(held.field(name).type)), list(_inner(column.type))):
            raise SourceError(
                f"{file.path}: {column.name} has other fields in it than the table has now, which sandbox does not read",
                hint="write the table again, so that all its files have its schema",
            )


def _alike(one: list[pa.Field], other: list[pa.Field]) -> bool:
    """Say whether fields are the same: by their names, and by their ids where both have some."""
    return [field.name for field in one] == [field.name for field in other] and all(
        a == b or None in (a, b)
        for a, b in zip(
            ((field.metadata or {}).get(FIELD_ID) for field in one),
            ((field.metadata or {}).get(FIELD_ID) for field in other),
            strict=True,
        )
    )


def _inner(kind: pa.DataType) -> Iterator[pa.Field]:
    """Give the fields within a type, however deep, in order."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield field
            yield from _inner(field.type)
    elif pa.types.is_map(kind):
        yield from _inner(kind.key_type)
        yield from _inner(kind.item_type)
    elif pa.types.is_nested(kind):
        yield from _inner(kind.value_type)


def _check_place(table: SourceTable, held: Sequence[pa.Schema]) -> None:
    """Make sure that a row's place can be told where rows are deleted by it."""
    for file, shape, schema in zip(table.files, table.shapes, held, strict=True):
        if shape.placed and PLACE in {name.lower() for name in schema.names}:
            raise SourceError(
                f"{file.path} has a column {PLACE}, and rows of it are deleted by their place, which the engine calls so too",
                hint="write the table again (OPTIMIZE or compaction), so that no row is deleted by place",
            )
