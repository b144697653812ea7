"""``sandbox create``: make a sandbox ready, idempotently."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.manifest.sandbox_record import SandboxRecord
from sandbox.project.registry import make_state_folder
from sandbox.project.sample import ensure_sample
from sandbox.project.services import services
from sandbox.project.stack import open_stack
from sandbox.store.folder import lock_path, write_file

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

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox create --json``."""
        return {
            **self.record.to_dict(),
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
    make_state_folder(project.state_folder)
    stack = open_stack(project, frozen=frozen, progress=progress)
    drawn = ensure_sample(project, progress=progress)
    environment = stack.build_project_environment(sample=drawn.sample.fingerprint, progress=progress)
    up = services.start_services(
        project, drawn.sample, name=name, runtime=stack.runtime, frozen=stack.frozen, progress=progress
    )
    record = write_record(project, name, drawn, environment)
    return Sandbox(record=record, sample=drawn, environment=environment, stack=stack, services=up)


def write_record(project: Project, name: str, drawn: SampleResult, environment: Environment) -> SandboxRecord:
    """Record what a sandbox has now, unless that is what its record says already."""
    place = build_record_path(project, name)
    with lock_path(place):
        there = SandboxRecord.read(place) if place.is_file() else None
        record = _build_record(project, name, drawn, environment)
        if there is not None and there == record.model_copy(update={"created": there.created}):
            return there
        write_file(place, record.to_json_text())
    return record


def build_record_path(project: Project, name: str) -> Path:
    """Give where a sandbox's record lies."""
    return project.state_folder / "sandboxes" / f"{name}.json"


def _build_record(project: Project, name: str, drawn: SampleResult, environment: Environment) -> SandboxRecord:
    return SandboxRecord(
        name=name,
        project=project.settings.project.name,
        path=str(project.root),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        sample=drawn.sample.fingerprint,
        environment=environment,
    )
