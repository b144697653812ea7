"""Reading the units of a large table ahead: while an item is written, the drawn rows of the next one are read."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.rule import polars_reader
from sandbox.engine.rule.prn import PRIME
from sandbox.sources.files.parquet_footer import footer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    import pyarrow as pa

    from sandbox.sampler.draw.work_items import Item
    from sandbox.sampler.plan.plan import UnitPlan
    from sandbox.sources.table import SourceTable

WORTH_BYTES = 64 * 2**20  # of a table's files, from which it pays to start another library
MOST = 0.1  # of the rows: where more are drawn, most values are decoded in any case
SHARE = 8  # the part of the memory that the rows of an item may take while they wait


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What is read ahead of one unit table.

    Attributes:
        table: The table.
        wanted: What is read of each file.
        memory: Bytes that the draw may hold.
    """

    table: SourceTable
    wanted: polars_reader.Wanted
    memory: int

    @contextlib.contextmanager
    def reading(self, items: Sequence[Item]) -> Iterator[Iterator[pa.Table | None]]:
        """Give, for as long as the block lasts, each item's rows in turn; None for what is to be read in another way."""
        with ThreadPoolExecutor(1, thread_name_prefix="reading ahead") as worker:
            yield self._each(worker, [worker.submit(self._read, item) for item in items[:1]], items[1:])

    def _each(
        self, worker: ThreadPoolExecutor, coming: list[Future[pa.Table | None]], items: Sequence[Item]
    ) -> Iterator[pa.Table | None]:
        for following in [*items, None]:
            found = coming.pop().result()
            coming += [] if following is None else [worker.submit(self._read, following)]
            yield found

    def _read(self, item: Item) -> pa.Table | None:
        file = self.table.files[item.file]
        about = footer(file)
        rows = (about.num_rows if item.stop is None else item.stop) - item.first
        held = rows * self.table.width * self.wanted.below / PRIME
        if held * SHARE > self.memory or not polars_reader.within(about, self.wanted.columns):
            return None
        small = polars_reader.small_keys(about, self.wanted.key)
        return polars_reader.read(file.path, self.wanted, (item.first, item.stop), small=small)


def ahead(table: SourceTable, unit: UnitPlan, place: str, memory: int) -> Ahead | None:
    """Give how the drawn rows of a unit table are read ahead; None where that is not possible, or not worth it.

    Args:
        table: The table.
        unit: Its draw.
        place: The name of the column with a row's place in its file.
        memory: Bytes that the draw may hold.
    """
    below = max(stratum.threshold for stratum in unit.strata)
    here = all(file.path.startswith("/") for file in table.files)
    if not table.plain or not here or table.bytes < WORTH_BYTES or below > MOST * PRIME:
        return None
    if not polars_reader.suits(table.columns, unit.key):
        return None
    wanted = polars_reader.Wanted(
        columns=tuple(table.columns),
        key=unit.key[0],
        coefficients=unit.coefficients,
        below=below,
        place=place,
    )
    return Ahead(table=table, wanted=wanted, memory=memory)
