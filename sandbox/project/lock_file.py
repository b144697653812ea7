"""Read a project's ``sandbox.lock``, and keep the locks of versions without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.lock import LockDocument, StoredLock
from sandbox.store.folder import write_file
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.lock import LockInputs

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


def read_stored_lock(project: Project, inputs: LockInputs) -> LockDocument | None:
    """Read the stored lock of some inputs; None if it is missing, damaged, or of another installation."""
    try:
        return StoredLock.read(_locate_stored_lock(project, inputs), key=load_seal_key()).lock
    except StoreError:
        return None


def write_stored_lock(project: Project, inputs: LockInputs, lock: LockDocument) -> None:
    """Store the lock of a version without one of its own, signed by this installation."""
    write_file(_locate_stored_lock(project, inputs), StoredLock(lock=lock).to_json_text(key=load_seal_key()))


def _locate_stored_lock(project: Project, inputs: LockInputs) -> Path:
    return project.state_folder / "locks" / f"{hash_json(inputs.model_dump())}.json"
