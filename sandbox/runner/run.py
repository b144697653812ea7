"""Run one version of the code on one sample in one stack, once, and keep the record."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from sandbox.containers.protocol import Job, Mount
from sandbox.errors import (
    ConfigError,
    PipelineError,
    SandboxError,
    StoreError,
)
from sandbox.manifest.canonical_json import digest
from sandbox.manifest.run import Output, OutputFile, RunRecord
from sandbox.model import Ending
from sandbox.runner.environment_variables import given
from sandbox.runner.failures import with_log
from sandbox.runner.logs import Log
from sandbox.runner.output_records import damage, recorded
from sandbox.runner.run_setup import laid_out
from sandbox.runner.variation import limits_of, offered, variables_of
from sandbox.store.folder import reported, staged
from sandbox.store.leases import use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.containers.protocol import Runtime
    from sandbox.engine.duckdb.session import Session
    from sandbox.model import Environment, Limits, Outcome, Sample, Variation, Version
    from sandbox.runner.pipeline_database import Databases, OwnDatabase
    from sandbox.runner.repository import Code
    from sandbox.runner.run_setup import Kit

RECORD = "run.json"
LOGS = ("stdout.log", "stderr.log")
BEGUN_SECONDS = 0.05  # after which a job has been asked for, about


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run.

    Attributes:
        code: Which version.
        sample: On what.
        environment: In which stack.
        command: The shell command of the pipeline.
        variables: The settings' ``env``, with ``{sample}`` and ``{output}`` still in it.
        scratch: Folders of the code that it may write to.
        paths: Outputs whose file or folder the settings name.
        limits: What it may use at first.
        more_memory: Bytes of memory that it gets, once, when it ran out of them; None where the amount is fixed.
        raised_from: The amount that it ran out of, where this is that second time.
        labels: What the runtime's objects carry: ``project``, ``path``, ``sandbox``.
        name: The beginning of the names of the runtime's objects.
        variation: What to do differently, to look for noise; None for every other run.
        kit: What it is given beside its code, if anything.
        databases: What gives it a database of its own; None where it needs none.
    """

    code: Code
    sample: Sample
    environment: Environment
    command: str
    variables: Mapping[str, str]
    scratch: Sequence[str]
    paths: Mapping[str, str]
    limits: Limits
    labels: Mapping[str, str]
    name: str
    variation: Variation | None = None
    kit: Kit | None = None
    more_memory: int | None = None
    raised_from: int | None = None
    databases: Databases | None = None

    def with_more(self, had: int) -> Request:
        """Give the same for the second time, after it ran out of so many bytes of memory."""
        assert self.more_memory is not None
        limits = dataclasses.replace(self.limits, memory_bytes=self.more_memory)
        return dataclasses.replace(self, limits=limits, raised_from=had)

    @property
    def identity(self) -> str:
        """Equal for runs that must give the same outputs: SHA-256 of all that can change them."""
        return digest(
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
                **({"variation": dataclasses.asdict(self.variation)} if self.variation else {}),
                **({"kit": self.kit.identity} if self.kit else {}),
                **({"databases": dict(self.databases.identity)} if self.databases else {}),
            }
        )

    @property
    def allowed(self) -> Limits:
        """What the run may use, with its variation."""
        return limits_of(self.variation, self.limits) if self.variation else self.limits


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that has ended.

    Attributes:
        version: What was asked for. A reused run may have been made for another ref with the same code.
        record: Its record.
        folder: Where it lies.
        cached: True where an earlier run was reused.
        damaged: What is wrong with other runs of the same, which would have been reused.
    """

    version: Version
    record: RunRecord
    folder: Path
    cached: bool
    damaged: tuple[str, ...] = ()

    @property
    def output(self) -> Path:
        """The folder with what it made."""
        return self.folder / "output"


def find(runs: Path, request: Request, damaged: list[str]) -> Run | None:
    """Give the latest succeeded run of the same that is still as it was recorded; what is wrong with later ones is added."""
    known: list[tuple[str, str, Path, RunRecord | StoreError]] = []
    for folder in runs.glob(f"*-{request.identity[:12]}*"):
        second = folder.name[:15]
        try:
            record = RunRecord.read(folder / RECORD)
        except StoreError as error:
            known.append((second, "", folder, error))
        else:
            if record.identity == request.identity and record.ending == Ending.SUCCEEDED and use(folder):
                known.append((second, record.started, folder, record))
    for *_, folder, found in sorted(known, key=lambda one: one[:3], reverse=True):
        problem = (
            found.message
            if isinstance(found, StoreError)
            else damage(folder / "output", found.outputs, found.logs)
        )
        if problem is None and isinstance(found, RunRecord):
            return Run(version=request.code.version, record=found, folder=folder, cached=True)
        damaged.append(f"{problem}; that run is not used again")
    return None


def remembering(request: Request, runs: Path) -> Request:
    """Give a request with the memory that an earlier run of the command needed, so that none runs out of less again."""
    if request.more_memory is None:
        return request
    needed = [request.limits.memory_bytes]
    for folder in runs.glob("[0-9]*"):
        with contextlib.suppress(StoreError):
            record = RunRecord.read(folder / RECORD)
            if record.memory_raised_from is not None and record.command == request.command:
                needed.append(record.limits.memory_bytes)
    memory = min(max(needed), request.more_memory)
    return dataclasses.replace(request, limits=dataclasses.replace(request.limits, memory_bytes=memory))


def carry_out(request: Request, runtime: Runtime, runs: Path) -> Run:
    """Run it, whatever was run before, and keep the record and the logs however it ends.

    Raises:
        EngineError: It could not be started.
        StoreError: The record cannot be written, for example on a full disk.
        PipelineError: It succeeded, but what it left cannot be read; the record says ``failed``.
    """
    identity = request.identity
    started = dt.datetime.now(dt.UTC)
    name = f"{started:%Y%m%dT%H%M%S}-{identity[:12]}-{os.urandom(2).hex()}"
    unreadable: PipelineError | None = None
    with (
        staged(runs / name, synced=False) as folder,
        _database(request) as database,
        _reader() as reader,
    ):
        with _prepared(request, folder) as laid:
            job = _job(request, runtime, name, laid, database)
            with Log(folder / LOGS[0]) as out, Log(folder / LOGS[1]) as err:
                outcome = runtime.run(job, stdout=out, stderr=err)
        outputs: dict[str, Output] = {}
        if outcome.ending is Ending.SUCCEEDED:
            from sandbox.runner.outputs import collect  # noqa: PLC0415 - see `_reader`

            try:
                if database is not None:
                    database.read_out(folder / "output")
                outputs = collect(folder / "output", paths=request.paths, session=reader())
            except PipelineError as error:
                unreadable = error
                outcome = dataclasses.replace(outcome, ending=Ending.FAILED)
        record = _record(
            request,
            name,
            outcome,
            outputs,
            logs=[recorded(folder, folder / log) for log in LOGS],
            log_truncated=out.truncated or err.truncated,
        )
        with reported(folder):
            (folder / RECORD).write_text(record.text(), "utf-8")
    use(runs / name)
    if unreadable is not None:
        raise PipelineError(
            with_log(unreadable.message.replace(str(folder), str(runs / name)), runs / name),
            hint=unreadable.hint or f"what it left: {runs / name / 'output'}",
        )
    return Run(version=request.code.version, record=record, folder=runs / name, cached=False)


@dataclass(frozen=True, kw_only=True)
class _Laid:
    """What a job sees of this machine; ``shown`` are the mounts that a variable names, ``scratch`` folders of the code."""

    code: Mount
    shown: Mapping[str, Mount]
    scratch: tuple[Mount, ...]


@contextlib.contextmanager
def _database(request: Request) -> Iterator[OwnDatabase | None]:
    """Give the run a database of its own for as long as the block lasts, where it is to have one."""
    if request.databases is None:
        yield None
        return
    with request.databases.opened(request.sample) as database:
        yield database


@contextlib.contextmanager
def _reader() -> Iterator[Callable[[], Session]]:
    """Open what reads outputs, in a thread: that takes a while, which the job needs in any case; gives what waits for it."""
    going = threading.Event()

    def opened() -> Session:
        going.wait(BEGUN_SECONDS)  # first this process has work to do until the job begins
        session: Session = import_module("sandbox.runner.outputs").opened()
        return session

    with ThreadPoolExecutor(1) as pool:
        session = pool.submit(opened)
        try:
            yield session.result
        finally:
            going.set()
            with contextlib.suppress(SandboxError):
                session.result().close()


@contextlib.contextmanager
def _prepared(request: Request, folder: Path) -> Iterator[_Laid]:
    """Lay out what the job sees, for as long as the block lasts: sample, code, output, scratch."""
    code = folder / "code"
    output = folder / "output"
    kit = folder / "kit"
    for place in (code, output, kit):
        place.mkdir()
    try:
        request.code.export(code)
        own = laid_out(request.kit, kit, code) if request.kit else {}
        with offered(request.sample, request.variation) as tables:
            yield _Laid(
                code=Mount(source=code, target="/sandbox/code"),
                shown={
                    "SANDBOX_SAMPLE": Mount(source=tables, target="/sandbox/sample"),
                    "SANDBOX_OUTPUT": Mount(source=output, target="/sandbox/output", writable=True),
                    **own,
                },
                scratch=tuple(_scratch(code, request.scratch)),
            )
    finally:
        for place in (code, kit):
            shutil.rmtree(place, ignore_errors=True)


def _scratch(code: Path, paths: Sequence[str]) -> Iterator[Mount]:
    for path in paths:
        # A link in the code must not make a folder of this machine writable for it.
        if not (code / path).resolve().is_relative_to(code.resolve()):
            raise ConfigError(
                f"pipeline.scratch: {path} is a link out of the code",
                hint="make it a folder, or leave it out",
            )
        (code / path).mkdir(parents=True, exist_ok=True)
        yield Mount(source=code / path, target=f"/sandbox/code/{path}", writable=True)


def _job(request: Request, runtime: Runtime, name: str, laid: _Laid, database: OwnDatabase | None) -> Job:
    seen = {variable: runtime.seen(mount) for variable, mount in laid.shown.items()}
    variables = given(seen, request.variables, kit=request.kit, database=database)
    return Job(
        name=f"{request.name}-run-{name}".lower(),
        labels={**request.labels, "role": "run", "run": name, "environment": request.environment.id},
        environment=request.environment,
        command=request.kit.command(request.command) if request.kit else request.command,
        workdir=laid.code,
        mounts=(laid.code, *laid.shown.values(), *laid.scratch),
        variables={**(variables_of(request.variation) if request.variation else {}), **variables},
        limits=request.allowed,
        volumes=database.volumes if database else {},
        network=database.network if database else None,
    )


def _record(
    request: Request,
    name: str,
    outcome: Outcome,
    outputs: dict[str, Output],
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
        limits=request.allowed,
        started=dt.datetime.fromtimestamp(outcome.started, dt.UTC).isoformat(timespec="milliseconds"),
        outputs=outputs,
        logs=logs,
        log_truncated=log_truncated,
        variation=request.variation,
        memory_raised_from=request.raised_from,
        **{key: value for key, value in vars(outcome).items() if key != "started"},
    )
