"""``sandbox create``: make a sandbox ready, idempotently."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.manifest.sandbox_record import SandboxRecord
from sandbox.project.registry import prepare_state
from sandbox.project.sample import sample
from sandbox.project.services import services
from sandbox.project.stack import open_stack
from sandbox.store.folder import locked, write

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Environment, Progress
    from sandbox.project.sample import SampleResult
    from sandbox.project.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A sandbox that is ready: a sample and a stack."""

    record: SandboxRecord
    sample: SampleResult
    environment: Environment
    stack: Stack
    services: list[dict[str, str]] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox create --json``."""
        return {
            **self.record.fields(),
            "drawn": self.sample.drawn,
            "sample_drawn": self.sample.manifest.drawn,
            "sample_path": str(self.sample.sample.path),
            "services": self.services,
            "warnings": [self.stack.warning] if self.stack.warning else [],
        }


def create(project: Project, *, name: str, frozen: bool, progress: Progress) -> Sandbox:
    """Draw the sample if needed, build the environment if needed, and record that both are ready.

    Raises:
        FrozenError: The lock or the sample is not what ``sandbox.lock`` says, and it may not change.
    """
    prepare_state(project.state)
    stack = open_stack(project, frozen=frozen, progress=progress)
    drawn = sample(project, progress=progress)
    environment = stack.environment(sample=drawn.sample.fingerprint, progress=progress)
    up = services.up(
        project, drawn.sample, name=name, runtime=stack.runtime, frozen=stack.frozen, progress=progress
    )
    record = recorded(project, name, drawn, environment)
    return Sandbox(record=record, sample=drawn, environment=environment, stack=stack, services=up)


def recorded(project: Project, name: str, drawn: SampleResult, environment: Environment) -> SandboxRecord:
    """Record what a sandbox has now, unless that is what its record says already."""
    place = record_path(project, name)
    with locked(place):
        there = SandboxRecord.read(place) if place.is_file() else None
        record = _record(project, name, drawn, environment)
        if there is not None and there == record.model_copy(update={"created": there.created}):
            return there
        write(place, record.text())
    return record


def record_path(project: Project, name: str) -> Path:
    """Give where a sandbox's record lies."""
    return project.state / "sandboxes" / f"{name}.json"


def _record(project: Project, name: str, drawn: SampleResult, environment: Environment) -> SandboxRecord:
    return SandboxRecord(
        name=name,
        project=project.settings.project.name,
        path=str(project.root),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        sample=drawn.sample.fingerprint,
        environment=environment,
    )
