"""Tables of lakes: opened at a version, and what a session needs to leave their deleted rows out."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.engine.arrow import kinds_of, loaded
from sandbox.engine.duck import literal, quote
from sandbox.engine.lakes import delta
from sandbox.engine.remote_files import reach
from sandbox.errors import SourceError
from sandbox.sampler.footers import footers_of
from sandbox.sampler.shapes import PLACE, Deleted, Shape, deleted_places
from sandbox.sampler.source import SourceFile
from sandbox.sampler.table import SourceTable, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyarrow import fs

    from sandbox.engine.duck import Session
    from sandbox.engine.lakes.values import LakeTable
    from sandbox.sampler.source import Listing

PLACES = 1 << 20  # of deleted rows that are looked at together
FIELD_ID = b"PARQUET:field_id"


def opened_delta(session: Session, listing: Listing, name: str, *, version: int | None) -> SourceTable:
    """Give a Delta table of a folder or bucket (see `opened`).

    Raises:
        ConfigError: It has no such version.
    """
    remote = listing.remote
    lake = delta.table(
        f"{listing.shown}/{name}",
        name,
        version=version,
        options=options(listing.uri) if remote else None,
    )
    return opened(session, name, lake, system=remote.system if remote else None)


def opened(session: Session, name: str, lake: LakeTable, *, system: fs.FileSystem | None) -> SourceTable:
    """Give a table of a lake as it is at its version.

    Args:
        session: The engine; it is made ready to read the table (see `attach`).
        name: The table.
        lake: What its log says.
        system: pyarrow's file system, where its files lie in a bucket.

    Raises:
        SourceError: A data file is not there, or does not fit the table.
    """
    files = tuple(
        SourceFile(
            path=one.path,
            name=one.name,
            bytes=one.bytes,
            modified=one.modified,
            constants=one.constants,
            system=system,
        )
        for one in lake.files
    )
    if system is not None:
        reach(session, system, {file.path: (file.bytes, file.modified) for file in files})
    footers = footers_of(files)
    schemas = [one.schema.to_arrow_schema() for one in footers]
    for file, schema in zip(files, schemas, strict=True):
        _check_fit(file, schema, lake)
    deleting = list(dict.fromkeys(value for one in lake.files for value in one.values))
    shapes = tuple(
        Shape(
            names=_names(lake, schema, dict(one.constants)),
            placed=one.kept is not None,
            values=tuple(
                (deleting.index(value), tuple(_field(lake, schema, key) for key in value.columns))
                for value in one.values
            ),
        )
        for one, schema in zip(lake.files, schemas, strict=True)
    )
    rows = sum(one.num_rows for one in footers)
    total = sum(one.row_group(i).total_byte_size for one in footers for i in range(one.num_row_groups))
    table = SourceTable(
        name=name,
        format="parquet",
        files=files,
        columns=kinds_of(session, lake.schema),
        rows=rows,
        width=total / max(1, rows),
        shapes=shapes,
        snapshot=lake.snapshot,
        deleted=Deleted(kept={one.path: one.kept for one in lake.files if one.kept is not None}),
    )
    _check_place(table, schemas)
    if not table.thinned:
        return table
    attach(session, table)
    count = session.rows(f"select count(*) from ({reading(table)})", doing=f"counting the rows of {name}")
    return replace(table, rows=count[0][0])


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
    places = deleted_places(table.name)
    session.execute(f"create or replace temp table {quote(places)} (path VARCHAR, place BIGINT)")
    for path, kept in table.deleted.kept.items():
        for batch in _deleted(kept):
            loaded(session, batch, places, f"{literal(path)}, place")


def _deleted(kept: pa.BooleanArray) -> Iterator[pa.Table]:
    """Give the places of deleted rows, some at a time."""
    for start in range(0, len(kept), PLACES):
        some = kept.slice(start, PLACES)
        places = pa.array(range(start, start + len(some)), pa.int64())
        yield pa.table({"place": places.filter(pc.invert(some))})


def _names(
    lake: LakeTable, held: pa.Schema, constants: Mapping[str, str | None]
) -> tuple[tuple[str, str | None], ...]:
    """Give what a data file calls the columns that it calls otherwise."""
    found = {
        column: _field(lake, held, key) for column, key in lake.fields.items() if column not in constants
    }
    return tuple((column, name) for column, name in found.items() if column != name)


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
        if list(_inner(held.field(name).type)) != list(_inner(column.type)):
            raise SourceError(
                f"{file.path}: {column.name} has other fields in it than the table has now, which sandbox does not read",
                hint="write the table again, so that all its files have its schema",
            )


def _inner(kind: pa.DataType) -> Iterator[str]:
    """Give the names of the fields within a type, however deep, in order."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield field.name
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
