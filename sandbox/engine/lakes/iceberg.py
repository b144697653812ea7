"""Iceberg tables: pyiceberg reads catalogue and manifests, DuckDB reads the data files.

pyiceberg's own scan plan refuses equality deletes, so manifest entries are combined here by the rules of the
specification ("Scan Planning"). An equality delete applies to older files of the same partition or, if unpartitioned,
to all older files.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from dataclasses import dataclass, replace
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
from sandbox.error_text import describe_foreign_error
from sandbox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.io.pyarrow import PyArrowFile
    from pyiceberg.manifest import DataFile, ManifestEntry
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

CATALOG_OPTIONS = {"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO", "init_catalog_tables": "false"}
SCHEME_ALIASES = {"s3a": "s3", "s3n": "s3"}


@dataclass(frozen=True, kw_only=True)
class IcebergCatalog:
    """An open catalogue, or one namespace of it.

    Attributes:
        address: Its address, for messages.
        catalog: pyiceberg's catalogue.
        tables: Table identifiers by the names used here.
    """

    address: str
    catalog: Catalog
    tables: Mapping[str, tuple[str, ...]]


def open_catalog(uri: str, *, base: Path) -> IcebergCatalog:
    """Open a catalogue and list its tables.

    Args:
        uri: ``iceberg://NAME/NAMESPACE``, with NAME described in pyiceberg's configuration, or
            ``iceberg+sqlite:///FILE?namespace=NAMESPACE`` for a SQL catalogue in a SQLite file. Without a namespace
            tables are called ``namespace.table``.
        base: The folder that a relative file starts from.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise build_missing_extra_error("iceberg", error) from None
    parts = urlsplit(uri)
    parameters = dict(parse_qsl(parts.query))
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
    with translate_errors(shown):
        if parts.scheme == "iceberg":
            namespace = unquote(parts.path).strip("/").replace("/", ".")
            catalog = load_catalog(parts.netloc, **CATALOG_OPTIONS)
        else:
            namespace = parameters.get("namespace", "")
            file = (base / unquote(parts.path).removeprefix("/")).absolute()
            name = parameters.get("catalog") or _find_catalog_name(file)
            # SQLite's own form of a path, percent-encoded: once for it, once for SQLAlchemy.
            database_uri = f"sqlite:///file:{quote(quote(str(file)))}?mode=ro&uri=true"
            catalog = load_catalog(name, **{**CATALOG_OPTIONS, "type": "sql", "uri": database_uri})
        return IcebergCatalog(address=shown, catalog=catalog, tables=_list_tables(catalog, namespace))


def _find_catalog_name(file: Path) -> str:
    """Return the name of the only catalogue in a SQLite file."""
    if not file.is_file():
        raise SourceError(f"the source {file} is not there", hint="correct uri in [source]; it starts at sandbox.toml")
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute("select distinct catalog_name from iceberg_tables order by 1")]
    if len(names) != 1:
        held = f"several catalogues: {', '.join(names)}" if names else "no table"
        raise SourceError(f"{file} holds {held}", hint="name one with ?catalog=NAME at the end of uri" if names else "")
    return str(names[0])


def _list_tables(catalog: Catalog, namespace: str) -> dict[str, tuple[str, ...]]:
    """Return the tables of a namespace by name, or all tables by namespace and name."""
    if namespace:
        return {table[-1]: tuple(table) for table in catalog.list_tables(tuple(namespace.split(".")))}
    tables: dict[str, tuple[str, ...]] = {}
    for space in _list_namespaces(catalog, ()):
        tables.update({".".join(table): tuple(table) for table in catalog.list_tables(space)})
    return tables


