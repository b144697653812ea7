"""Delta tables: delta-rs reads the log, DuckDB reads the data files."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.engine.lakes.lake_table import LakeFile, LakeTable, SourceSnapshot, build_missing_extra_error
from sandbox.error_text import describe_foreign_error
from sandbox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from deltalake import DeltaTable

# Reader features of the protocol supported here.
SUPPORTED_FEATURES = {
    "columnMapping", "deletionVectors", "timestampNtz", "typeWidening", "typeWidening-preview", "v2Checkpoint",
    "vacuumProtocolCheck",
}  # fmt: skip
LOG_FOLDER = "_delta_log"
_FILE_ACTIONS = ("add", "remove", "cdc")
PHYSICAL_NAME_KEY = "delta.columnMapping.physicalName"
FIELD_ID_KEY = "delta.columnMapping.id"


def load_table(path: str, name: str, *, version: int | None, options: Mapping[str, str] | None = None) -> LakeTable:
    """Return a Delta table at a version, by default the newest.

    ``path`` is its folder, or its address in a bucket; ``options`` are storage options of delta-rs.

    Raises:
        SourceError: It cannot be read, or needs an unsupported reader feature.
        ConfigError: There is no such version.
    """
    table = _open_table(path, name, version, options)
    protocol = table.protocol()
    unknown = sorted(set(protocol.reader_features or ()) - SUPPORTED_FEATURES)
    if unknown:
        raise SourceError(
            f"{name}: the Delta table needs {', '.join(unknown)} of its readers, which sandbox does not know",
            hint="copy it into a table without that feature, or export it as Parquet",
        )
    schema = json.loads(table.schema().to_json())
    mode = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    fields = {field["name"]: _resolve_file_column(field, mode) for field in schema["fields"]}
    if mode != "none":
        _check_nested_fields(name, schema["fields"])
    return LakeTable(
        snapshot=SourceSnapshot(kind="delta", version=table.version()),
        schema=pa.schema(table.schema().to_arrow()),
        fields=fields,
        files=sorted(_list_files(table, path), key=lambda file: file.name),
    )


def list_logged_files(folder: Path) -> set[Path]:
    """Return the files that the log of a table's folder names, of all versions in it; removed files too.

    Raises:
        SourceError: A file of the log cannot be read.
    """
    log = folder / LOG_FOLDER
    named: set[str | None] = set()
    path = log
    try:
        for path in sorted(log.glob("*.json")):
            for line in path.read_text("utf-8").splitlines():
                action = json.loads(line or "null")
                if isinstance(action, dict):
                    named |= {(action.get(kind) or {}).get("path") for kind in _FILE_ACTIONS}
        for path in sorted(log.glob("**/*.parquet")):
            actions = pq.read_table(path)
            for kind in set(_FILE_ACTIONS) & set(actions.column_names):
                named |= set(pc.struct_field(actions[kind], "path").to_pylist())
    except (OSError, ValueError, AttributeError, pa.ArrowException) as error:
        raise SourceError(f"{path.name} of the Delta log cannot be read: {describe_foreign_error(error)}") from error
    return {folder / unquote(name).removeprefix(f"{folder}/") for name in named if isinstance(name, str)}


def _open_table(path: str, name: str, version: int | None, options: Mapping[str, str] | None) -> DeltaTable:
    try:
        from deltalake import DeltaTable  # noqa: PLC0415 - an extra
        from deltalake.exceptions import DeltaError  # noqa: PLC0415
    except ImportError as error:
        raise build_missing_extra_error("delta", error) from None
    stored = dict(options or {})
    with _translate_errors(path, name, version, DeltaError):
        newest = DeltaTable(path, storage_options=stored)
    if version is None or version == newest.version():
        return newest
    if version > newest.version():
        raise ConfigError(
            f"[tables.{name}] version = {version}: the newest version of the Delta table is {newest.version()}"
        )
    with _translate_errors(path, name, version, DeltaError):
        return DeltaTable(path, version=version, storage_options=stored)


@contextlib.contextmanager
def _translate_errors(path: str, name: str, version: int | None, failure: type[Exception]) -> Iterator[None]:
    """Translate delta-rs's errors to `SourceError`."""
    try:
        yield
    except BaseException as error:
        # An internal error of delta-rs is a PanicException: no Exception, and without an importable name.
        is_expected = isinstance(error, failure | OSError | ValueError)
        if not is_expected and type(error).__name__ != "PanicException":
            raise
        at = "" if version is None else f" at version {version}"
        raise SourceError(
            f"{name}: the Delta table in {path} cannot be read{at}: {describe_foreign_error(error)}",
            hint="" if version is None else "its log may have been cleaned up; name a later version",
        ) from error


