"""Work on the rows of a file that the workers of a cluster do, each on a part; what comes home is a line of report a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.engine.spark.table import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.engine.content_digest import Sums
    from sandbox.engine.spark.cluster import Cluster
    from sandbox.engine.spark.table import Table

    Work = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

CHOSEN = "chosen_place"
UNIT = "unit"
REPORT = "part int, path string, bytes bigint, sha256 string, rows bigint, upper string, lower string"
FIELDS = pa.schema(
    [
        ("part", pa.int32()), ("path", pa.string()), ("bytes", pa.int64()), ("sha256", pa.string()), ("rows", pa.int64()),
        ("upper", pa.string()), ("lower", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a worker wrote.

    Attributes:
        part: Its number among those of one piece of work; parts are in the file's order.
        path: Of the file.
        bytes: Its size.
        sha256: Its digest (hex).
        sums: Of its rows (see `sandbox.engine.content_digest.sums`).
    """

    part: int
    path: str
    bytes: int
    sha256: str
    sums: Sums

    @property
    def batch(self) -> pa.RecordBatch:
        """The report as it travels: whole numbers of the sums may have more than 64 bits."""
        rows, upper, lower = self.sums
        values = [self.part, self.path, self.bytes, self.sha256, rows, str(upper), str(lower)]
        return pa.record_batch([[value] for value in values], schema=FIELDS)


def part() -> int:
    """Give the number of the part that this worker works on."""
    from pyspark import TaskContext  # noqa: PLC0415 - an extra

    context: Any = TaskContext.get()
    return int(context.partitionId())


def tried(cluster: Cluster, work: Work) -> None:
    """Let one worker do something with one row, which it gives back.

    Raises:
        SourceError: It cannot.
    """
    with cluster.reported():
        cluster.arrow(cluster.spark.range(1).mapInArrow(work, "id bigint"))


def reported(table: Table, file: int, places: pa.Table | None, work: Work) -> list[Report]:
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

    with table.cluster.reported():
        rows = table.frame([file], narrowed=False)
        if places is not None:
            chosen = table.cluster.spark.createDataFrame(places)
            rows = rows.join(functions.broadcast(chosen), rows[PLACE] == chosen[CHOSEN]).drop(CHOSEN)
        found = table.cluster.arrow(rows.drop(PLACE).mapInArrow(work, REPORT))
    return sorted(map(_read, found.to_pylist()), key=lambda one: one.part)


def _read(row: dict[str, Any]) -> Report:
    sums = (row.pop("rows"), int(row.pop("upper")), int(row.pop("lower")))
    return Report(sums=sums, **row)
