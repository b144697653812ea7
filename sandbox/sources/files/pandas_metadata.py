"""Keep what Parquet files say of a table beyond its values: pandas' index and dtypes, field metadata, extension types."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.errors import SourceError
from sandbox.manifest.canonical_json import hash_json
from sandbox.sources.listing import SourceFile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

PANDAS_KEY = b"pandas"
FORMAT_METADATA_PREFIXES = (b"PARQUET:", b"ARROW:schema")  # of the file, not of the table
VOLATILE_PANDAS_KEYS = ("creator", "pandas_version")
MASKED_TEXT_DTYPE = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}


@dataclass(frozen=True, kw_only=True)
class PandasMetadata:
    """Metadata of a table in Parquet files.

    Attributes:
        schema: The Arrow types of its columns, with the metadata of schema and fields; columns whose files have several
            types are missing.
        categories: Dictionary column -> all categories, in order.
        description: All of it as JSON, for the manifest and the fingerprint.
    """

    schema: pa.Schema = field(compare=False)
    categories: Mapping[str, pa.Array] = field(compare=False)
    description: Mapping[str, Any]

    def describe_unmasked(self, masked: Collection[str]) -> dict[str, Any]:
        """Return the description without masked columns: a digest of their categories would tell whether a guess is right."""
        described = {
            name: {column: value for column, value in part.items() if name == "schema" or column not in masked}
            for name, part in self.description.items()
        }
        if "pandas" in described:
            pandas = described["pandas"]
            described["pandas"] = {
                **pandas,
                "columns": [entry for entry in pandas["columns"] if _get_column_name(entry) not in masked],
            }
        return {name: value for name, value in described.items() if value}


def _get_column_name(entry: Mapping[str, Any]) -> Any:
    """Return the name of a column in pandas' metadata."""
    return entry.get("field_name") or entry.get("name")


def read_pandas_metadata(
    files: Sequence[SourceFile], footers: Sequence[pq.FileMetaData], columns: Collection[str]
) -> PandasMetadata | None:
    """Read the metadata of some columns of a table; None if there is nothing beyond values and plain types.

    As every reader does, the first file's metadata count for all.
    """
    schemas = [footer.schema.to_arrow_schema() for footer in footers]
    first = schemas[0]
    fields = [
        item.with_metadata(_keep_metadata(item.metadata))
        for item in first
        if item.name in columns and all(schema.field(item.name).type == item.type for schema in schemas)
    ]
    metadata = _keep_metadata(first.metadata)
    if PANDAS_KEY not in metadata and not any(item.metadata or _is_special(item.type) for item in fields):
        return None
    schema = pa.schema(fields, metadata=metadata)
    categories = {item.name: _read_categories(files, item.name) for item in fields if pa.types.is_dictionary(item.type)}
    return PandasMetadata(
        schema=schema, categories=categories, description=_describe_metadata(schema, categories, columns)
    )


def restore_pandas_metadata(path: Path, pandas: PandasMetadata, masked: Collection[str]) -> None:
    """Write the metadata into a file of the sample; masked columns keep their values' type alone.

    Raises:
        SourceError: A column's type cannot be kept.
    """
    partial = path.with_suffix(".partial")
    with pq.ParquetFile(path) as written:
        target = _build_target_schema(pandas, written.schema_arrow, masked, written.metadata.num_rows)
        with pq.ParquetWriter(partial, target, compression="zstd") as writer:
            for index in range(written.num_row_groups):
                rows = written.read_row_group(index)
                columns = [
                    _convert_column(rows.column(item.name).combine_chunks(), item, pandas.categories) for item in target
                ]
                writer.write_table(pa.table(columns, schema=target), row_group_size=max(1, rows.num_rows))
    partial.replace(path)


def copy_pandas_metadata(source: Path, target: Path, masked: Collection[str] = ()) -> None:
    """Write the metadata of one local Parquet file into another one with some of its rows (see `restore_pandas_metadata`)."""
    footer = pq.read_metadata(source)
    file = SourceFile(path=str(source), name=source.name, bytes=source.stat().st_size, modified=0)
    pandas = read_pandas_metadata([file], [footer], footer.schema.to_arrow_schema().names)
    if pandas is not None:
        restore_pandas_metadata(target, pandas, masked)


