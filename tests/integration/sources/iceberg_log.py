"""Iceberg deletes as Flink and Spark write them (merge on read), which pyiceberg does not write."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate
from pyiceberg.typedef import Record

if TYPE_CHECKING:
    from pyiceberg.table import Table

FILE_PATH, POS = 2147483546, 2147483545  # the reserved field ids of positional deletes


class Deletes(ManifestWriterV2):
    """A manifest of delete files."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES


def delete_places(table: Table, places: dict[str, list[int]], *, partition: Record | None = None) -> None:
    """Commit a snapshot in which rows of data files are deleted by their place."""
    rows = [(path, place) for path, some in places.items() for place in some]
    schema = pa.schema(
        [
            pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(FILE_PATH)}),
            pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(POS)}),
        ]
    )
    written = pa.table([[path for path, _ in rows], [place for _, place in rows]], schema=schema)
    _commit(table, written, DataFileContent.POSITION_DELETES, partition, {})


def delete_values(table: Table, rows: pa.Table, *, partition: Record | None = None) -> None:
    """Commit a snapshot in which the rows are deleted that agree with these in their columns."""
    ids = [table.schema().find_field(name).field_id for name in rows.column_names]
    schema = pa.schema(
        [
            pa.field(field.name, field.type, metadata={"PARQUET:field_id": str(number)})
            for field, number in zip(rows.schema, ids, strict=True)
        ]
    )
    written = pa.table(rows.columns, schema=schema)
    _commit(table, written, DataFileContent.EQUALITY_DELETES, partition, {"equality_ids": ids})


def _commit(
    table: Table, rows: pa.Table, content: DataFileContent, partition: Record | None, more: dict[str, Any]
) -> None:
    table.refresh()
    parent = table.current_snapshot()
    assert parent is not None
    name = uuid.uuid4()
    io, place = table.io, table.location()
    path = f"{place}/data/{name}-deletes.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    content_bytes = sink.getvalue().to_pybytes()
    with io.new_output(path).create() as stream:
        stream.write(content_bytes)
    file = DataFile.from_args(
        content=content, file_path=path, file_format=FileFormat.PARQUET, partition=partition or Record(),
        record_count=len(rows), file_size_in_bytes=len(content_bytes), **more,
    )  # fmt: skip
    file.spec_id = table.spec().spec_id
    snapshot_id = table.metadata.new_snapshot_id()
    sequence = table.metadata.next_sequence_number()
    output = io.new_output(f"{place}/metadata/{name}-m0.avro")
    with Deletes(table.spec(), table.schema(), output, snapshot_id, "deflate") as writer:
        writer.add_entry(
            ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, sequence_number=None,
                file_sequence_number=None, data_file=file,
            )
        )  # fmt: skip
    manifest_list = f"{place}/metadata/snap-{snapshot_id}-{name}.avro"
    with write_manifest_list(
        2, io.new_output(manifest_list), snapshot_id, parent.snapshot_id, sequence, "deflate"
    ) as listing:
        listing.add_manifests([*parent.manifests(io), writer.to_manifest_file()])
    snapshot = Snapshot(
        snapshot_id=snapshot_id, parent_snapshot_id=parent.snapshot_id, sequence_number=sequence,
        timestamp_ms=max(int(time.time() * 1000), parent.timestamp_ms + 1), manifest_list=manifest_list,
        summary=Summary(operation=Operation.DELETE), schema_id=table.schema().schema_id,
    )  # fmt: skip
    with table.transaction() as transaction:
        transaction._apply(
            (
                AddSnapshotUpdate(snapshot=snapshot),
                SetSnapshotRefUpdate(
                    snapshot_id=snapshot_id,
                    ref_name="main",
                    type="branch",
                    max_ref_age_ms=None,
                    max_snapshot_age_ms=None,
                    min_snapshots_to_keep=None,
                ),
            ),
            (),
        )
    table.refresh()