def _resolve_file_column(field: dict[str, Any], mode: str) -> int | str:
    """Return a column's name or field id in data files."""
    metadata: dict[str, Any] = field.get("metadata") or {}
    if mode == "id" and FIELD_ID_KEY in metadata:
        return int(metadata[FIELD_ID_KEY])
    return str(metadata.get(PHYSICAL_NAME_KEY, field["name"])) if mode == "name" else str(field["name"])


def _check_nested_fields(name: str, fields: list[dict[str, Any]]) -> None:
    """Check that nested fields have the same names in files as in the table."""
    for field in fields:
        for inner in _walk_inner_fields(field["type"]):
            physical = (inner.get("metadata") or {}).get(PHYSICAL_NAME_KEY, inner["name"])
            if physical != inner["name"]:
                raise SourceError(
                    f"{name}.{field['name']}: its field {inner['name']} has another name in the Delta table's files (column "
                    "mapping), which sandbox does not read within nested columns",
                    hint="copy the table into one without column mapping",
                )


def _walk_inner_fields(kind: Any) -> Iterator[dict[str, Any]]:
    """Yield the fields within a type, at any depth."""
    if not isinstance(kind, dict):
        return
    for field in kind.get("fields", ()):
        yield field
        yield from _walk_inner_fields(field["type"])
    for part in ("elementType", "keyType", "valueType"):
        yield from _walk_inner_fields(kind.get(part))


def _list_files(table: DeltaTable, folder: str) -> Iterator[LakeFile]:
    actions = pa.table(table.get_add_actions())
    kept = _read_deletion_masks(table)
    names = [unquote(path) for path in actions["path"].to_pylist()]
    columns = _read_partition_values(actions)
    for index, (name, size, modified) in enumerate(
        zip(names, actions["size_bytes"].to_pylist(), _read_modification_times(actions), strict=True)
    ):
        path = name if "://" in name or name.startswith("/") else f"{folder.rstrip('/')}/{name}"
        yield LakeFile(
            path=path.removeprefix("file://"),
            name=name,
            bytes=size,
            modified=modified,
            constants=tuple((column, texts[index]) for column, texts in columns.items()),
            row_mask=kept.get(_strip_scheme(path)),
        )


def _read_deletion_masks(table: DeltaTable) -> dict[str, pa.BooleanArray]:
    """Return the masks of the deletion vectors, by file."""
    masks: dict[str, pa.BooleanArray] = {}
    for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors()):
        for path, mask in zip(batch.column(0).to_pylist(), batch.column(1), strict=True):
            masks[_strip_scheme(unquote(path))] = mask.values
    return masks


def _strip_scheme(path: str) -> str:
    """Return a path or address without its scheme, for comparisons."""
    return path.rpartition("://")[2].lstrip("/")


def _read_modification_times(actions: pa.Table) -> list[int]:
    """Return the files' modification times, in nanoseconds since 1970 UTC; the log has milliseconds."""
    return [moment * 10**6 for moment in actions["modification_time"].cast(pa.int64()).to_pylist()]


def _read_partition_values(actions: pa.Table) -> dict[str, list[str | None]]:
    """Return the partition columns' values as text, by file."""
    if "partition" not in actions.column_names:
        return {}
    struct = actions["partition"].combine_chunks()
    return {
        field.name: pc.cast(pc.struct_field(struct, [index]), pa.string()).to_pylist()
        for index, field in enumerate(struct.type)
    }
