"""``sandbox lock``: resolve the stack's pins into ``sandbox.lock``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import sampler
from sandbox.commands.stack import LOCK, open_stack, prepare_state, read_lock
from sandbox.store.folder import locked, write
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
    path = project.root / LOCK
    stack = open_stack(project, frozen=False, progress=progress)
    prepare_state(project.state)
    with locked(project.state / LOCK):
        before = read_lock(project)
        made = stack.lock(upgrade=upgrade, progress=progress)
        drawn = sampler.drawn(project, home())
        if drawn is not None and made.sample != drawn.fingerprint:
            made = made.model_copy(update={"sample": drawn.fingerprint})
            write(path, made.text())
    return LockResult(lock=made, path=path, changed=made != before)
