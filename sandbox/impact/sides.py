"""The two sides of a comparison: which code each is, in which stack, and their runs."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.errors import SandboxError
from sandbox.project.pipeline_run import code_of, environment_of, repository, request_for, run_once
from sandbox.runner.failures import quoting, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Progress, Variation
    from sandbox.project.sample import SampleResult
    from sandbox.project.stack import Stack
    from sandbox.runner.repository import Code
    from sandbox.runner.run import Request, Run

Role = Literal["baseline", "candidate"]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a side stands on.

    Attributes:
        project: The project, with the settings of this side.
        stack: This side's stack.
        sample: The sample, the same for both sides.
        name: Which of the project's sandboxes.
        lasting: Whether ``sandbox.lock`` follows this side's working tree; False for a stack that is only tried.
        values: Whether messages may quote what a run printed, which may hold values of rows.
        requirements: Where the stack's requirements file is read; None takes that of the version of the code.
    """

    project: Project
    stack: Stack
    sample: SampleResult
    name: str
    lasting: bool = True
    values: bool = True
    requirements: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side, ready to be run."""

    role: Role
    ground: Ground
    request: Request

    def run(self, *, fresh: bool, progress: Progress, variation: Variation | None = None) -> Run:
        """Give its run: a succeeded one of the same, or, if there is none or ``fresh`` asks for it, a new one.

        Raises:
            SandboxError: It could not be run, or did not succeed; the message says which side it was.
        """
        request = dataclasses.replace(self.request, variation=variation)
        with named(self.role), quoting(self.ground.values):
            done = run_once(self.ground.project, self.ground.stack, request, fresh=fresh, progress=progress)
            require_success(done)
        return done


@contextlib.contextmanager
def side(role: Role, ground: Ground, ref: str | None, *, progress: Progress) -> Iterator[Side]:
    """Give one side with its environment made, for as long as the block lasts; None for ``ref`` is the working tree.

    Raises:
        SandboxError: There is no such version, or its environment cannot be made; the message says which side it was.
    """
    with contextlib.ExitStack() as stack:
        with named(role):
            code = stack.enter_context(code_of(ground.project, ref))
            request = _request(ground, code, progress)
        yield Side(role=role, ground=ground, request=request)


def _request(ground: Ground, code: Code, progress: Progress) -> Request:
    sample = ground.sample.sample
    if ground.requirements is not None:
        environment = ground.stack.environment_at(ground.requirements, progress=progress)
    elif ground.lasting:
        environment = environment_of(ground.stack, code, sample, progress)
    else:
        environment = ground.stack.environment_of(code, progress=progress)
    return request_for(ground.stack, code, sample, environment, ground.name, progress=progress)


@contextlib.contextmanager
def named(role: Role) -> Iterator[None]:
    """Let an error say which side it was about."""
    try:
        yield
    except SandboxError as error:
        raise type(error)(f"the {role}: {error.message}", hint=error.hint) from error


def unrelated(project: Project, baseline: Side, candidate: Side) -> list[str]:
    """Warn where the candidate does not contain the baseline's commit: then production's own changes show as well."""
    code = repository(project)
    version = baseline.request.code.version
    ours, theirs = version.commit, candidate.request.code.version.commit
    if ours is None or theirs is None or code.contains(ours, theirs):
        return []
    if code.shallow:
        return [
            (
                f"this clone is shallow, so whether the candidate contains {version.ref} ({ours[:12]}) cannot be told; "
                "if it does not, others' changes show as well; to know: git fetch --unshallow"
            )
        ]
    base = code.merge_base(ours, theirs)
    instead = f"; to compare with where they parted: --baseline {base[:12]}" if base else ""
    return [
        (
            f"the candidate does not contain {version.ref} ({ours[:12]}), "
            f"so {version.ref}'s own changes show as well{instead}"
        )
    ]
