"""``sandbox shell`` and ``exec``: run a terminal or a command in the stack, on the sample, isolated like a run."""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING

from sandbox.containers.protocol import Job, Mount
from sandbox.errors import ContainerEngineError, PipelineError, PipelineMemoryError, PipelineTimeoutError
from sandbox.formatting import format_count, format_size
from sandbox.model import RunOutcome
from sandbox.project.create import create
from sandbox.project.pipeline_run import build_kit, open_code
from sandbox.project.services import services
from sandbox.project.services.labels import build_labels, build_object_name
from sandbox.runner.environment_variables import build_run_variables
from sandbox.runner.run import CODE_MOUNT, build_workdir
from sandbox.runner.run_setup import write_setup
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sandbox.config import Project
    from sandbox.containers.protocol import Runtime
    from sandbox.model import JobResult, Progress

SHELL_COMMAND = 'exec "$(command -v bash || command -v sh)"'


def shell(project: Project, *, name: str, frozen: bool, progress: Progress) -> int:
    """Open a shell with a copy of the working tree; ``$SANDBOX_OUTPUT`` is discarded afterwards.

    Returns:
        The shell's exit status.
    """
    terminal = {"TERM": os.environ.get("TERM", "dumb"), "PS1": f"(sandbox {name}) \\w \\$ "}
    opened = _prepare_job(project, SHELL_COMMAND, terminal, role="shell", name=name, frozen=frozen, progress=progress)
    with opened as (runtime, job):
        return runtime.run_shell(job)


def execute(
    project: Project,
    command: Sequence[str],
    *,
    name: str,
    frozen: bool,
    stdout: Callable[[bytes], object],
    stderr: Callable[[bytes], object],
    progress: Progress,
) -> int:
    """Run one command as in `shell`, streaming its output.

    Args:
        project: The project.
        command: The program and its arguments.
        name: The sandbox.
        frozen: See `create`.
        stdout: Takes its output.
        stderr: Likewise.
        progress: Shows the preparation.

    Returns:
        The command's own exit status; 128 plus the signal's number if a signal ended it.

    Raises:
        PipelineTimeoutError: It took longer than the stack's limit.
        PipelineMemoryError: It needed more memory than the stack's limit.
        PipelineError: It wrote more files than the stack's limit.
        ContainerEngineError: It could not be started, or the container engine went away.
    """
    line = shlex.join(command)
    opened = _prepare_job(project, line, {}, role="exec", name=name, frozen=frozen, progress=progress)
    with opened as (runtime, job):
        outcome = runtime.run(job, stdout=stdout, stderr=stderr)
    return _resolve_exit_status(outcome, line, job)


def _resolve_exit_status(outcome: JobResult, line: str, job: Job) -> int:
    match outcome.ending:
        case RunOutcome.TIMED_OUT:
            seconds = job.limits.timeout_seconds
            raise PipelineTimeoutError(f"{line} did not end within {seconds:g} s", hint="raise [stack.limits] timeout")
        case RunOutcome.OUT_OF_MEMORY:
            raise PipelineMemoryError(
                f"{line} needed more memory than {format_count(job.limits.memory_bytes, 'byte')}",
                hint="raise [stack.limits] memory",
            )
        case RunOutcome.OUTPUT_FULL:
            raise PipelineError(
                f"{line} wrote {format_size(outcome.output_bytes)} of files, and it may write "
                f"{format_size(job.limits.output_bytes)}",
                hint="raise [stack.limits] output, or write less",
            )
        case RunOutcome.LOST:
            raise ContainerEngineError(
                f"{line} was lost: its container was removed, or the container engine went away, while it ran",
                hint="sandbox doctor",
            )
        case _:
            return outcome.status if outcome.status is not None else 128 + (outcome.signal or 0)


@contextlib.contextmanager
def _prepare_job(
    project: Project, command: str, variables: Mapping[str, str], *, role: str, name: str, frozen: bool,
    progress: Progress,
) -> Iterator[tuple[Runtime, Job]]:  # fmt: skip
    """Yield a job on the sample with a copy of the working tree, for the duration of the block."""
    ready = create(project, name=name, frozen=frozen, progress=progress)
    runtime = ready.stack.runtime
    drawn = ready.sample.sample
    databases = services.build_databases(
        project, drawn, name=name, runtime=runtime, frozen=ready.stack.frozen, progress=progress
    )
    with contextlib.ExitStack() as stack:
        staging = stack.enter_context(make_staging_folder(project.state_folder / "inside", label=role))
        code = stack.enter_context(open_code(project, None))
        kit = build_kit(ready.stack, code, drawn)
        database = stack.enter_context(databases.open_database(drawn)) if databases else None
        folders = {part: staging / part for part in ("code", "output", "kit")}
        for folder in folders.values():
            folder.mkdir()
        code.export(folders["code"])
        exported = Mount(source=folders["code"], target=CODE_MOUNT, writable=True)
        workdir = build_workdir(code, exported)
        shown = {
            "SANDBOX_SAMPLE": Mount(source=drawn.path / "tables", target="/sandbox/sample"),
            "SANDBOX_OUTPUT": Mount(source=folders["output"], target="/sandbox/output", writable=True),
            **(write_setup(kit, folders["kit"], workdir.source) if kit else {}),
        }
        seen = {variable: runtime.resolve_mount_path(mount) for variable, mount in shown.items()}
        yield (
            runtime,
            Job(
                name=f"{build_object_name(project, name)}-{role}-{os.getpid()}",
                labels={**build_labels(project, name), "role": role},
                environment=ready.environment,
                command=kit.wrap_command(command) if kit else command,
                workdir=workdir,
                mounts=(*shown.values(), exported),
                variables={
                    **build_run_variables(seen, project.settings.pipeline.env, kit=kit, database=database),
                    **variables,
                },
                limits=ready.stack.limits,
                volumes=database.volumes if database else {},
                network=database.network if database else None,
            ),
        )
