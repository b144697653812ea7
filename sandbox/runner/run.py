"""Run one version of the code on one sample in one stack, once, and record the run."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.containers.protocol import Job, Mount
from sandbox.errors import (
    ConfigError,
    PipelineError,
    SandboxError,
    StoreError,
)
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.run import OutputFile, RunRecord
from sandbox.model import RunOutcome
from sandbox.runner.environment_variables import build_run_variables
from sandbox.runner.input_check import InputCheck
from sandbox.runner.job_outputs import VIEWS_PROGRAM_FOLDER, collect_job_outputs
from sandbox.runner.logs import BoundedLog, append_log_lines
from sandbox.runner.output_records import find_damage, record_file
from sandbox.runner.run_setup import write_setup
from sandbox.runner.variation import build_thread_variables, prepare_tables, vary_limits
from sandbox.store.folder import restrict_access, stage_folder, translate_os_errors
from sandbox.store.leases import acquire_lease
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.containers.protocol import Runtime
    from sandbox.model import CodeVersion, Environment, JobResult, ResourceLimits, RunVariation, Sample
    from sandbox.runner.code.checkout import CodeCheckout
    from sandbox.runner.outputs import CollectedOutputs
    from sandbox.runner.pipeline_database import PipelineDatabase, PipelineDatabaseFactory
    from sandbox.runner.run_setup import RunSetup

RECORD_FILE = "run.json"
CODE_MOUNT = "/sandbox/code"
LOG_FILES = ("stdout.log", "stderr.log")
COLLECTION_VERSION = 2
"""Version of the record of a run's outputs; runs of an earlier version are not reused."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """The request for a run.

    Attributes:
        code: The version of the code.
        sample: The sample.
        environment: The built stack.
        command: The shell command of the pipeline.
        variables: The settings' ``env`` with the placeholders ``{sample}`` and ``{output}``.
        scratch: Writable folders of the code.
        paths: The outputs named by the settings, with their files or folders.
        csv: How the CSV files of outputs are written, by output, as in the settings.
        limits: The initial limits.
        more_memory: Bytes of memory for the single retry after running out of memory; None if the amount is fixed.
        memory_raised_from: Bytes of memory of the first attempt, if this is the retry.
        labels: Labels of the runtime's objects: ``project``, ``path``, ``sandbox``.
        name: The prefix of the names of the runtime's objects.
        variation: The variation of a noise run; None for every other run.
        setup: The setup besides the code, if any.
        databases: Creates the run's own database; None if it needs none.
    """

    code: CodeCheckout
    sample: Sample
    environment: Environment
    command: str
    variables: Mapping[str, str]
    scratch: Sequence[str]
    paths: Mapping[str, str]
    limits: ResourceLimits
    labels: Mapping[str, str]
    name: str
    variation: RunVariation | None = None
    setup: RunSetup | None = None
    more_memory: int | None = None
    memory_raised_from: int | None = None
    databases: PipelineDatabaseFactory | None = None
    csv: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def copy_with_more_memory(self, had: int) -> RunRequest:
        """Return the request for a retry, after running out of this number of bytes of memory."""
        assert self.more_memory is not None
        limits = dataclasses.replace(self.limits, memory_bytes=self.more_memory)
        return dataclasses.replace(self, limits=limits, memory_raised_from=had)

    @property
    def identity(self) -> str:
        """SHA-256 of everything that can change the outputs; runs of equal identity must have equal outputs."""
        return hash_json(
            {
                "tree": self.code.version.tree,
                "environment": self.environment.id,
                "runtime": self.environment.runtime,
                "sample": self.sample.fingerprint,
                "command": self.command,
                "variables": dict(self.variables),
                "scratch": sorted(self.scratch),
                "paths": dict(self.paths),
                "limits": {
                    "cpus": self.limits.cpus,
                    "memory_bytes": self.limits.memory_bytes if self.more_memory is None else "auto",
                },
                "seed": 0,
                **({"folder": self.code.project_path} if self.code.project_path else {}),
                "collected": COLLECTION_VERSION,
                **({"csv": {name: dict(csv) for name, csv in self.csv.items()}} if self.csv else {}),
                **({"variation": dataclasses.asdict(self.variation)} if self.variation else {}),
                **({"kit": self.setup.identity} if self.setup else {}),
                **({"databases": dict(self.databases.identity)} if self.databases else {}),
            }
        )

    @property
    def effective_limits(self) -> ResourceLimits:
        """The limits of the run with its variation."""
        return vary_limits(self.variation, self.limits) if self.variation else self.limits


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run.

    Attributes:
        version: The requested version. A reused run may belong to another ref with the same code.
        record: Its record.
        folder: Its folder.
        cached: Whether an earlier run was reused.
        damage_messages: Problems of other runs of the same identity that would have been reused.
    """

    version: CodeVersion
    record: RunRecord
    folder: Path
    cached: bool
    damage_messages: tuple[str, ...] = ()

    @property
    def output_folder(self) -> Path:
        """The folder of its outputs."""
        return self.folder / "output"


