"""Read a project's ``sandbox.lock``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.lock import LockDocument

if TYPE_CHECKING:
    from sandbox.config import Project

LOCK_FILE = "sandbox.lock"


def read_lock(project: Project) -> LockDocument | None:
    """Read the project's lock, if there is one."""
    path = project.root / LOCK_FILE
    if not path.is_file():
        return None
    try:
        return LockDocument.read(path)
    except StoreError as error:
        raise StoreError(error.message, hint=f"remove {path} and make it again: sandbox lock") from error
