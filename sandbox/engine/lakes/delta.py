"""Delta tables, by delta-rs: it reads the log, the data files are read by the engine."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.engine.lakes.lake_table import LakeFile, LakeTable, SourceSnapshot, build_missing_extra_error
from sandbox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deltalake import DeltaTable

# What a reader has to know of a table beyond the first version of the protocol; of these, this one does.
SUPPORTED_FEATURES = {
    "columnMapping", "deletionVectors", "timestampNtz", "typeWidening", "typeWidening-preview", "v2Checkpoint",
    "vacuumProtocolCheck",
}  # fmt: skip
PHYSICAL_NAME_KEY = "delta.columnMapping.physicalName"
FIELD_ID_KEY = "delta.columnMapping.id"


def load_table(place: str, name: str, *, version: int | None, options: Mapping[str, str] | None = None) -> LakeTable:
    """Give a Delta table at a version.

    Args:
        place: Its folder, or the address of one in a bucket.
        name: What it is called, for messages.
        version: Which one; None takes the newest.
        options: How a bucket is reached, as delta-rs names it.

    Raises:
        SourceError: It cannot be read, or needs what is not known here.
        ConfigError: There is no such version.
    """
    found = _open_table(place, name, version, options)
    protocol = found.protocol()
    unknown = sorted(set(protocol.reader_features or ()) - SUPPORTED_FEATURES)
    if unknown:
        raise SourceError(
            f"{name}: the Delta table needs {', '.join(unknown)} of its readers, which sandbox does not know",
            hint="copy it into a table without that feature, or export it as Parquet",
        )
    schema = json.loads(found.schema().to_json())
    mode = found.metadata().configuration.get("delta.columnMapping.mode", "none")
    fields = {one["name"]: _resolve_file_column(one, mode) for one in schema["fields"]}
    if mode != "none":
        _check_nested_fields(name, schema["fields"])
    return LakeTable(
        snapshot=SourceSnapshot(kind="delta", version=found.version()),
        schema=pa.schema(found.schema().to_arrow()),
        fields=fields,
        files=sorted(_list_files(found, place), key=lambda one: one.name),
    )


def _open_table(place: str, name: str, version: int | None, options: Mapping[str, str] | None) -> DeltaTable:
    try:
        from deltalake import DeltaTable  # noqa: PLC0415 - an extra
        from deltalake.exceptions import DeltaError  # noqa: PLC0415
    except ImportError as error:
        raise build_missing_extra_error("delta", error) from None
    stored = dict(options or {})
    with _translate_errors(place, name, version, DeltaError):
        newest = DeltaTable(place, storage_options=stored)
    if version is None or version == newest.version():
        return newest
    if version > newest.version():
        raise ConfigError(
            f"[tables.{name}] version = {version}: the newest version of the Delta table is {newest.version()}"
        )
    with _translate_errors(place, name, version, DeltaError):
        return DeltaTable(place, version=version, storage_options=stored)


@contextlib.contextmanager
def _translate_errors(place: str, name: str, version: int | None, failure: type[Exception]) -> Iterator[None]:
    """Turn delta-rs's errors into ours."""
    try:
        yield
    except BaseException as error:
        # What delta-rs did not foresee is a PanicException, which is no Exception and has no name to import.
        foreseen = isinstance(error, failure | OSError | ValueError)
        if not foreseen and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split())
        at = "" if version is None else f" at version {version}"
        raise SourceError(
            f"{name}: the Delta table in {place} cannot be read{at}: {reason}",
            hint="" if version is None else "its log may have been cleaned up; name a later version",
        ) from error


def _resolve_file_column(field: dict[str, Any], mode: str) -> int | str:
    """Say what data files call a column."""
    metadata: dict[str, Any] = field.get("metadata") or {}
    if mode == "id" and FIELD_ID_KEY in metadata:
        return int(metadata[FIELD_ID_KEY])
    return str(metadata.get(PHYSICAL_NAME_KEY, field["name"])) if mode == "name" else str(field["name"])


def _check_nested_fields(name: str, fields: list[dict[str, Any]]) -> None:
    """Make sure that fields within columns are called in files as they are in the table."""
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
    """Give the fields within a type, however deep."""
    if not isinstance(kind, dict):
        return
    for field in kind.get("fields", ()):
        yield field
        yield from _walk_inner_fields(field["type"])
    for part in ("elementType", "keyType", "valueType"):
        yield from _walk_inner_fields(kind.get(part))


def _list_files(found: DeltaTable, place: str) -> Iterator[LakeFile]:
    actions = pa.table(found.get_add_actions())
    kept = _read_deletion_masks(found)
    names = [unquote(path) for path in actions["path"].to_pylist()]
    columns = _read_partition_values(actions)
    for index, (name, size, modified) in enumerate(
        zip(names, actions["size_bytes"].to_pylist(), _read_modification_times(actions), strict=True)
    ):
        path = name if "://" in name or name.startswith("/") else f"{place.rstrip('/')}/{name}"
        yield LakeFile(
            path=path.removeprefix("file://"),
            name=name,
            bytes=size,
            modified=modified,
            constants=tuple((column, texts[index]) for column, texts in columns.items()),
            row_mask=kept.get(_strip_scheme(path)),
        )


def _read_deletion_masks(found: DeltaTable) -> dict[str, pa.BooleanArray]:
    """Give the masks of the deletion vectors, by file."""
    masks: dict[str, pa.BooleanArray] = {}
    for batch in pa.RecordBatchReader.from_stream(found.deletion_vectors()):
        for path, mask in zip(batch.column(0).to_pylist(), batch.column(1), strict=True):
            masks[_strip_scheme(unquote(path))] = mask.values
    return masks


def _strip_scheme(path: str) -> str:
    """Give a path or address without the scheme, by which two spellings of one can be compared."""
    return path.rpartition("://")[2].lstrip("/")


def _read_modification_times(actions: pa.Table) -> list[int]:
    """Give when files were written, in nanoseconds since 1970 UTC: the log has milliseconds."""
    return [moment * 10**6 for moment in actions["modification_time"].cast(pa.int64()).to_pylist()]


def _read_partition_values(actions: pa.Table) -> dict[str, list[str | None]]:
    """Give the texts of the partition columns' values, file by file."""
    if "partition" not in actions.column_names:
        return {}
    struct = actions["partition"].combine_chunks()
    return {
        field.name: pc.cast(pc.struct_field(struct, [index]), pa.string()).to_pylist()
        for index, field in enumerate(struct.type)
    }
