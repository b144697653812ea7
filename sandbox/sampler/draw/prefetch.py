"""Reading the units of a large table ahead: while an item is written, the drawn rows of the next one are read."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.rule import polars_reader
from sandbox.engine.rule.prn import PRIME
from sandbox.sources.files.parquet_footer import read_footer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    import pyarrow as pa

    from sandbox.sampler.draw.work_items import WorkItem
    from sandbox.sampler.plan.plan import UnitPlan
    from sandbox.sources.table import SourceTable

MIN_PREFETCH_BYTES = 64 * 2**20  # of a table's files, from which it pays to start another library
MAX_DRAWN_SHARE = 0.1  # of the rows: where more are drawn, most values are decoded in any case
MEMORY_DIVISOR = 8  # the part of the memory that the rows of an item may take while they wait


@dataclass(frozen=True, kw_only=True)
class Prefetcher:
    """What is read ahead of one unit table.

    Attributes:
        table: The table.
        read_request: What is read of each file.
        memory: Bytes that the draw may hold.
    """

    table: SourceTable
    read_request: polars_reader.PolarsReadRequest
    memory: int

    @contextlib.contextmanager
    def prefetch_items(self, items: Sequence[WorkItem]) -> Iterator[Iterator[pa.Table | None]]:
        """Give, for as long as the block lasts, each item's rows in turn; None for what is to be read in another way."""
        with ThreadPoolExecutor(1, thread_name_prefix="reading ahead") as worker:
            yield self._yield_items(worker, [worker.submit(self._read_item, item) for item in items[:1]], items[1:])

    def _yield_items(
        self, worker: ThreadPoolExecutor, coming: list[Future[pa.Table | None]], items: Sequence[WorkItem]
    ) -> Iterator[pa.Table | None]:
        for following in [*items, None]:
            found = coming.pop().result()
            coming += [] if following is None else [worker.submit(self._read_item, following)]
            yield found

    def _read_item(self, item: WorkItem) -> pa.Table | None:
        file = self.table.files[item.file]
        about = read_footer(file)
        rows = (about.num_rows if item.stop is None else item.stop) - item.first
        held = rows * self.table.width * self.read_request.threshold / PRIME
        if held * MEMORY_DIVISOR > self.memory or not polars_reader.can_read_file(about, self.read_request.columns):
            return None
        small = polars_reader.has_small_keys(about, self.read_request.key)
        return polars_reader.read_candidate_rows(file.path, self.read_request, (item.first, item.stop), small=small)


def build_prefetcher(table: SourceTable, unit: UnitPlan, place: str, memory: int) -> Prefetcher | None:
    """Give how the drawn rows of a unit table are read ahead; None where that is not possible, or not worth it.

    Args:
        table: The table.
        unit: Its draw.
        place: The name of the column with a row's place in its file.
        memory: Bytes that the draw may hold.
    """
    below = max(stratum.threshold for stratum in unit.strata)
    here = all(file.path.startswith("/") for file in table.files)
    if not table.is_plain_parquet or not here or table.bytes < MIN_PREFETCH_BYTES or below > MAX_DRAWN_SHARE * PRIME:
        return None
    if not polars_reader.can_read_table(table.columns, unit.key):
        return None
    wanted = polars_reader.PolarsReadRequest(
        columns=tuple(table.columns),
        key=unit.key[0],
        coefficients=unit.coefficients,
        threshold=below,
        row_number_column=place,
    )
    return Prefetcher(table=table, read_request=wanted, memory=memory)
