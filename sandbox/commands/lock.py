"""``sandbox lock``: resolve the stack's pins into ``sandbox.lock``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.commands.projects import prepare_state
from sandbox.commands.stack import LOCK, open_stack
from sandbox.sampler import kept
from sandbox.store.places import home

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.lock import Lock
    from sandbox.model import Progress


@dataclass(frozen=True, kw_only=True)
class LockResult:
    """The lock, and whether it changed."""

    lock: Lock
    path: Path
    changed: bool

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox lock --json``."""
        return {**self.lock.fields(), "path": str(self.path), "changed": self.changed}


def lock(project: Project, *, upgrade: bool, progress: Progress) -> LockResult:
    """Resolve what is not resolved yet, everything anew with ``upgrade``; a drawn sample's fingerprint goes in as well."""
    prepare_state(project.state)
    stack = open_stack(project, frozen=False, progress=progress)
    drawn = kept.drawn(project, home())
    made, changed = stack.lock(
        sample=drawn.fingerprint if drawn else None, upgrade=upgrade, progress=progress
    )
    return LockResult(lock=made, path=project.root / LOCK, changed=changed)