def _keep_metadata(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
    return {key: value for key, value in (metadata or {}).items() if not key.startswith(FORMAT_METADATA_PREFIXES)}


def _is_special(kind: pa.DataType) -> bool:
    """Return whether a type is more than the storage of its values."""
    return bool(
        isinstance(kind, pa.BaseExtensionType) and kind.extension_name not in {"arrow.uuid", "arrow.json"}
    ) or bool(pa.types.is_dictionary(kind) or pa.types.is_duration(kind))


def _read_categories(files: Sequence[SourceFile], name: str) -> pa.Array:
    """Return the categories of a column: those of the first row group, then further ones."""
    seen: dict[Any, None] = {}
    kind: pa.DataType = pa.string()
    for file in files:
        with file.open() as stream, pq.ParquetFile(stream, read_dictionary=[name]) as opened:
            for index in range(opened.num_row_groups):
                for chunk in opened.read_row_group(index, columns=[name]).column(0).chunks:
                    kind = chunk.dictionary.type
                    seen |= dict.fromkeys(chunk.dictionary.to_pylist())
    return pa.array([value for value in seen if value is not None], kind)


def _describe_metadata(
    schema: pa.Schema, categories: Mapping[str, pa.Array], columns: Collection[str]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "types": {item.name: str(item.type) for item in schema if _is_special(item.type)},
        "fields": {item.name: _decode_metadata(item.metadata) for item in schema if item.metadata},
        "categories": {name: hash_json(values.to_pylist()) for name, values in categories.items()},
        "schema": _decode_metadata({key: text for key, text in schema.metadata.items() if key != PANDAS_KEY}),
        "pandas": _describe_pandas(schema, columns),
    }
    return {name: value for name, value in described.items() if value}


def _decode_metadata(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    return {
        key.decode("utf-8", "backslashreplace"): text.decode("utf-8", "backslashreplace")
        for key, text in sorted(metadata.items())
    }


def _describe_pandas(schema: pa.Schema, columns: Collection[str]) -> dict[str, Any]:
    if PANDAS_KEY not in schema.metadata:
        return {}
    found = _select_pandas_columns(json.loads(schema.metadata[PANDAS_KEY]), columns, rows=0)
    return {name: value for name, value in found.items() if name not in VOLATILE_PANDAS_KEYS}


def _select_pandas_columns(pandas: dict[str, Any], columns: Collection[str], *, rows: int) -> dict[str, Any]:
    """Return pandas' metadata of some columns; a RangeIndex numbers the rows from 0."""
    index = [
        {**entry, "start": 0, "stop": rows, "step": 1} if isinstance(entry, dict) else entry
        for entry in pandas.get("index_columns", [])
        if isinstance(entry, dict) or entry in columns
    ]
    held = [entry for entry in pandas.get("columns", []) if _get_column_name(entry) in columns]
    return {**pandas, "index_columns": index, "columns": held}


def _build_target_schema(pandas: PandasMetadata, written: pa.Schema, masked: Collection[str], rows: int) -> pa.Schema:
    fields, plain_texts = [], set()
    for item in written:
        place = pandas.schema.get_field_index(item.name)
        if place < 0:
            fields.append(item.with_nullable(True))
        elif item.name in masked:
            fields.append(item.with_nullable(True).remove_metadata())
            plain_texts |= {item.name} if pa.types.is_dictionary(pandas.schema.field(place).type) else set()
        else:
            fields.append(_widen_index(pandas.schema.field(place), pandas.categories))
    metadata = dict(pandas.schema.metadata)
    if PANDAS_KEY in metadata:
        description = _select_pandas_columns(json.loads(metadata[PANDAS_KEY]), written.names, rows=rows)
        description["columns"] = [
            {**entry, **MASKED_TEXT_DTYPE} if _get_column_name(entry) in plain_texts else entry
            for entry in description["columns"]
        ]
        metadata[PANDAS_KEY] = json.dumps(description).encode()
    return pa.schema(fields, metadata=metadata)


def _widen_index(item: pa.Field, categories: Mapping[str, pa.Array]) -> pa.Field:
    """Return a dictionary field whose index holds the categories of all files."""
    if item.name not in categories or len(categories[item.name]) <= 2 ** (item.type.index_type.bit_width - 1):
        return item
    return item.with_type(pa.dictionary(pa.int32(), item.type.value_type, ordered=item.type.ordered))


def _convert_column(column: pa.Array, item: pa.Field, categories: Mapping[str, pa.Array]) -> pa.Array:
    """Convert the values of a column as written to the source's type."""
    kind = item.type
    if column.type == kind:
        return column
    try:
        if pa.types.is_dictionary(kind):
            values = categories[item.name].cast(kind.value_type)
            places = pc.index_in(column.cast(kind.value_type), values).cast(kind.index_type)
            return pa.DictionaryArray.from_arrays(places, values, ordered=kind.ordered)
        if isinstance(kind, pa.BaseExtensionType):
            return pa.ExtensionArray.from_storage(kind, column.cast(kind.storage_type))
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise SourceError(
            f"{item.name} is {kind} in the source's Parquet, which a sample cannot keep",
            hint=f'leave the column out: leave_out = ["{item.name}"]',
        ) from error
