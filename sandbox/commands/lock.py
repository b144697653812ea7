"""``sandbox lock``: resolve the stack's pins into ``sandbox.lock``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.project.lock_file import LOCK_FILE
from sandbox.project.registry import make_state_folder
from sandbox.project.stack import open_stack
from sandbox.provisioner.lock.lock_diff import compare_locks
from sandbox.samples import catalog
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Progress
    from sandbox.provisioner.lock.lock_diff import LockChange


@dataclass(frozen=True, kw_only=True)
class LockResult:
    """The lock, and its changes from the previous one, if any."""

    lock: LockDocument
    path: Path
    changed: bool
    lock_changes: Sequence[LockChange]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox lock --json``."""
        moved = [change.fields() for change in self.lock_changes]
        return {**self.lock.to_dict(), "path": str(self.path), "changed": self.changed, "moved": moved}


def lock(project: Project, *, upgrade: bool, progress: Progress) -> LockResult:
    """Resolve unresolved pins, with ``upgrade`` all of them, and record a drawn sample's fingerprint."""
    make_state_folder(project.state_folder)
    stack = open_stack(project, frozen=False, progress=progress)
    drawn = catalog.find_sample(project, find_home_folder())
    resolved, before = stack.lock(sample=drawn.fingerprint if drawn else None, upgrade=upgrade, progress=progress)
    return LockResult(
        lock=resolved,
        path=project.root / LOCK_FILE,
        changed=resolved != before,
        lock_changes=compare_locks(before, resolved) if before else [],
    )