def _list_namespaces(catalog: Catalog, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for space in catalog.list_namespaces(above):
        if len(space) > len(above):  # some catalogues include the parent
            yield tuple(space)
            yield from _list_namespaces(catalog, tuple(space))


def load_table(catalogue: IcebergCatalog, name: str, *, snapshot: int | None) -> LakeTable:
    """Return an Iceberg table at a snapshot, by default the newest.

    Raises:
        SourceError: It cannot be read.
        ConfigError: There is no such snapshot.
    """
    with translate_errors(f"{name}: the Iceberg table in {catalogue.address}"):
        table = catalogue.catalog.load_table(catalogue.tables[name])
        chosen = table.current_snapshot() if snapshot is None else table.snapshot_by_id(snapshot)
        if chosen is None and snapshot is not None:
            known = ", ".join(str(available.snapshot_id) for available in reversed(table.snapshots()[-5:]))
            raise ConfigError(
                f"[tables.{name}] snapshot = {snapshot}: the Iceberg table has no such snapshot",
                hint=f"the newest are {known}" if known else "it has none",
            )
        schema = table.schema()
        if snapshot is not None and chosen is not None and chosen.schema_id is not None:
            schema = table.schemas()[chosen.schema_id]
        entries = [] if chosen is None else [
            entry for manifest in chosen.manifests(table.io) for entry in manifest.fetch_manifest_entry(table.io)
        ]  # fmt: skip
        return _describe_table(table, schema, entries, 0 if chosen is None else chosen.snapshot_id)


def load_folder_table(folder: Path, name: str) -> LakeTable:
    """Return the Iceberg table of a folder at its current snapshot, wherever the folder lay when it was written.

    Its metadata name files by where they were written. They are looked for below the folder.

    Raises:
        SourceError: It cannot be read, or its metadata name a file outside of it.
    """
    try:
        from pyiceberg.table import StaticTable  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise build_missing_extra_error("iceberg", error) from None
    what = f"{name}: the Iceberg table in {folder.name}"
    with translate_errors(what):
        found = StaticTable.from_metadata(str(_find_current_metadata(folder)), {**CATALOG_OPTIONS})
        location = found.location()
        found.io = _build_folder_io(location, folder)
        chosen = found.current_snapshot()
        entries = [] if chosen is None else [
            entry for manifest in chosen.manifests(found.io) for entry in manifest.fetch_manifest_entry(found.io)
        ]  # fmt: skip
        lake = _describe_table(found, found.schema(), entries, 0 if chosen is None else chosen.snapshot_id)
        return _relocate_files(lake, location, folder)


def list_logged_files(folder: Path) -> set[Path]:
    """Return the data and delete files that the snapshots of a table's folder name, deleted ones too.

    Raises:
        SourceError: A snapshot cannot be read.
    """
    from pyiceberg.table import StaticTable  # noqa: PLC0415 - see `load_folder_table`

    with translate_errors(f"the Iceberg table in {folder.name}"):
        found = StaticTable.from_metadata(str(_find_current_metadata(folder)), {**CATALOG_OPTIONS})
        location = found.location()
        io = _build_folder_io(location, folder)
        named = {
            entry.data_file.file_path
            for snapshot in found.snapshots()
            for manifest in snapshot.manifests(io)
            for entry in manifest.fetch_manifest_entry(io, discard_deleted=False)
        }
        return {folder / relocate_path(path, location, folder) for path in named}


def _find_current_metadata(folder: Path) -> Path:
    """Return the current metadata file of a table's folder: that of the hint, else that of the highest version."""
    metadata = folder / "metadata"
    hint = metadata / "version-hint.text"
    if hint.is_file() and not hint.is_symlink():
        text = hint.read_text("utf-8").strip()
        for candidate in (metadata / f"v{text}.metadata.json", metadata / f"{text}.metadata.json"):
            if text.isalnum() and candidate.is_file():
                return candidate
    versions = [
        (int(match[1]), path.name, path)
        for path in metadata.glob("*.metadata.json")
        if (match := re.match(r"v?(\d+)", path.name))
    ]
    if not versions:
        raise SourceError(f"{folder.name} has no metadata file with a version in its name")
    return max(versions)[2]


def relocate_path(path: str, location: str, folder: Path) -> str:
    """Return where a file of a table lies whose folder was moved.

    Raises:
        SourceError: The file does not lie below the table's location.

    >>> from pathlib import Path
    >>> relocate_path("file:///old/t/data/a.parquet", "/old/t", Path("/new/t"))
    '/new/t/data/a.parquet'
    """
    below = convert_location(path).removeprefix(convert_location(location).rstrip("/") + "/")
    if below == convert_location(path) or ".." in below.split("/"):
        raise SourceError("its metadata name a file that does not lie in its folder")
    return f"{folder}/{below}"


def _build_folder_io(location: str, folder: Path) -> FileIO:
    """Return what reads files of a table that was written at another place."""
    from pyiceberg.io.pyarrow import PyArrowFileIO  # noqa: PLC0415 - see `open_catalog`

    class FolderFileIO(PyArrowFileIO):
        """Reads files below a folder by the places where they were written."""

        def new_input(self, place: str) -> PyArrowFile:
            return super().new_input(relocate_path(place, location, folder))

    return FolderFileIO()


def _relocate_files(lake: LakeTable, location: str, folder: Path) -> LakeTable:
    """Return a table with the paths of its files below a folder; the log's names of them stay."""

    def relocate_file(file: LakeFile) -> LakeFile:
        deletes = tuple(
            replace(one, path=relocate_path(one.path, location, folder)) for one in file.equality_deletes
        )  # fmt: skip
        return replace(file, path=relocate_path(file.path, location, folder), equality_deletes=deletes)

    return replace(
        lake,
        files=[relocate_file(file) for file in lake.files],
        position_deletes=[relocate_file(file) for file in lake.position_deletes],
        file_system=None,
    )


def _describe_table(table: Table, schema: Schema, entries: list[ManifestEntry], snapshot: int) -> LakeTable:
    from pyiceberg.io.pyarrow import PyArrowFileIO, schema_to_pyarrow  # noqa: PLC0415 - see `open_catalog`
    from pyiceberg.manifest import DataFileContent, FileFormat  # noqa: PLC0415

    data = [entry for entry in entries if entry.data_file.content == DataFileContent.DATA]
    deletes = [entry for entry in entries if entry.data_file.content != DataFileContent.DATA]
    by_value = [entry for entry in deletes if entry.data_file.content == DataFileContent.EQUALITY_DELETES]
    by_position = [entry for entry in deletes if entry.data_file.content == DataFileContent.POSITION_DELETES]
    vectors = [entry for entry in by_position if entry.data_file.file_format == FileFormat.PUFFIN]
    for entry in [*data, *by_value, *(delete for delete in by_position if delete not in vectors)]:
        if entry.data_file.file_format != FileFormat.PARQUET:
            raise SourceError(
                f"{entry.data_file.file_path} is {entry.data_file.file_format.name}; sandbox reads Iceberg's Parquet files only"
            )
    kept = {path: mask for entry in vectors for path, mask in _read_deletion_vectors(table, entry.data_file)}
    unpartitioned = {number for number, spec in table.specs().items() if spec.is_unpartitioned()}
    files = [
        LakeFile(
            path=convert_location(entry.data_file.file_path),
            name=entry.data_file.file_path,
            bytes=entry.data_file.file_size_in_bytes,
            constants=_find_constants(table, schema, entry.data_file),
            row_mask=kept.get(entry.data_file.file_path),
            equality_deletes=tuple(
                EqualityDeletes(
                    path=convert_location(delete.data_file.file_path),
                    bytes=delete.data_file.file_size_in_bytes,
                    columns=tuple(delete.data_file.equality_ids or ()),
                )
                for delete in by_value
                if _is_delete_applicable(entry, delete, unpartitioned)
            ),
        )
        for entry in data
    ]
    io, mapping = table.io, table.name_mapping()
    assert isinstance(io, PyArrowFileIO)
    systems = {file.path.partition("://")[0]: file.name for file in files if "://" in file.path}
    return LakeTable(
        snapshot=SourceSnapshot(kind="iceberg", version=snapshot),
        schema=schema_to_pyarrow(schema, include_field_ids=True),
        fields={field.name: field.field_id for field in schema.fields},
        files=sorted(files, key=lambda file: file.name),
        name_mapping=None if mapping is None else {
            name: field.field_id for field in mapping if field.field_id is not None for name in field.names
        },
        position_deletes=tuple(
            LakeFile(
                path=convert_location(delete.data_file.file_path), name=delete.data_file.file_path, bytes=delete.data_file.file_size_in_bytes
            )
            for delete in by_position if delete not in vectors
        ),
        file_system=io.fs_by_scheme(*PyArrowFileIO.parse_location(next(iter(systems.values())))[:2]) if systems else None,
    )  # fmt: skip


def convert_location(location: str) -> str:
    """Return a location as DuckDB reads it: a path, or an address in a bucket.

    >>> convert_location("file:///a%20b/c.parquet"), convert_location("s3a://bucket/c.parquet")
    ('/a%20b/c.parquet', 's3://bucket/c.parquet')
    """
    scheme, separator, path = location.partition("://")
    if not separator:
        return location.removeprefix("file:")
    return path if scheme == "file" else f"{SCHEME_ALIASES.get(scheme, scheme)}://{path}"


def _is_delete_applicable(data: ManifestEntry, delete: ManifestEntry, unpartitioned: set[int]) -> bool:
    """Return whether an equality delete applies to a data file: older, and in the same partition or unpartitioned."""
    if (data.sequence_number or 0) >= (delete.sequence_number or 0):
        return False
    file, deletes = data.data_file, delete.data_file
    return deletes.spec_id in unpartitioned or (file.spec_id == deletes.spec_id and file.partition == deletes.partition)


def _read_deletion_vectors(table: Table, file: DataFile) -> Iterator[tuple[str, pa.BooleanArray]]:
    """Yield the masks in a file of deletion vectors, by data file."""
    from pyiceberg.table.deletion_vector import deletion_vectors_from_puffin_file  # noqa: PLC0415 - see `open_catalog`
    from pyiceberg.table.puffin import PuffinFile  # noqa: PLC0415

    with table.io.new_input(file.file_path).open() as stream:
        content = stream.read()
    for vector in deletion_vectors_from_puffin_file(PuffinFile(content)):
        positions = vector.to_vector().to_numpy().astype(np.int64)
        mask = np.ones(int(positions.max()) + 1 if len(positions) else 0, dtype=bool)
        mask[positions] = False
        yield vector.referenced_data_file, pa.array(mask)


def _find_constants(table: Table, schema: Schema, file: DataFile) -> tuple[tuple[str, str | None], ...]:
    """Return columns whose value in all rows of a file is known from the log.

    They apply to files without the column (see `LakeTable.has_fallback_constants`).
    """
    texts: dict[str, str | None] = {
        field.name: str(field.initial_default) for field in schema.fields if field.initial_default is not None
    }
    names = {field.field_id: field for field in schema.fields}
    for index, part in enumerate(table.specs()[file.spec_id].fields):
        if str(part.transform) == "identity" and part.source_id in names:
            field, value = names[part.source_id], file.partition[index]
            text = part.transform.to_human_string(field.field_type, value)
            texts[field.name] = None if value is None else text
    return tuple(texts.items())


@contextlib.contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Translate errors of pyiceberg and its dependencies to `SourceError`."""
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
        raise SourceError(f"{what} cannot be read: {describe_foreign_error(error)}") from error
