"""Prepare and run the two sides of a comparison: the code, the stack and the runs of each."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.errors import SandboxError
from sandbox.impact.production_ref import check_remote_production
from sandbox.project.pipeline_run import (
    build_environment,
    build_request,
    open_code,
    run_or_reuse,
)
from sandbox.runner.failures import allow_quoted_output, check_success
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Progress, RunVariation
    from sandbox.project.sample import SampleResult
    from sandbox.project.stack import Stack
    from sandbox.runner.code.checkout import CodeCheckout
    from sandbox.runner.run import Run, RunRequest

SideRole = Literal["baseline", "candidate"]


@dataclass(frozen=True, kw_only=True)
class SideContext:
    """The context of a side.

    Attributes:
        project: The project, with the settings of this side.
        stack: This side's stack.
        sample: The sample, the same for both sides.
        name: The name of the sandbox in the project.
        persistent: Whether to update ``sandbox.lock`` from this side's working tree; False for a stack on trial.
        values: Whether messages may quote a run's printed lines, which may hold values of rows.
        requirements: The folder of the stack's requirements file; None reads the file of the version of the code.
    """

    project: Project
    stack: Stack
    sample: SampleResult
    name: str
    persistent: bool = True
    values: bool = True
    requirements: Path | None = None


@dataclass(frozen=True, kw_only=True)
class RunnableSide:
    """One side, ready to run."""

    role: SideRole
    context: SideContext
    request: RunRequest

    def run(self, *, fresh: bool, progress: Progress, variation: RunVariation | None = None) -> Run:
        """Return its succeeded run of the same identity; if there is none or ``fresh`` is set, run it.

        Raises:
            SandboxError: It could not be run, or failed; the message names the side.
        """
        request = dataclasses.replace(self.request, variation=variation)
        with add_side_to_errors(self.role), allow_quoted_output(self.context.values):
            done = run_or_reuse(self.context.project, self.context.stack, request, fresh=fresh, progress=progress)
            check_success(done)
        return done


@contextlib.contextmanager
def open_side(role: SideRole, ground: SideContext, ref: str | None, *, progress: Progress) -> Iterator[RunnableSide]:
    """Yield one side with its environment until the block ends; None for ``ref`` is the working tree.

    Raises:
        SandboxError: The version does not exist, or its environment cannot be built; the message names the side.
    """
    with contextlib.ExitStack() as stack:
        with add_side_to_errors(role):
            code = stack.enter_context(open_code(ground.project, ref))
            request = _build_side_request(ground, code, progress)
        yield RunnableSide(role=role, context=ground, request=request)


def _build_side_request(ground: SideContext, code: CodeCheckout, progress: Progress) -> RunRequest:
    sample = ground.sample.sample
    if ground.requirements is not None:
        environment = ground.stack.build_folder_environment(ground.requirements, progress=progress)
    elif ground.persistent:
        environment = build_environment(ground.stack, code, sample, progress)
    else:
        environment = ground.stack.build_code_environment(code, progress=progress)
    return build_request(ground.stack, code, sample, environment, ground.name, progress=progress)


@contextlib.contextmanager
def add_side_to_errors(role: SideRole) -> Iterator[None]:
    """Add the side's name to errors of the block."""
    try:
        yield
    except SandboxError as error:
        raise type(error)(f"the {role}: {error.message}", hint=error.hint) from error


def check_production_of_sides(project: Project, baseline: RunnableSide, candidate: RunnableSide) -> None:
    """Check that production of two sides of the same code is the remote's, too.

    Raises:
        ConfigError: They are.
    """
    commit = baseline.request.code.version.commit
    if baseline.request.identity == candidate.request.identity and commit is not None:
        check_remote_production(project, commit)


def find_version_warnings(project: Project, baseline: RunnableSide, candidate: RunnableSide) -> list[str]:
    """Return a warning if both sides are one code, and one if the candidate lacks the baseline's commit.

    The first shows no change, the second production's own changes too.
    """
    warnings = _find_ancestry_warnings(project, baseline, candidate)
    if baseline.request.identity == candidate.request.identity:
        version = baseline.request.code.version
        warnings.append(
            f"both sides run the same code, that of {version.ref} ({(version.commit or version.tree)[:10]}), "
            "so no change can show; to compare with another version: --baseline REF"
        )
    return warnings


def _find_ancestry_warnings(project: Project, baseline: RunnableSide, candidate: RunnableSide) -> list[str]:
    code = Repository(project.root)
    version = baseline.request.code.version
    ours, theirs = version.commit, candidate.request.code.version.commit
    if ours is None or theirs is None or code.is_ancestor(ours, theirs):
        return []
    if code.is_shallow:
        return [
            (
                f"this clone is shallow, so whether the candidate contains {version.ref} ({ours[:12]}) cannot be told; "
                "if it does not, others' changes show as well; to know: git fetch --unshallow"
            )
        ]
    base = code.find_merge_base(ours, theirs)
    instead = f"; to compare with where they parted: --baseline {base[:12]}" if base else ""
    return [
        (
            f"the candidate does not contain {version.ref} ({ours[:12]}), "
            f"so {version.ref}'s own changes show as well{instead}"
        )
    ]
