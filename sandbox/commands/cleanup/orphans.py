"""Find a runtime's objects of removed sandboxes by their labels, in this user's projects."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.containers import ownership
from sandbox.store.folder import try_lock_path

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sandbox.containers.protocol import RuntimeObject

UNRECORDED_SECONDS = 3600.0
"""Services started by `sandbox run` without a `create` have no record; they stay for this long after their last use."""


def find_orphans(held: Sequence[RuntimeObject], roots: Collection[Path]) -> list[RuntimeObject]:
    """Return the objects of removed sandboxes, in the order of removal.

    ``roots`` are the folders of this user's present and past projects; others are ignored.
    """
    labelled = [(entry, _read_sandbox_labels(entry)) for entry in held]
    sandboxes = {sandbox for _, sandbox in labelled if sandbox is not None and sandbox[0] in roots}
    at_work = {sandbox for entry, sandbox in labelled if _has_live_owner(entry)}
    gone = {sandbox for sandbox in sandboxes if sandbox not in at_work and not has_sandbox(*sandbox)}
    return [entry for entry, sandbox in labelled if sandbox in gone]


def is_orphan(held: RuntimeObject) -> bool:
    """Check again whether an object is an orphan."""
    sandbox = _read_sandbox_labels(held)
    return sandbox is not None and not has_sandbox(*sandbox)


def has_sandbox(root: Path, name: str) -> bool:
    """Check whether a project has a sandbox or one is being created; True if that cannot be determined."""
    try:
        state = root / ".sandbox"
        return (state / "sandboxes" / f"{name}.json").is_file() or _is_in_use(state / "services" / name)
    except OSError:
        return True


def _read_sandbox_labels(held: RuntimeObject) -> tuple[Path, str] | None:
    path, name = held.labels.get("path"), held.labels.get("sandbox")
    return (Path(path), name) if path and name else None


def _has_live_owner(held: RuntimeObject) -> bool:
    """Check whether an object's owner is known to live."""
    owning = ownership.parse_owner(held.labels)
    return owning is not None and not owning.has_ended


def _is_in_use(folder: Path) -> bool:
    """Check whether a folder of services was used recently or one of its locks is held."""
    if not folder.is_dir():
        return False
    newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    if time.time() - newest < UNRECORDED_SECONDS:
        return True
    names = [path.name.removeprefix(".").removesuffix(".lock") for path in folder.glob(".*.lock")]
    with contextlib.ExitStack() as stack:
        return any(not stack.enter_context(try_lock_path(folder / name)) for name in names)
