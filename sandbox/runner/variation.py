"""Vary a noise run in ways without effect on correct code: another thread count, another order of the sample's files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.containers import fixed_environment
from sandbox.model import RunVariation
from sandbox.store.folder import clone_file, make_staging_folder, translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.model import ResourceLimits, Sample

TIMEOUT_FACTOR = 2.0


def choose_variation(limits: ResourceLimits) -> RunVariation:
    """Return the variation for a run with these limits: one thread less; two if there is only one.

    One less and not half, because the run should take about as long as the run it is compared with.
    """
    threads = fixed_environment.count_threads(limits)
    return RunVariation(threads=threads - 1 if threads > 1 else 2, file_order="reversed")


def vary_limits(variation: RunVariation, limits: ResourceLimits, *, processors: int | None = None) -> ResourceLimits:
    """Return the limits of a noise run: its processors, and more time, as it may have fewer of them.

    Args:
        variation: The variation.
        limits: The limits of the compared run.
        processors: The number of processors of the machine; container engines refuse more.
    """
    there = processors or os.cpu_count() or 1
    return dataclasses.replace(
        limits,
        cpus=float(variation.threads) if variation.threads <= there else limits.cpus,
        timeout_seconds=limits.timeout_seconds * TIMEOUT_FACTOR,
    )


def build_thread_variables(variation: RunVariation) -> Mapping[str, str]:
    """Build the variables for libraries' number of threads, independent of the machine."""
    return dict.fromkeys(fixed_environment.THREAD_COUNT_VARIABLES, str(variation.threads))


@contextlib.contextmanager
def prepare_tables(sample: Sample, variation: RunVariation | None) -> Iterator[Path]:
    """Yield the folder of the sample's tables for a run until the block ends.

    For a variation it is a copy with the names of each table's files reversed, so a pipeline that reads them by name
    reads them in another order. The copy shares blocks with the sample if the file system supports it (btrfs, XFS).

    Raises:
        StoreError: The folder cannot be made, for example on a full disk.
    """
    tables = sample.path / "tables"
    if variation is None:
        yield tables
        return
    with make_staging_folder(sample.path.parent, label="reversed") as view:
        with translate_os_errors(view):
            for folder, _, names in os.walk(tables):
                beside = view / Path(folder).relative_to(tables)
                beside.mkdir(exist_ok=True)
                for name, other in zip(sorted(names), sorted(names, reverse=True), strict=True):
                    clone_file(Path(folder) / name, beside / other)
        yield view
