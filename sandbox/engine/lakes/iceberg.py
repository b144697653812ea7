"""Iceberg tables, by pyiceberg: it reads catalogue and manifests, the data files are read by the engine.

pyiceberg's own plan of a scan refuses equality deletes, so the manifests' entries are put together here, by the rules of the
specification ("Scan Planning"): what is deleted by value is deleted from the files that are older, in the same partition or,
where the deletes have none, in all.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import numpy as np
import pyarrow as pa

from sandbox.engine.lakes.lake_table import (
    EqualityDeletes,
    LakeFile,
    LakeTable,
    SourceSnapshot,
    build_missing_extra_error,
)
from sandbox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile, ManifestEntry
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

CATALOG_OPTIONS = {"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO", "init_catalog_tables": "false"}
SCHEME_ALIASES = {"s3a": "s3", "s3n": "s3"}


@dataclass(frozen=True, kw_only=True)
class IcebergCatalog:
    """An opened catalogue, or one namespace of it.

    Attributes:
        address: Its address, for messages.
        catalog: pyiceberg's.
        tables: By the name that is used here the table's identifier.
    """

    address: str
    catalog: Catalog
    tables: Mapping[str, tuple[str, ...]]


def open_catalog(uri: str, *, base: Path) -> IcebergCatalog:
    """Open a catalogue and list its tables.

    Args:
        uri: ``iceberg://NAME/NAMESPACE``, where pyiceberg's configuration describes NAME, or
            ``iceberg+sqlite:///FILE?namespace=NAMESPACE`` for a SQL catalogue in a SQLite file. Without a namespace tables
            are called ``namespace.table``.
        base: The folder that a file is relative to.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise build_missing_extra_error("iceberg", error) from None
    parts = urlsplit(uri)
    asked = dict(parse_qsl(parts.query))
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
    with translate_errors(shown):
        if parts.scheme == "iceberg":
            namespace = unquote(parts.path).strip("/").replace("/", ".")
            catalog = load_catalog(parts.netloc, **CATALOG_OPTIONS)
        else:
            namespace = asked.get("namespace", "")
            file = (base / unquote(parts.path).removeprefix("/")).absolute()
            name = asked.get("catalog") or _find_catalog_name(file)
            # SQLite's own form of a path, percent-encoded: once for it, once for SQLAlchemy.
            place = f"sqlite:///file:{quote(quote(str(file)))}?mode=ro&uri=true"
            catalog = load_catalog(name, **{**CATALOG_OPTIONS, "type": "sql", "uri": place})
        return IcebergCatalog(address=shown, catalog=catalog, tables=_list_tables(catalog, namespace))


def _find_catalog_name(file: Path) -> str:
    """Give the name of the one catalogue that a SQLite file holds."""
    if not file.is_file():
        raise SourceError(f"the source {file} is not there", hint="correct uri in [source]; it starts at sandbox.toml")
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute("select distinct catalog_name from iceberg_tables order by 1")]
    if len(names) != 1:
        held = f"several catalogues: {', '.join(names)}" if names else "no table"
        raise SourceError(f"{file} holds {held}", hint="name one with ?catalog=NAME at the end of uri" if names else "")
    return str(names[0])


def _list_tables(catalog: Catalog, namespace: str) -> dict[str, tuple[str, ...]]:
    """Give the tables of a namespace by name, or of all by namespace and name."""
    if namespace:
        return {one[-1]: tuple(one) for one in catalog.list_tables(tuple(namespace.split(".")))}
    found: dict[str, tuple[str, ...]] = {}
    for space in _list_namespaces(catalog, ()):
        found.update({".".join(one): tuple(one) for one in catalog.list_tables(space)})
    return found


