"""Prefetch the drawn rows of a large unit table: read the next item while one is written."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.engine.rule import polars_reader
from sandbox.engine.rule.prn import PRIME
from sandbox.sources.adapters.parquet_files import MAX_FILE_ROWS
from sandbox.sources.files.parquet_footer import read_footers
from sandbox.sources.registry import get_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from sandbox.sampler.draw.work_items import WorkItem
    from sandbox.sampler.plan.plan import UnitPlan
    from sandbox.sources.table import SourceTable

MIN_PREFETCH_BYTES = 64 * 2**20  # size of a table from which another library pays off
MAX_DRAWN_SHARE = 0.1  # above it, most values are decoded anyway
MIN_FILE_BYTES = 2**20  # mean size of files from which it pays off
MEMORY_DIVISOR = 8  # share of the memory for the waiting rows of an item


@dataclass(frozen=True, kw_only=True)
class Prefetcher:
    """Prefetches the rows of one unit table.

    Attributes:
        table: The table.
        read_request: The read of each file.
        memory: Bytes the draw may hold.
    """

    table: SourceTable
    read_request: polars_reader.PolarsReadRequest
    memory: int

    @contextlib.contextmanager
    def prefetch_items(self, items: Sequence[WorkItem]) -> Iterator[Iterator[pa.Table | None]]:
        """Yield each item's rows in turn inside the block; None for items to be read otherwise."""
        with ThreadPoolExecutor(1, thread_name_prefix="reading ahead") as worker:
            yield self._yield_items(worker, [worker.submit(self._read_item, item) for item in items[:1]], items[1:])

    def _yield_items(
        self, worker: ThreadPoolExecutor, coming: list[Future[pa.Table | None]], items: Sequence[WorkItem]
    ) -> Iterator[pa.Table | None]:
        for following in [*items, None]:
            rows = coming.pop().result()
            coming += [] if following is None else [worker.submit(self._read_item, following)]
            yield rows

    def _read_item(self, item: WorkItem) -> pa.Table | None:
        if item.bytes < MIN_FILE_BYTES * len(item.files):
            return None
        files = [self.table.files[index] for index in item.files]
        footers = read_footers(files)
        rows = sum(footer.num_rows for footer in footers) if item.stop is None else item.stop - item.first
        held = rows * self.table.width * self.read_request.threshold / PRIME
        if held * MEMORY_DIVISOR > self.memory:
            return None
        if not all(polars_reader.can_read_file(footer, self.read_request.columns) for footer in footers):
            return None
        parts = []
        for number, (file, footer) in enumerate(zip(files, footers, strict=True)):
            small = polars_reader.has_small_keys(footer, self.read_request.key)
            part = polars_reader.read_candidate_rows(file.path, self.read_request, (item.first, item.stop), small=small)
            if part is None:
                return None
            parts.append(_add_to_row_number(part, self.read_request.row_number_column, number * MAX_FILE_ROWS))
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="permissive")


def build_prefetcher(table: SourceTable, unit: UnitPlan, row_number: str, memory: int) -> Prefetcher | None:
    """Build the prefetcher of a unit table; None if it is impossible or not worthwhile."""
    below = max(stratum.threshold for stratum in unit.strata)
    here = all(file.path.startswith("/") for file in table.files)
    if not here or table.bytes < MIN_PREFETCH_BYTES or below > MAX_DRAWN_SHARE * PRIME:
        return None
    if not get_adapter(table).can_prefetch(table) or not polars_reader.can_read_table(table.columns, unit.key):
        return None
    request = polars_reader.PolarsReadRequest(
        columns=tuple(table.columns),
        key=unit.key[0],
        coefficients=unit.coefficients,
        threshold=below,
        row_number_column=row_number,
    )
    return Prefetcher(table=table, read_request=request, memory=memory)


def _add_to_row_number(rows: pa.Table, column: str, offset: int) -> pa.Table:
    """Return rows of a file with the row numbers that it has among several."""
    if not offset:
        return rows
    place = rows.schema.get_field_index(column)
    return rows.set_column(place, column, pc.add(rows.column(place).cast(pa.int64()), pa.scalar(offset)))
