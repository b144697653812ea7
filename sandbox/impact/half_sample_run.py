"""Run one side of a diff on the half-sample, for the separability check."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.manifest.canonical_json import hash_file
from sandbox.runner.failures import check_success
from sandbox.runner.run import execute_run, find_run
from sandbox.sampler.half_sample import selection
from sandbox.store.checked_folder import check_folder, list_folder_contents, read_checked_files, write_checked_files
from sandbox.store.folder import restrict_access, stage_folder
from sandbox.store.leases import acquire_lease, remove_if_unused

if TYPE_CHECKING:
    from sandbox.impact.sides import SideContext
    from sandbox.model import Progress, Sample
    from sandbox.runner.run import Run, RunRequest

HALF_SAMPLES_FOLDER = "halves"


def run_half_sample(ground: SideContext, request: RunRequest, *, fresh: bool, progress: Progress) -> Run:
    """Run a side on the half-sample, or reuse such a run.

    Raises:
        PipelineError, PipelineTimeoutError, PipelineMemoryError: The run failed.
        StoreError: The half-sample cannot be written.
    """
    runs = ground.project.state_folder / "runs"
    done = None if fresh else find_run(runs, request, [])
    if done is None:
        sample = _prepare_half_sample(ground, progress)
        ref = request.code.version.ref
        with progress.step(f"running the pipeline at {ref} on half of the sample, to see what depends on what"):
            done = execute_run(dataclasses.replace(request, sample=sample), ground.stack.runtime, runs)
    check_success(done)
    return done


def _prepare_half_sample(ground: SideContext, progress: Progress) -> Sample:
    """Return the half-sample, writing it if necessary; it replaces that of any other sample."""
    manifest, sample = ground.sample.manifest, ground.sample.sample
    half_folder = ground.project.state_folder / HALF_SAMPLES_FOLDER / selection.compute_fingerprint(manifest)[:16]
    files = read_checked_files(half_folder) if acquire_lease(half_folder) else None
    if files is None or check_folder(half_folder, files, progress) is not None:
        from sandbox.sampler.half_sample.writer import write_half_sample  # noqa: PLC0415 - Ibis is slow to import, and rarely needed

        for other in half_folder.parent.glob("[0-9a-f]*"):
            remove_if_unused(other)
        with progress.step("taking half of the sample"), stage_folder(half_folder) as folder:
            write_half_sample(sample, manifest, ground.project.settings, folder)
            restrict_access(folder)
            stats, _ = list_folder_contents(folder)
            digests = {path: hash_file(folder / path) for path in stats}
        write_checked_files(half_folder, digests, stats)
        acquire_lease(half_folder)
    return selection.build_half_sample(half_folder, manifest)
