"""Check for free disk space before a draw."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.sampler.draw.work_items import RANGE_BYTES
from sandbox.sources.registry import get_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.sampler.plan.plan import SamplePlan

SIZE_MARGIN = 1.1  # the size estimate may be a little low
BYTES_PER_SAMPLED_ROW = 48  # approximate size of the columns held per drawn row


def check_disk_space(plan: SamplePlan, memory: int, store: Path, *, written: int, here: bool = True) -> None:
    """Check that the sample and spilled data fit on the disk.

    Args:
        plan: The plan.
        memory: Bytes DuckDB may hold before it spills.
        store: The store's folder.
        written: Bytes already written by an unfinished draw.
        here: Whether the sample itself is written there, or only spilled data.

    Raises:
        StoreError: They do not fit.
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
    """Estimate the peak bytes held by a draw: columns of drawn rows, and the rows of one item."""
    rows = sum(plan.expected_sizes[step.table].rows for step in plan.steps if step.keep != "all")
    return rows * BYTES_PER_SAMPLED_ROW + max(
        (_estimate_item_bytes(plan, step.table) for step in plan.steps if step.keep != "all"), default=0
    )


def _estimate_item_bytes(plan: SamplePlan, name: str) -> int:
    """Estimate the bytes of the drawn rows of a table's largest item, before compression."""
    table = plan.tables[name]
    largest = max(map(table.estimate_size, table.files), default=0)
    if get_adapter(table).is_columnar:
        largest = min(largest, RANGE_BYTES)
    return int(plan.expected_sizes[name].rows * table.width * largest / max(1, table.bytes))
