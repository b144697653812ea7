"""``sandbox lock``: resolve the stack's pins into ``sandbox.lock``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.project.registry import make_state_folder
from sandbox.project.stack import LOCK_FILE, open_stack
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
    """The lock, whether it changed, and what of it: against the one that was there before, if any."""

    lock: LockDocument
    path: Path
    changed: bool
    lock_changes: Sequence[LockChange]

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox lock --json``."""
        moved = [one.fields() for one in self.lock_changes]
        return {**self.lock.to_dict(), "path": str(self.path), "changed": self.changed, "moved": moved}


def lock(project: Project, *, upgrade: bool, progress: Progress) -> LockResult:
    """Resolve what is not resolved yet, everything anew with ``upgrade``; a drawn sample's fingerprint goes in as well."""
    make_state_folder(project.state_folder)
    stack = open_stack(project, frozen=False, progress=progress)
    drawn = catalog.find_sample(project, find_home_folder())
    made, before = stack.lock(sample=drawn.fingerprint if drawn else None, upgrade=upgrade, progress=progress)
    return LockResult(
        lock=made,
        path=project.root / LOCK_FILE,
        changed=made != before,
        lock_changes=compare_locks(before, made) if before else [],
    )
