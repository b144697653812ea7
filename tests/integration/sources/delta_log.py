"""Delta tables as Spark and Databricks write them: with column mapping and deletion vectors, which delta-rs reads only."""

from __future__ import annotations

import base64
import json
import struct
import uuid
import zlib
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap64

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAGIC = 1681511377  # of the bitmaps' serialisation, from Delta's protocol
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def field(name: str, kind: Any, physical: str | None = None, number: int = 0) -> dict[str, Any]:
    """Give a column of a schema, mapped where it has a physical name."""
    metadata = (
        {} if physical is None else {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": physical}
    )
    return {"name": name, "type": kind, "nullable": True, "metadata": metadata}


def deletion_vector(root: Path, positions: Iterable[int]) -> dict[str, Any]:
    """Write a file of deleted positions beside a table's data, and give what an add action says of it."""
    bits = BitMap64(positions)
    content = struct.pack("<I", MAGIC) + bits.serialize()
    name = uuid.uuid4()
    stored = struct.pack(">I", len(content)) + content + struct.pack(">I", zlib.crc32(content))
    (root / f"deletion_vector_{name}.bin").write_bytes(b"\x01" + stored)
    encoded = base64.b85encode(name.bytes).decode().translate(str.maketrans(B85, Z85))
    return {
        "storageType": "u", "pathOrInlineDv": encoded, "offset": 1, "sizeInBytes": len(content), "cardinality": len(bits),
    }  # fmt: skip


def commit(root: Path, version: int, *actions: dict[str, Any]) -> None:
    """Write a version of a log."""
    log = root / "_delta_log"
    log.mkdir(exist_ok=True)
    (log / f"{version:020d}.json").write_text("\n".join(json.dumps(action) for action in actions), "utf-8")


def table(
    fields: list[dict[str, Any]], partitions: list[str], features: list[str], **configuration: str
) -> list[dict[str, Any]]:
    """Give the actions that begin a table."""
    schema = json.dumps({"type": "struct", "fields": fields})
    return [
        {
            "protocol": {
                "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features,
            }
        },
        {
            "metaData": {
                "id": str(uuid.uuid4()), "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
                "partitionColumns": partitions, "configuration": configuration, "createdTime": 0,
            }
        },
    ]  # fmt: skip


def add(root: Path, path: str, partitions: dict[str, str | None], **more: Any) -> dict[str, Any]:
    """Give the action that adds a data file; a path is as the log has it, percent-encoded."""
    from urllib.parse import unquote  # noqa: PLC0415 - its one use

    size = (root / unquote(path)).stat().st_size
    return {
        "add": {
            "path": path, "partitionValues": partitions, "size": size, "modificationTime": 1700000000000,
            "dataChange": True, **more,
        }
    }  # fmt: skip
