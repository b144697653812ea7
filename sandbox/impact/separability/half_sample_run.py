"""Run one side of a diff on a half-sample, for the separability check."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import DataRuleError, PipelineError, PipelineMemoryError, PipelineTimeoutError, StoreError
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.separability import HalfSampleRecord
from sandbox.runner.failures import check_success
from sandbox.runner.run import execute_run, find_run
from sandbox.sampler.half_sample import selection
from sandbox.store.checked_folder import check_folder, list_folder_contents, read_checked_files, write_checked_files
from sandbox.store.folder import restrict_access, stage_folder, translate_os_errors
from sandbox.store.leases import acquire_lease, remove_if_unused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.impact.sides import SideContext
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, Sample
    from sandbox.runner.run import Run, RunRequest
    from sandbox.sampler.half_sample.selection import HalfName

HALF_SAMPLES_FOLDER = "halves"
RECORD_FILE = "half.json"
RUN_FAILURES = (PipelineError, PipelineTimeoutError, PipelineMemoryError, StoreError, DataRuleError)
"""Errors of a run on a part of the sample after which nothing is known about the outputs."""


@dataclass(frozen=True, kw_only=True)
class HalfSample:
    """A half-sample of a project's sample: the first, or the second one, which is enlarged.

    Attributes:
        ground: The context of the side that runs on it.
        half: Which half it is.
        memory: Bytes of memory of the runs.
    """

    ground: SideContext
    half: HalfName
    memory: int

    @property
    def fingerprint(self) -> str:
        """Its fingerprint."""
        return selection.compute_fingerprint(self._manifest, self.half, unique=self._unique, memory=self.memory)

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._parent / self.fingerprint[:16]

    @property
    def sample(self) -> Sample:
        """Its files."""
        return selection.build_half_sample(self.folder, self._manifest, self.fingerprint)

    def prepare(self, progress: Progress) -> HalfSampleRecord:
        """Write it if necessary, and return its size; half-samples of other samples are removed.

        Raises:
            StoreError: It cannot be written.
            DataRuleError: A key cannot have fresh values.
        """
        files = read_checked_files(self.folder) if acquire_lease(self.folder) else None
        if files is None or check_folder(self.folder, files, progress) is not None:
            self._remove_others()
            what = "taking half of the sample" if self.half == "first" else "enlarging the other half of the sample"
            with progress.step(what), stage_folder(self.folder) as folder:
                record = self._write(folder)
                with translate_os_errors(folder):
                    (folder / RECORD_FILE).write_text(record.to_json_text(), "utf-8")
                restrict_access(folder)
                stats, _ = list_folder_contents(folder)
                digests = {path: hash_file(folder / path) for path in stats}
            write_checked_files(self.folder, digests, stats)
            acquire_lease(self.folder)
        return HalfSampleRecord.read(self.folder / RECORD_FILE)

    def _write(self, folder: Path) -> HalfSampleRecord:
        settings, sample = self.ground.project.settings, self.ground.sample.sample
        # DuckDB and numpy are slow to import, and rarely needed.
        if self.half == "first":
            from sandbox.sampler.half_sample.writer import write_half_sample  # noqa: PLC0415

            return write_half_sample(sample, self._manifest, settings, folder)
        from sandbox.sampler.half_sample.enlarged_writer import write_enlarged_half  # noqa: PLC0415

        return write_enlarged_half(sample, self._manifest, settings, folder, unique=self._unique, memory=self.memory)

    def _remove_others(self) -> None:
        kept = {dataclasses.replace(self, half=half).folder for half in selection.HALVES}
        for other in self._parent.glob("[0-9a-f]*"):
            if other not in kept or other == self.folder:
                remove_if_unused(other)

    @property
    def _parent(self) -> Path:
        return self.ground.project.state_folder / HALF_SAMPLES_FOLDER

    @property
    def _manifest(self) -> SampleManifest:
        return self.ground.sample.manifest

    @property
    def _unique(self) -> Mapping[str, frozenset[str]]:
        return selection.collect_unique_columns(self.ground.project.settings, self._manifest)


def run_half_sample(half: HalfSample, request: RunRequest, *, fresh: bool, progress: Progress) -> Run:
    """Run a side on a half-sample, or reuse such a run.

    Args:
        half: The half-sample.
        request: The request of the run on it.
        fresh: Whether to ignore earlier runs.
        progress: Shows the steps.

    Raises:
        PipelineError, PipelineTimeoutError, PipelineMemoryError: The run failed.
        StoreError: The half-sample cannot be written.
        DataRuleError: A key cannot have fresh values.
    """
    runs = half.ground.project.state_folder / "runs"
    done = None if fresh else find_run(runs, request, [])
    if done is None:
        record = half.prepare(progress)
        limits = request.limits
        longer = dataclasses.replace(limits, timeout_seconds=limits.timeout_seconds * max(record.cost, 1.0))
        with progress.step(_describe_run(half, request, record)):
            done = execute_run(dataclasses.replace(request, limits=longer), half.ground.stack.runtime, runs)
    check_success(done)
    return done


def _describe_run(half: HalfSample, request: RunRequest, record: HalfSampleRecord) -> str:
    cost = f"{record.cost:g} runs of the sample"
    if half.half == "first":
        return f"separability check: running the pipeline at {request.code.version.ref} on half of the sample ({cost})"
    units = " and ".join(f"{number:,} {unit}" for unit, number in record.units.items())
    return (
        f"separability check: running the pipeline at {request.code.version.ref} on the other half, enlarged to "
        f"{units} ({cost})"
    )
