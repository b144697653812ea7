"""Work on the rows of a file that the workers of a cluster do, each on a part; what comes home is a line of report a part."""

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
    """What a worker wrote.

    Attributes:
        part: Its number among those of one piece of work; parts are in the file's order.
        path: Of the file.
        bytes: Its size.
        sha256: Its digest (hex).
        sums: Of its rows (see `sandbox.engine.content_digest.compute_row_sums`).
    """

    part: int
    path: str
    bytes: int
    sha256: str
    sums: RowSums

    @property
    def record_batch(self) -> pa.RecordBatch:
        """The report as it travels: whole numbers of the sums may have more than 64 bits."""
        rows, upper, lower = self.sums
        values = [self.part, self.path, self.bytes, self.sha256, rows, str(upper), str(lower)]
        return pa.record_batch([[value] for value in values], schema=REPORT_FIELDS)


def read_partition_number() -> int:
    """Give the number of the part that this worker works on."""
    from pyspark import TaskContext  # noqa: PLC0415 - an extra

    context: Any = TaskContext.get()
    return int(context.partitionId())


def check_executor(cluster: SparkCluster, work: ExecutorTask) -> None:
    """Let one worker do something with one row, which it gives back.

    Raises:
        SourceError: It cannot.
    """
    with cluster.translate_errors():
        cluster.fetch_table(cluster.spark.range(1).mapInArrow(work, "id bigint"))


def run_on_executors(table: SparkTable, file: int, places: pa.Table | None, work: ExecutorTask) -> list[PartReport]:
    """Let workers do something with rows of a file, and give what they report, in the file's order.

    A worker gets the rows of its part in the file's order, with the columns ``c<n>`` that the file holds; a part may have none. The
    same part may be worked on twice, at once or one after the other: one of them counts.

    Args:
        table: The table.
        file: Its file, by number.
        places: Which rows: ``chosen_place``, and perhaps ``unit``, which then is a column of the rows too; None takes all.
        work: Carried out in the workers.

    Raises:
        SourceError: A worker failed again and again, or the cluster does not answer.
    """
    from pyspark.sql import functions  # noqa: PLC0415 - an extra

    with table.cluster.translate_errors():
        rows = table.build_frame([file], narrowed=False)
        if places is not None:
            chosen = table.cluster.spark.createDataFrame(places)
            rows = rows.join(functions.broadcast(chosen), rows[ROW_NUMBER_COLUMN] == chosen[SELECTED_ROW_COLUMN]).drop(
                SELECTED_ROW_COLUMN
            )
        found = table.cluster.fetch_table(rows.drop(ROW_NUMBER_COLUMN).mapInArrow(work, REPORT_SCHEMA))
    return sorted(map(_parse_report, found.to_pylist()), key=lambda one: one.part)


def _parse_report(row: dict[str, Any]) -> PartReport:
    sums = (row.pop("rows"), int(row.pop("upper")), int(row.pop("lower")))
    return PartReport(sums=sums, **row)
