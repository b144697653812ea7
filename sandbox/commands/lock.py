"""``sandbox lock``: resolve the stack's pins into ``sandbox.lock``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.project.registry import prepare_state
from sandbox.project.stack import LOCK, open_stack
from sandbox.provisioner.lock.lock_diff import moved
from sandbox.samples import catalog
from sandbox.store.paths import home

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.lock import Lock
    from sandbox.model import Progress
    from sandbox.provisioner.lock.lock_diff import Moved


@dataclass(frozen=True, kw_only=True)
class LockResult:
    """The lock, whether it changed, and what of it: against the one that was there before, if any."""

    lock: Lock
    path: Path
    changed: bool
    moved: Sequence[Moved]

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox lock --json``."""
        moved = [one.fields() for one in self.moved]
        return {**self.lock.fields(), "path": str(self.path), "changed": self.changed, "moved": moved}


def lock(project: Project, *, upgrade: bool, progress: Progress) -> LockResult:
    """Resolve what is not resolved yet, everything anew with ``upgrade``; a drawn sample's fingerprint goes in as well."""
    prepare_state(project.state)
    stack = open_stack(project, frozen=False, progress=progress)
    drawn = catalog.drawn(project, home())
    made, before = stack.lock(sample=drawn.fingerprint if drawn else None, upgrade=upgrade, progress=progress)
    return LockResult(
        lock=made,
        path=project.root / LOCK,
        changed=made != before,
        moved=moved(before, made) if before else [],
    )
