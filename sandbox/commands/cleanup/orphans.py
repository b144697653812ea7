"""What a runtime holds of sandboxes that are gone: told by our labels, of projects that this user has or had."""

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
"""What `sandbox run` brings up without a `create` has no record; it stays for so long after its last use."""


def find_orphans(held: Sequence[RuntimeObject], roots: Collection[Path]) -> list[RuntimeObject]:
    """Give what belongs to a sandbox that is gone, in the order in which it can be removed.

    Args:
        held: All that a runtime holds of ours.
        roots: The folders of the projects that this user has, or had; of others nothing can be said.
    """
    sandboxes = {sandbox for one in held if (sandbox := _read_sandbox_labels(one)) is not None and sandbox[0] in roots}
    at_work = {_read_sandbox_labels(one) for one in held if _has_live_owner(one)}
    gone = {one for one in sandboxes if one not in at_work and not has_sandbox(*one)}
    return [one for one in held if _read_sandbox_labels(one) in gone]


def is_orphan(held: RuntimeObject) -> bool:
    """Say whether an orphan still is one."""
    sandbox = _read_sandbox_labels(held)
    return sandbox is not None and not has_sandbox(*sandbox)


def has_sandbox(root: Path, name: str) -> bool:
    """Say whether a project has a sandbox, or something is being made for it; also where that cannot be seen."""
    try:
        state = root / ".sandbox"
        return (state / "sandboxes" / f"{name}.json").is_file() or _is_in_use(state / "services" / name)
    except OSError:
        return True


def _read_sandbox_labels(held: RuntimeObject) -> tuple[Path, str] | None:
    path, name = held.labels.get("path"), held.labels.get("sandbox")
    return (Path(path), name) if path and name else None


def _has_live_owner(held: RuntimeObject) -> bool:
    """Say whether it is of a process that lives, as far as can be seen."""
    owning = ownership.parse_owner(held.labels)
    return owning is not None and not owning.has_ended


def _is_in_use(folder: Path) -> bool:
    """Say whether a folder of services was used lately, or somebody holds one of its locks."""
    if not folder.is_dir():
        return False
    newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    if time.time() - newest < UNRECORDED_SECONDS:
        return True
    names = [path.name.removeprefix(".").removesuffix(".lock") for path in folder.glob(".*.lock")]
    with contextlib.ExitStack() as stack:
        return any(not stack.enter_context(try_lock_path(folder / name)) for name in names)