def find_run(runs: Path, request: RunRequest, damaged: list[str]) -> Run | None:
    """Find the latest succeeded, undamaged run of a request; add the problems of later runs to ``damaged``."""
    known: list[tuple[str, str, Path, RunRecord | StoreError]] = []
    for folder in runs.glob(f"*-{request.identity[:12]}*"):
        second = folder.name[:15]
        try:
            record = RunRecord.read(folder / RECORD_FILE, key=load_seal_key())
        except StoreError as error:
            known.append((second, "", folder, error))
        else:
            if record.identity == request.identity and record.ending == RunOutcome.SUCCEEDED and acquire_lease(folder):
                known.append((second, record.started, folder, record))
    for *_, folder, result in sorted(known, key=lambda entry: entry[:3], reverse=True):
        problem = result.message if isinstance(result, StoreError) else find_damage(folder, result)
        if problem is None and isinstance(result, RunRecord):
            return Run(version=request.code.version, record=result, folder=folder, cached=True)
        damaged.append(f"{problem}; that run is not used again")
    return None


def apply_previous_memory(request: RunRequest, runs: Path) -> RunRequest:
    """Return a request with the memory needed by an earlier run of the command, so that no run repeats the failure."""
    if request.more_memory is None:
        return request
    needed = [request.limits.memory_bytes]
    for folder in runs.glob("[0-9]*"):
        with contextlib.suppress(StoreError):
            record = RunRecord.read(folder / RECORD_FILE, key=load_seal_key())
            if record.memory_raised_from is not None and record.command == request.command:
                needed.append(record.limits.memory_bytes)
    memory = min(max(needed), request.more_memory)
    return dataclasses.replace(request, limits=dataclasses.replace(request.limits, memory_bytes=memory))


def execute_run(request: RunRequest, runtime: Runtime, runs: Path) -> Run:
    """Run a request, ignoring earlier runs; record the run and its logs whatever its outcome.

    Raises:
        ContainerEngineError: The run could not be started.
        StoreError: The record cannot be written, for example on a full disk; or the run changed the sample or its
            virtual environment, or wrote to the sample and restored it. What was changed is set aside, and the record says
            ``failed``.
        PipelineError: The run succeeded, but its outputs cannot be read; the record says ``failed``.
    """
    identity = request.identity
    inputs = InputCheck(request.sample, request.environment)
    started = dt.datetime.now(dt.UTC)
    name = f"{started:%Y%m%dT%H%M%S}-{identity[:12]}-{os.urandom(2).hex()}"
    unreadable: PipelineError | None = None
    with (
        stage_folder(runs / name, synced=False) as folder,
        _detect_removal(folder),
        _open_database(request) as database,
    ):
        with _prepare_mounts(request, folder) as laid:
            job = _build_job(request, runtime, name, laid, database)
            with BoundedLog(folder / LOG_FILES[0]) as out, BoundedLog(folder / LOG_FILES[1]) as err:
                outcome = runtime.run(job, stdout=out, stderr=err)
            collected: CollectedOutputs | None = None
            if outcome.ending is RunOutcome.SUCCEEDED:
                try:
                    left_out = database.export_outputs(folder / "output") if database is not None else {}
                    collected = collect_job_outputs(
                        job,
                        folder,
                        runtime=runtime,
                        sample=request.sample,
                        paths=request.paths,
                        csv=request.csv,
                        skipped=request.setup.kept_folders if request.setup else (),
                    )
                    collected.not_compared.update(left_out)
                except PipelineError as error:
                    unreadable = error
                    outcome = dataclasses.replace(outcome, ending=RunOutcome.FAILED)
        changed = inputs.find_change()
        if changed is not None:
            outcome = dataclasses.replace(outcome, ending=RunOutcome.FAILED)
        record = _build_record(
            request,
            name,
            outcome,
            collected,
            logs=[record_file(folder, folder / log) for log in LOG_FILES],
            log_truncated=out.is_truncated or err.is_truncated,
        )
        with translate_os_errors(folder):
            (folder / RECORD_FILE).write_text(record.to_json_text(key=load_seal_key()), "utf-8")
        restrict_access(folder)
    acquire_lease(runs / name)
    if changed is not None:
        raise inputs.set_aside(changed, request.code.version.ref)
    if unreadable is not None:
        raise PipelineError(
            append_log_lines(unreadable.message.replace(str(folder), str(runs / name)), runs / name),
            hint=unreadable.hint or f"what it left: {runs / name / 'output'}",
        )
    return Run(version=request.code.version, record=record, folder=runs / name, cached=False)


