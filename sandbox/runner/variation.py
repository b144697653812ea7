"""Running a version once more in a way that must not matter: another thread count, the sample's files in another order."""

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
    """Give the variation for a run with these limits: one thread less; two where there is only one.

    One less and not half, because the run should take about as long as the one that it is compared with.
    """
    threads = fixed_environment.count_threads(limits)
    return RunVariation(threads=threads - 1 if threads > 1 else 2, file_order="reversed")


def vary_limits(variation: RunVariation, limits: ResourceLimits, *, processors: int | None = None) -> ResourceLimits:
    """Give the limits of a varied run: its processors, and more time, as it may have fewer of them.

    Args:
        variation: What varies.
        limits: Those of the run that it is compared with.
        processors: How many the machine has; an engine refuses to promise more.
    """
    there = processors or os.cpu_count() or 1
    return dataclasses.replace(
        limits,
        cpus=float(variation.threads) if variation.threads <= there else limits.cpus,
        timeout_seconds=limits.timeout_seconds * TIMEOUT_FACTOR,
    )


def build_thread_variables(variation: RunVariation) -> Mapping[str, str]:
    """Give the variables that tell libraries the number of threads, whatever the machine has."""
    return dict.fromkeys(fixed_environment.THREAD_COUNT_VARIABLES, str(variation.threads))


@contextlib.contextmanager
def prepare_tables(sample: Sample, variation: RunVariation | None) -> Iterator[Path]:
    """Provide the folder of the sample's tables as a run is to see it, for as long as the block lasts.

    For a variation that is a copy in which each table's files have their names in reverse: a pipeline that reads them by
    name reads them in another order. The copy shares blocks with the sample where the file system can (btrfs, XFS).

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