def _list_namespaces(catalog: Catalog, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for space in catalog.list_namespaces(above):
        if len(space) > len(above):  # some catalogues give the one that was asked about
            yield tuple(space)
            yield from _list_namespaces(catalog, tuple(space))


def load_table(catalogue: IcebergCatalog, name: str, *, snapshot: int | None) -> LakeTable:
    """Give an Iceberg table at a snapshot.

    Args:
        catalogue: Where it is.
        name: What it is called here.
        snapshot: Which one; None takes the newest.

    Raises:
        SourceError: It cannot be read.
        ConfigError: There is no such snapshot.
    """
    with translate_errors(f"{name}: the Iceberg table in {catalogue.address}"):
        found = catalogue.catalog.load_table(catalogue.tables[name])
        chosen = found.current_snapshot() if snapshot is None else found.snapshot_by_id(snapshot)
        if chosen is None and snapshot is not None:
            known = ", ".join(str(one.snapshot_id) for one in reversed(found.snapshots()[-5:]))
            raise ConfigError(
                f"[tables.{name}] snapshot = {snapshot}: the Iceberg table has no such snapshot",
                hint=f"the newest are {known}" if known else "it has none",
            )
        schema = found.schema()
        if snapshot is not None and chosen is not None and chosen.schema_id is not None:
            schema = found.schemas()[chosen.schema_id]
        entries = [] if chosen is None else [
            entry for manifest in chosen.manifests(found.io) for entry in manifest.fetch_manifest_entry(found.io)
        ]  # fmt: skip
        return _describe_table(found, schema, entries, 0 if chosen is None else chosen.snapshot_id)


def _describe_table(found: Table, schema: Schema, entries: list[ManifestEntry], snapshot: int) -> LakeTable:
    from pyiceberg.io.pyarrow import PyArrowFileIO, schema_to_pyarrow  # noqa: PLC0415 - see `open_catalog`
    from pyiceberg.manifest import DataFileContent, FileFormat  # noqa: PLC0415

    data = [entry for entry in entries if entry.data_file.content == DataFileContent.DATA]
    deletes = [entry for entry in entries if entry.data_file.content != DataFileContent.DATA]
    by_value = [entry for entry in deletes if entry.data_file.content == DataFileContent.EQUALITY_DELETES]
    by_place = [entry for entry in deletes if entry.data_file.content == DataFileContent.POSITION_DELETES]
    vectors = [entry for entry in by_place if entry.data_file.file_format == FileFormat.PUFFIN]
    for entry in [*data, *by_value, *(one for one in by_place if one not in vectors)]:
        if entry.data_file.file_format != FileFormat.PARQUET:
            raise SourceError(
                f"{entry.data_file.file_path} is {entry.data_file.file_format.name}; sandbox reads Iceberg's Parquet files only"
            )
    kept = {path: mask for entry in vectors for path, mask in _read_deletion_vectors(found, entry.data_file)}
    unpartitioned = {number for number, spec in found.specs().items() if spec.is_unpartitioned()}
    files = [
        LakeFile(
            path=convert_location(entry.data_file.file_path),
            name=entry.data_file.file_path,
            bytes=entry.data_file.file_size_in_bytes,
            constants=_find_constants(found, schema, entry.data_file),
            row_mask=kept.get(entry.data_file.file_path),
            equality_deletes=tuple(
                EqualityDeletes(
                    path=convert_location(one.data_file.file_path),
                    bytes=one.data_file.file_size_in_bytes,
                    columns=tuple(one.data_file.equality_ids or ()),
                )
                for one in by_value
                if _is_delete_applicable(entry, one, unpartitioned)
            ),
        )
        for entry in data
    ]
    io, mapping = found.io, found.name_mapping()
    assert isinstance(io, PyArrowFileIO)
    systems = {file.path.partition("://")[0]: file.name for file in files if "://" in file.path}
    return LakeTable(
        snapshot=SourceSnapshot(kind="iceberg", version=snapshot),
        schema=schema_to_pyarrow(schema, include_field_ids=True),
        fields={field.name: field.field_id for field in schema.fields},
        files=sorted(files, key=lambda one: one.name),
        name_mapping=None if mapping is None else {
            name: field.field_id for field in mapping if field.field_id is not None for name in field.names
        },
        position_deletes=tuple(
            LakeFile(
                path=convert_location(one.data_file.file_path), name=one.data_file.file_path, bytes=one.data_file.file_size_in_bytes
            )
            for one in by_place if one not in vectors
        ),
        file_system=io.fs_by_scheme(*PyArrowFileIO.parse_location(next(iter(systems.values())))[:2]) if systems else None,
    )  # fmt: skip


def convert_location(location: str) -> str:
    """Give a location as the engine is asked for it: a path, or an address in a bucket.

    >>> convert_location("file:///a%20b/c.parquet"), convert_location("s3a://bucket/c.parquet")
    ('/a%20b/c.parquet', 's3://bucket/c.parquet')
    """
    scheme, found, rest = location.partition("://")
    if not found:
        return location.removeprefix("file:")
    return rest if scheme == "file" else f"{SCHEME_ALIASES.get(scheme, scheme)}://{rest}"


def _is_delete_applicable(data: ManifestEntry, delete: ManifestEntry, unpartitioned: set[int]) -> bool:
    """Say whether values that are deleted count for a data file: it is older, and of the same partition or there is none."""
    if (data.sequence_number or 0) >= (delete.sequence_number or 0):
        return False
    one, other = data.data_file, delete.data_file
    return other.spec_id in unpartitioned or (one.spec_id == other.spec_id and one.partition == other.partition)


def _read_deletion_vectors(found: Table, file: DataFile) -> Iterator[tuple[str, pa.BooleanArray]]:
    """Give the masks of a file of deletion vectors, by data file."""
    from pyiceberg.table.deletion_vector import deletion_vectors_from_puffin_file  # noqa: PLC0415 - see `open_catalog`
    from pyiceberg.table.puffin import PuffinFile  # noqa: PLC0415

    with found.io.new_input(file.file_path).open() as stream:
        content = stream.read()
    for vector in deletion_vectors_from_puffin_file(PuffinFile(content)):
        places = vector.to_vector().to_numpy().astype(np.int64)
        mask = np.ones(int(places.max()) + 1 if len(places) else 0, dtype=bool)
        mask[places] = False
        yield vector.referenced_data_file, pa.array(mask)


def _find_constants(found: Table, schema: Schema, file: DataFile) -> tuple[tuple[str, str | None], ...]:
    """Give the columns whose value in all rows of a file the log tells, for files that lack them (see `LakeTable.optional`)."""
    texts: dict[str, str | None] = {
        field.name: str(field.initial_default) for field in schema.fields if field.initial_default is not None
    }
    names = {field.field_id: field for field in schema.fields}
    for index, part in enumerate(found.specs()[file.spec_id].fields):
        if str(part.transform) == "identity" and part.source_id in names:
            field, value = names[part.source_id], file.partition[index]
            text = part.transform.to_human_string(field.field_type, value)
            texts[field.name] = None if value is None else text
    return tuple(texts.items())


@contextlib.contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Turn the errors of pyiceberg and of what it stands on into ours."""
    try:
        yield
    except (SourceError, ConfigError):
        raise
    except Exception as error:
        module = type(error).__module__
        if not isinstance(error, OSError | ValueError | sqlite3.Error) and not module.startswith(
            ("pyiceberg", "sqlalchemy")
        ):
            raise
        raise SourceError(f"{what} cannot be read: {' '.join(str(error).split())[:500]}") from error