@contextlib.contextmanager
def _detect_removal(folder: Path) -> Iterator[None]:
    """Replace errors of the block if another command removed the run's folder.

    Raises:
        StoreError: The folder was removed.
    """
    try:
        yield
    except (OSError, SandboxError) as error:
        if (folder / "output").is_dir():
            raise
        raise StoreError(
            f"{folder} was removed while the pipeline ran", hint="another command removed it; run it again"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _JobMounts:
    """The mounts of a job.

    Attributes:
        code: The folder of the code.
        workdir: The project's folder in the code.
        named_mounts: Mounts by the variable with their path.
        scratch: Writable folders of the code.
    """

    code: Mount
    workdir: Mount
    named_mounts: Mapping[str, Mount]
    scratch: tuple[Mount, ...]


@contextlib.contextmanager
def _open_database(request: RunRequest) -> Iterator[PipelineDatabase | None]:
    """Yield the run's own database until the block ends; None if it needs none."""
    if request.databases is None:
        yield None
        return
    with request.databases.open_database(request.sample) as database:
        yield database


@contextlib.contextmanager
def _prepare_mounts(request: RunRequest, folder: Path) -> Iterator[_JobMounts]:
    """Prepare the job's mounts until the block ends: sample, code, output, scratch."""
    code = folder / "code"
    output = folder / "output"
    kit = folder / "kit"
    for path in (code, output, kit):
        path.mkdir()
    try:
        request.code.export(code)
        workdir = build_workdir(request.code, Mount(source=code, target=CODE_MOUNT))
        setup_mounts = write_setup(request.setup, kit, workdir.source) if request.setup else {}
        with prepare_tables(request.sample, request.variation) as tables:
            yield _JobMounts(
                code=Mount(source=code, target=CODE_MOUNT),
                workdir=workdir,
                named_mounts={
                    "SANDBOX_SAMPLE": Mount(source=tables, target="/sandbox/sample"),
                    "SANDBOX_OUTPUT": Mount(source=output, target="/sandbox/output", writable=True),
                    **setup_mounts,
                },
                scratch=tuple(_create_scratch_mounts(workdir, request.scratch)),
            )
    finally:
        for path in (code, kit, folder / VIEWS_PROGRAM_FOLDER):
            shutil.rmtree(path, ignore_errors=True)


def build_workdir(code: CodeCheckout, mount: Mount) -> Mount:
    """Build the mount of the project's folder in an exported version of the code, inside the mount of the code."""
    folder = code.find_project_folder(mount.source)
    return Mount(
        source=folder, target=f"{mount.target}/{folder.relative_to(mount.source).as_posix()}".removesuffix("/.")
    )


def _create_scratch_mounts(workdir: Mount, paths: Sequence[str]) -> Iterator[Mount]:
    code = workdir.source
    for path in paths:
        # A link in the code must not make a folder of this machine writable for it.
        if not (code / path).resolve().is_relative_to(code.resolve()):
            raise ConfigError(
                f"pipeline.scratch: {path} is a link out of the code",
                hint="make it a folder, or leave it out",
            )
        (code / path).mkdir(parents=True, exist_ok=True)
        yield Mount(source=code / path, target=f"{workdir.target}/{path}", writable=True)


def _build_job(
    request: RunRequest, runtime: Runtime, name: str, laid: _JobMounts, database: PipelineDatabase | None
) -> Job:
    seen = {variable: runtime.resolve_mount_path(mount) for variable, mount in laid.named_mounts.items()}
    variables = build_run_variables(seen, request.variables, kit=request.setup, database=database)
    return Job(
        name=f"{request.name}-run-{name}".lower(),
        labels={**request.labels, "role": "run", "run": name, "environment": request.environment.id},
        environment=request.environment,
        command=request.setup.wrap_command(request.command) if request.setup else request.command,
        workdir=laid.workdir,
        mounts=(laid.code, *laid.named_mounts.values(), *laid.scratch),
        variables={**(build_thread_variables(request.variation) if request.variation else {}), **variables},
        limits=request.effective_limits,
        volumes=database.volumes if database else {},
        network=database.network if database else None,
    )


def _build_record(
    request: RunRequest,
    name: str,
    outcome: JobResult,
    collected: CollectedOutputs | None,
    *,
    logs: list[OutputFile],
    log_truncated: bool,
) -> RunRecord:
    return RunRecord(
        id=name,
        identity=request.identity,
        code=request.code.version,
        sample=request.sample.fingerprint,
        environment=request.environment,
        command=request.command,
        limits=request.effective_limits,
        started=dt.datetime.fromtimestamp(outcome.started, dt.UTC).isoformat(timespec="milliseconds"),
        **(vars(collected) if collected else {"outputs": {}}),
        logs=logs,
        log_truncated=log_truncated,
        variation=request.variation,
        memory_raised_from=request.memory_raised_from,
        **{key: value for key, value in vars(outcome).items() if key != "started"},
    )
