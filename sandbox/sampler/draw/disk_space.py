"""Whether there is room on the disk for a draw, before it starts."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.sampler.draw.work_items import RANGE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.sampler.plan.plan import SamplePlan

SIZE_MARGIN = 1.1  # the guess of a sample's size may be a little low
BYTES_PER_SAMPLED_ROW = 48  # bytes of what is known of a drawn row, roughly


def check_disk_space(plan: SamplePlan, memory: int, store: Path, *, written: int, here: bool = True) -> None:
    """Make sure that the sample fits, and what spills while it is drawn.

    Args:
        plan: What to draw.
        memory: Bytes that the engine may hold before it spills.
        store: Where it goes.
        written: Bytes that are there already, of a draw that did not end.
        here: Whether the sample itself goes there, or only what spills.

    Raises:
        StoreError: It does not.
    """
    free = shutil.disk_usage(store).free
    needed = int(plan.expected_bytes * SIZE_MARGIN) - written if here else 0
    spilled = max(0, estimate_spill(plan) - memory)
    if needed + spilled > free:
        beside = f" and {spilled / 1e9:.1f} GB while it is drawn" if spilled >= 5e7 else ""
        raise StoreError(
            f"the sample takes about {needed / 1e9:.1f} GB{beside}, and {store} has {free / 1e9:.1f} GB left",
            hint="free some space, put the store elsewhere with SANDBOX_HOME, or lower the rate",
        )


def estimate_spill(plan: SamplePlan) -> int:
    """Give the bytes that a draw holds at most, roughly: what is known of drawn rows, and the rows of one item."""
    rows = sum(plan.expected_sizes[step.table].rows for step in plan.steps if step.keep != "all")
    return rows * BYTES_PER_SAMPLED_ROW + max(
        (_estimate_item_bytes(plan, step.table) for step in plan.steps if step.keep != "all"), default=0
    )


def _estimate_item_bytes(plan: SamplePlan, name: str) -> int:
    """Give the bytes of the drawn rows of a table's largest item, before compression."""
    table = plan.tables[name]
    largest = max(map(table.estimate_size, table.files), default=0)
    if table.format in {"parquet", "duckdb"}:
        largest = min(largest, RANGE_BYTES)
    return int(plan.expected_sizes[name].rows * table.width * largest / max(1, table.bytes))
