"""Who uses what right now, and when it was used last: a lock on the folder or file itself, which ends with the process."""

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
"""What was made or used less long ago is as good as in use: whoever made it may not have said yet that it uses it."""

_lease_handles: dict[tuple[int, int], int] = {}


def acquire_lease(place: Path) -> bool:
    """Use a folder or file until this process ends: nobody removes it meanwhile. False where it is not there.

    Its time of modification becomes that of its last use.
    """
    try:
        handle = os.open(place, os.O_RDONLY)
    except OSError:
        return False
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_SH)  # waits a moment at most: for one that removes it
    found = os.fstat(handle)
    if not _is_same_file(place, found):
        os.close(handle)
        return False
    with contextlib.suppress(OSError):  # somebody else's
        os.utime(place)
    key = (found.st_dev, found.st_ino)
    if key in _lease_handles:
        os.close(handle)
    else:
        _lease_handles[key] = handle
    return True


def remove_if_unused(place: Path) -> bool:
    """Remove a folder or file; False where a living process uses it, or it is gone.

    Raises:
        OSError: It may not be removed.
    """
    with lock_if_unused(place) as nobody_else:
        if not nobody_else:
            return False
        # A name of its own first: what is killed in the middle of it has removed the whole, and is swept up later.
        aside = place.parent / f"{STAGED_PREFIX}removed-{secrets.token_hex(4)}"
        place.rename(aside)
        remove_path(aside)
    return True


def is_in_use(place: Path) -> bool:
    """Tell whether a living process uses it, or did a moment ago."""
    with contextlib.suppress(OSError):
        if time.time() - place.stat().st_mtime < FRESH_SECONDS:
            return True
    with lock_if_unused(place) as nobody_else:
        return not nobody_else and place.exists()


@contextlib.contextmanager
def lock_if_unused(place: Path) -> Iterator[bool]:
    """Keep others from beginning to use it for as long as the block lasts; gives whether nobody uses it."""
    try:
        handle = os.open(place, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield _is_same_file(place, os.fstat(handle))
    finally:
        os.close(handle)


def _is_same_file(place: Path, opened: os.stat_result) -> bool:
    try:
        return os.path.samestat(place.stat(), opened)
    except OSError:
        return False
