"""``sandbox run``: run one version of the code on the sample in the stack."""

from __future__ import annotations

import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.dbt import runs
from sandbox.errors import ConfigError
from sandbox.formatting import size
from sandbox.model import WORKING_TREE, Ending
from sandbox.project.create import record_path, recorded
from sandbox.project.registry import prepare_state
from sandbox.project.sample import sample
from sandbox.project.services import services
from sandbox.project.services.labels import labels, object_name
from sandbox.project.stack import open_stack
from sandbox.runner.failures import require_success
from sandbox.runner.repository import Repository
from sandbox.runner.run import Request, Run, carry_out, find, remembering
from sandbox.runner.run_setup import database
from sandbox.store.paths import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Environment, Progress, Sample
    from sandbox.project.stack import Stack
    from sandbox.runner.repository import Code
    from sandbox.runner.run_setup import Kit

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A run that succeeded."""

    run: Run
    warning: str | None

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox run --json``: the run record, whether it was reused, and where it lies."""
        return {**self.run.record.fields(), "cached": self.run.cached, "path": str(self.run.folder)}


def run(
    project: Project,
    *,
    ref: str | None,
    name: str,
    fresh: bool,
    frozen: bool,
    progress: Progress,
) -> RunResult:
    """Run a git ref, or the working tree if ``ref`` is None; a succeeded run of the same is reused unless ``fresh``.

    Raises:
        PipelineError, PipelineTimeoutError, PipelineMemoryError: How it ended, if not well.
    """
    require_command(project)
    prepare_state(project.state)
    # git takes as long as finding the engine does.
    with meanwhile(code_of(project, ref)) as taken:
        stack = open_stack(project, frozen=frozen, progress=progress)
        code = taken()
        found = sample(project, progress=progress)
        drawn = found.sample
        environment = environment_of(stack, code, drawn, progress)
        if code.version.ref == WORKING_TREE or not record_path(project, name).is_file():
            recorded(project, name, found, environment)  # before services come up, which belong to it
        request = request_for(stack, code, drawn, environment, name, progress=progress)
        done = run_once(project, stack, request, fresh=fresh, progress=progress)
    for problem in done.damaged:
        progress.say(f"warning: {problem}")
    require_success(done)
    return RunResult(run=done, warning=stack.warning)


def require_command(project: Project) -> str:
    """Give the pipeline's command.

    Raises:
        ConfigError: The settings name none.
    """
    command = runs.COMMAND if runs.is_dbt(project) else project.settings.pipeline.command
    if command is None:
        raise ConfigError(
            f"{project.file} names no pipeline", hint='[pipeline]\ncommand = "python pipeline.py"'
        )
    return command


@contextlib.contextmanager
def code_of(project: Project, ref: str | None) -> Iterator[Code]:
    """Give one version of the code for as long as the block lasts; the source's folder is not part of it."""
    with repository(project).code(ref, include=project.settings.pipeline.include) as code:
        yield code


@contextlib.contextmanager
def meanwhile(manager: contextlib.AbstractContextManager[T]) -> Iterator[Callable[[], T]]:
    """Enter a context manager in a thread of its own, and give what waits for that; it is left at the end of the block."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        yield pool.submit(stack.enter_context, manager).result


def repository(project: Project) -> Repository:
    """Give the git repository around a project; the source and what we keep ourselves are no code, wherever they lie."""
    root = project.root
    store = project.settings.source.store
    seeds = [path for path, _ in runs.seed_files(project).values()] if runs.is_dbt(project) else []
    named = [*(seeds or [project.settings.source.uri]), *([store] if store and "://" not in store else [])]
    places = [*((root / place).resolve() for place in named), home().resolve()]
    inside = [place for place in places if place.is_relative_to(root) and place != root]
    own = {*(place.relative_to(root).as_posix() for place in inside), project.file.name}
    return Repository(root, left_out=sorted(own))


def environment_of(stack: Stack, code: Code, drawn: Sample, progress: Progress) -> Environment:
    """Make the environment of a version; the working tree's also brings ``sandbox.lock`` up to date."""
    if code.version.ref == WORKING_TREE:
        return stack.environment(sample=drawn.fingerprint, progress=progress)
    return stack.environment_of(code, progress=progress)


def request_for(
    stack: Stack, code: Code, drawn: Sample, environment: Environment, name: str, *, progress: Progress
) -> Request:
    """Put together what is to be run."""
    project, settings = stack.project, stack.project.settings
    pipeline = settings.pipeline
    return Request(
        code=code,
        sample=drawn,
        environment=environment,
        command=require_command(project),
        variables=pipeline.env,
        scratch=pipeline.scratch,
        paths={name: output.path for name, output in settings.outputs.items() if output.path},
        limits=stack.limits,
        more_memory=stack.more_memory,
        labels=labels(project, name),
        name=object_name(project, name),
        kit=kit_of(stack),
        databases=services.databases(
            project, drawn, name=name, runtime=stack.runtime, frozen=stack.frozen, progress=progress
        ),
    )


def kit_of(stack: Stack) -> Kit | None:
    """Give what the pipeline's runs are given beside their code."""
    if runs.is_dbt(stack.project):
        return runs.kit(stack.project, stack.limits.memory_bytes)
    return database() if "duckdb" in stack.project.settings.pipeline.inputs else None


def run_once(project: Project, stack: Stack, request: Request, *, fresh: bool, progress: Progress) -> Run:
    """Reuse the succeeded run with the request's identity, or carry it out; once more with more memory where that may be."""
    damaged: list[str] = []
    found = None if fresh else find(project.state / "runs", request, damaged)
    done = found or _carried_out(project.state / "runs", stack, request, progress)
    return dataclasses.replace(done, damaged=tuple(damaged))


def _carried_out(runs: Path, stack: Stack, request: Request, progress: Progress) -> Run:
    with progress.step(f"running the pipeline at {request.code.version.ref}"):
        done = carry_out(remembering(request, runs), stack.runtime, runs)
    had, more = done.record.limits.memory_bytes, request.more_memory
    if done.record.ending is not Ending.OUT_OF_MEMORY or more is None or had >= more:
        return done
    progress.say(
        f'it ran out of {size(had)} of memory; it runs once more with {size(more)}, because of memory = "auto"'
    )
    with progress.step(f"running the pipeline at {request.code.version.ref} once more"):
        return carry_out(request.with_more(had), stack.runtime, runs)
