"""Record current and last use of folders and files: a lock on the path itself, released when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from typing import TYPE_CHECKING

from sandbox.scratch import STAGED_PREFIX, remove_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRESH_SECONDS = 60.0
"""Paths created or used more recently count as in use: their creator may not hold a lease yet."""

_lease_handles: dict[tuple[int, int], int] = {}


def acquire_lease(path: Path) -> bool:
    """Lock a folder or file against removal until this process ends; return False if it does not exist.

    Its modification time becomes the time of its last use.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_SH)  # waits briefly at most, for a process removing it
    stat = os.fstat(handle)
    if not _is_same_file(path, stat):
        os.close(handle)
        return False
    with contextlib.suppress(OSError):  # owned by another user
        os.utime(path)
    key = (stat.st_dev, stat.st_ino)
    if key in _lease_handles:
        os.close(handle)
    else:
        _lease_handles[key] = handle
    return True


def remove_if_unused(path: Path) -> bool:
    """Remove a folder or file; return False if a living process uses it, or it does not exist.

    Raises:
        OSError: It may not be removed.
    """
    with lock_if_unused(path) as nobody_else:
        if not nobody_else:
            return False
        # Rename first: a process killed during the removal leaves no incomplete folder, and leftovers are removed later.
        aside = path.parent / f"{STAGED_PREFIX}removed-{secrets.token_hex(4)}"
        path.rename(aside)
        remove_path(aside)
    return True


def is_in_use(path: Path) -> bool:
    """Return whether a living process uses a path, or did very recently."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime < FRESH_SECONDS:
            return True
    with lock_if_unused(path) as nobody_else:
        return not nobody_else and path.exists()


@contextlib.contextmanager
def lock_if_unused(path: Path) -> Iterator[bool]:
    """Prevent others from using a path until the block ends; yield whether it is unused."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield _is_same_file(path, os.fstat(handle))
    finally:
        os.close(handle)


def _is_same_file(path: Path, opened: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), opened)
    except OSError:
        return False
