"""``sandbox run``: run one version of the code on the sample in the stack."""

from __future__ import annotations

import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.dbt import failures, runs
from sandbox.errors import ConfigError
from sandbox.formatting import format_size
from sandbox.model import WORKING_TREE, RunOutcome
from sandbox.project.code_files import open_code_repository
from sandbox.project.committed_settings import build_version_project
from sandbox.project.create import build_record_path, write_record
from sandbox.project.registry import make_state_folder
from sandbox.project.sample import ensure_sample
from sandbox.project.services import services
from sandbox.project.services.labels import build_labels, build_object_name
from sandbox.project.stack import open_stack
from sandbox.runner.failures import check_success
from sandbox.runner.run import Run, RunRequest, apply_previous_memory, execute_run, find_run
from sandbox.runner.run_setup import build_database_setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Environment, Progress, Sample
    from sandbox.project.stack import Stack
    from sandbox.runner.code.checkout import CodeCheckout
    from sandbox.runner.run_setup import RunSetup

T = TypeVar("T")
MIN_REPORTED_COPY_BYTES = 10**9


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A successful run."""

    run: Run
    warning: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox run --json``: the run record, whether it was reused, and its path."""
        return {**self.run.record.to_dict(), "cached": self.run.cached, "path": str(self.run.folder)}


def run(
    project: Project,
    *,
    ref: str | None,
    name: str,
    fresh: bool,
    frozen: bool,
    progress: Progress,
) -> RunResult:
    """Run a git ref, or the working tree if ``ref`` is None; an equal successful run is reused unless ``fresh``.

    Raises:
        PipelineError, PipelineTimeoutError, PipelineMemoryError: The run failed.
    """
    project = build_version_project(project, ref)
    resolve_command(project)
    make_state_folder(project.state_folder)
    # git takes as long as finding the container engine.
    with enter_in_thread(open_code(project, ref)) as taken:
        stack = open_stack(project, frozen=frozen, progress=progress)
        code = taken()
        result = ensure_sample(project, progress=progress)
        drawn = result.sample
        environment = build_environment(stack, code, drawn, progress)
        if code.version.ref == WORKING_TREE or not build_record_path(project, name).is_file():
            write_record(project, name, result, environment)  # before services start, which belong to it
        request = build_request(stack, code, drawn, environment, name, progress=progress)
        done = run_or_reuse(project, stack, request, fresh=fresh, progress=progress)
    for problem in done.damage_messages:
        progress.print_message(f"warning: {problem}")
    check_success(done)
    if runs.is_dbt_project(project):
        failures.check_nodes(done)
    return RunResult(run=done, warning=stack.warning)


def resolve_command(project: Project) -> str:
    """Return the pipeline's command.

    Raises:
        ConfigError: The settings have none.
    """
    command = runs.DBT_COMMAND if runs.is_dbt_project(project) else project.settings.pipeline.command
    if command is None:
        raise ConfigError(f"{project.file} names no pipeline", hint='[pipeline]\ncommand = "python pipeline.py"')
    return command


@contextlib.contextmanager
def open_code(project: Project, ref: str | None) -> Iterator[CodeCheckout]:
    """Check out one version of the code without the source's folder for the duration of the block."""
    with open_code_repository(project).open_code(ref, include=project.settings.pipeline.include) as code:
        yield code


@contextlib.contextmanager
def enter_in_thread(manager: contextlib.AbstractContextManager[T]) -> Iterator[Callable[[], T]]:
    """Enter a context manager in a thread and yield a function that waits for its value; exit it after the block."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        yield pool.submit(stack.enter_context, manager).result


def build_environment(stack: Stack, code: CodeCheckout, drawn: Sample, progress: Progress) -> Environment:
    """Build the environment of a version; for the working tree also update ``sandbox.lock``."""
    if code.version.ref == WORKING_TREE:
        return stack.build_project_environment(sample=drawn.fingerprint, progress=progress)
    return stack.build_code_environment(code, progress=progress)


def build_request(
    stack: Stack,
    code: CodeCheckout,
    drawn: Sample,
    environment: Environment,
    name: str,
    *,
    progress: Progress,
) -> RunRequest:
    """Build the request for a run."""
    project, settings = stack.project, stack.project.settings
    pipeline = settings.pipeline
    return RunRequest(
        code=code,
        sample=drawn,
        environment=environment,
        command=resolve_command(project),
        variables=pipeline.env,
        scratch=pipeline.scratch,
        paths={name: output.path for name, output in settings.outputs.items() if output.path},
        csv=settings.output_csv,
        limits=stack.limits,
        more_memory=stack.more_memory,
        labels=build_labels(project, name),
        name=build_object_name(project, name),
        setup=build_kit(stack, code, drawn),
        databases=services.build_databases(
            project, drawn, name=name, runtime=stack.runtime, frozen=stack.frozen, progress=progress
        ),
    )


def build_kit(stack: Stack, code: CodeCheckout, drawn: Sample) -> RunSetup | None:
    """Build the setup of the pipeline's runs besides their code, if any."""
    if runs.is_dbt_project(stack.project):
        return runs.build_dbt_kit(stack.project, code, drawn, stack.limits.memory_bytes)
    return build_database_setup() if "duckdb" in stack.project.settings.pipeline.inputs else None


def run_or_reuse(project: Project, stack: Stack, request: RunRequest, *, fresh: bool, progress: Progress) -> Run:
    """Reuse the successful run with the request's identity, or run; once more with more memory if allowed."""
    damaged: list[str] = []
    reused = None if fresh else find_run(project.state_folder / "runs", request, damaged)
    done = reused or _run_with_memory_retry(project.state_folder / "runs", stack, request, progress)
    return dataclasses.replace(done, damage_messages=tuple(damaged))


def _run_with_memory_retry(runs: Path, stack: Stack, request: RunRequest, progress: Progress) -> Run:
    if request.variation is not None:
        _report_copied_bytes(request, progress)
    with progress.step(f"running the pipeline at {request.code.version.ref}"):
        done = execute_run(apply_previous_memory(request, runs), stack.runtime, runs)
    had, more = done.record.limits.memory_bytes, request.more_memory
    if done.record.ending is not RunOutcome.OUT_OF_MEMORY or more is None or had >= more:
        return done
    progress.print_message(
        f'it ran out of {format_size(had)} of memory; it runs once more with {format_size(more)}, because of memory = "auto"'
    )
    with progress.step(f"running the pipeline at {request.code.version.ref} once more"):
        return execute_run(request.copy_with_more_memory(had), stack.runtime, runs)


def _report_copied_bytes(request: RunRequest, progress: Progress) -> None:
    """Print the size of the copy that a noise run reads, if it is large."""
    size = sum(path.stat().st_size for table in request.sample.tables.values() for path in table.paths)
    if size >= MIN_REPORTED_COPY_BYTES:
        progress.print_message(
            f"the noise run reads a copy of the sample: {format_size(size)} in {request.sample.path.parent}, removed afterwards"
        )
