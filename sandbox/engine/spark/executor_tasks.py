"""Tasks on rows of a file, run by executors on one partition each; each returns one row of report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.engine.spark.table import ROW_NUMBER_COLUMN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.engine.content_digest import RowSums
    from sandbox.engine.spark.cluster import SparkCluster
    from sandbox.engine.spark.table import SparkTable

    ExecutorTask = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

SELECTED_ROW_COLUMN = "chosen_place"
UNIT_COLUMN = "unit"
REPORT_SCHEMA = "part int, path string, bytes bigint, sha256 string, rows bigint, upper string, lower string"
REPORT_FIELDS = pa.schema(
    [
        ("part", pa.int32()), ("path", pa.string()), ("bytes", pa.int64()), ("sha256", pa.string()), ("rows", pa.int64()),
        ("upper", pa.string()), ("lower", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PartReport:
    """A file written by an executor.

    Attributes:
        part: The partition's number; partitions are in the file's order.
        path: The file.
        bytes: Its size.
        sha256: Its digest (hex).
        sums: Sums of its rows (see `sandbox.engine.content_digest.compute_row_sums`).
    """

    part: int
    path: str
    bytes: int
    sha256: str
    sums: RowSums

    @property
    def record_batch(self) -> pa.RecordBatch:
        """The report for transfer; the sums are text because they may exceed 64 bits."""
        rows, upper, lower = self.sums
        values = [self.part, self.path, self.bytes, self.sha256, rows, str(upper), str(lower)]
        return pa.record_batch([[value] for value in values], schema=REPORT_FIELDS)


def read_partition_number() -> int:
    """Return the number of this executor's partition."""
    from pyspark import TaskContext  # noqa: PLC0415 - an extra

    context: Any = TaskContext.get()
    return int(context.partitionId())


def check_executor(cluster: SparkCluster, work: ExecutorTask) -> None:
    """Run a task on one row in an executor.

    Raises:
        SourceError: It failed.
    """
    with cluster.translate_errors():
        cluster.fetch_table(cluster.spark.range(1).mapInArrow(work, "id bigint"))


def run_on_executors(table: SparkTable, file: int, selected: pa.Table | None, work: ExecutorTask) -> list[PartReport]:
    """Run a task on rows of a file in executors, and return their reports in the file's order.

    An executor gets the rows of its partition in the file's order, with the columns ``c<n>`` in the file; a partition
    may be empty. The same partition may be processed twice, concurrently or not: one of them counts. ``selected`` has
    ``chosen_place``, and optionally ``unit``, which is then added to the rows; None takes all.

    Raises:
        SourceError: An executor failed repeatedly, or the cluster does not answer.
    """
    from pyspark.sql import functions  # noqa: PLC0415 - an extra

    with table.cluster.translate_errors():
        rows = table.build_frame([file], narrowed=False)
        if selected is not None:
            chosen = table.cluster.spark.createDataFrame(selected)
            rows = rows.join(functions.broadcast(chosen), rows[ROW_NUMBER_COLUMN] == chosen[SELECTED_ROW_COLUMN]).drop(
                SELECTED_ROW_COLUMN
            )
        reports = table.cluster.fetch_table(rows.drop(ROW_NUMBER_COLUMN).mapInArrow(work, REPORT_SCHEMA))
    return sorted(map(_parse_report, reports.to_pylist()), key=lambda report: report.part)


def _parse_report(row: dict[str, Any]) -> PartReport:
    sums = (row.pop("rows"), int(row.pop("upper")), int(row.pop("lower")))
    return PartReport(sums=sums, **row)
