"""``sandbox create``: prepare a sandbox, idempotently."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.manifest.sandbox_record import SandboxRecord
from sandbox.project.registry import make_state_folder
from sandbox.project.sample import ensure_sample
from sandbox.project.sample_checks import read_last_check
from sandbox.project.services import services
from sandbox.project.stack import open_stack
from sandbox.store.folder import lock_path, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.production.drift import DriftCheck
    from sandbox.model import Environment, Progress
    from sandbox.project.sample import SampleResult
    from sandbox.project.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A prepared sandbox with sample and stack."""

    record: SandboxRecord
    sample: SampleResult
    check: DriftCheck | None
    environment: Environment
    stack: Stack
    services: list[dict[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox create --json``."""
        return {
            **self.record.to_dict(),
            "drawn": self.sample.drawn,
            "sample_drawn": self.sample.manifest.drawn,
            "sample_check": self.check.verdict if self.check else None,
            "sample_path": str(self.sample.sample.path),
            "services": self.services,
            "warnings": [self.stack.warning] if self.stack.warning else [],
        }


def create(project: Project, *, name: str, frozen: bool, progress: Progress) -> Sandbox:
    """Draw the sample and build the environment if needed, and record both.

    Raises:
        FrozenMismatchError: The lock or the sample differs from ``sandbox.lock`` and may not change.
    """
    make_state_folder(project.state_folder)
    stack = open_stack(project, frozen=frozen, progress=progress)
    drawn = ensure_sample(project, progress=progress)
    environment = stack.build_project_environment(sample=drawn.sample.fingerprint, progress=progress)
    up = services.start_services(
        project, drawn.sample, name=name, runtime=stack.runtime, frozen=stack.frozen, progress=progress
    )
    record = write_record(project, name, drawn, environment)
    check = read_last_check(project, drawn.sample.fingerprint)
    return Sandbox(record=record, sample=drawn, check=check, environment=environment, stack=stack, services=up)


def write_record(project: Project, name: str, drawn: SampleResult, environment: Environment) -> SandboxRecord:
    """Write a sandbox's record unless it is up to date."""
    path = build_record_path(project, name)
    with lock_path(path):
        previous = SandboxRecord.read(path) if path.is_file() else None
        record = _build_record(project, name, drawn, environment)
        if previous is not None and previous == record.model_copy(update={"created": previous.created}):
            return previous
        write_file(path, record.to_json_text())
    return record


def build_record_path(project: Project, name: str) -> Path:
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
