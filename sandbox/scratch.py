"""Temporary folders, locked by the process that fills them, and deleted later by another process if it was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGED_PREFIX = ".staged-"
STAGED_GRACE_SECONDS = 60.0
UNFINISHED_PREFIX = ".unfinished-"
UNFINISHED_GRACE_SECONDS = 7 * 86_400.0


def make_user_temp_folder() -> Path:
    """Return this user's private folder in the system's temporary folder.

    Raises:
        StoreError: It belongs to another user, or cannot be created.
    """
    path = Path(tempfile.gettempdir()).resolve() / f"sandbox-{os.getuid()}"
    hint = "set TMPDIR to another folder"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}", hint=hint) from error
    if path.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise StoreError(f"{path} belongs to somebody else", hint=hint)
    return path


@contextlib.contextmanager
def make_scratch_folder(label: str) -> Iterator[Path]:
    """Yield an empty folder in `make_user_temp_folder`, deleted after the block.

    Raises:
        StoreError: It cannot be created.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(make_locked_folder(make_user_temp_folder(), label=label))
        except OSError as error:
            raise StoreError(
                f"no folder can be made in {make_user_temp_folder()}: {error.strerror}",
                hint="free some space, or set TMPDIR to another folder",
            ) from error
        yield folder


@contextlib.contextmanager
def make_locked_folder(parent: Path, *, label: str) -> Iterator[Path]:
    """Yield an empty folder in an existing folder, deleted after the block unless renamed.

    Raises:
        OSError: It cannot be created.
    """
    remove_leftover_paths(parent)
    folder = type(parent)(tempfile.mkdtemp(prefix=f"{STAGED_PREFIX}{label[:40]}-", dir=parent))
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def remove_leftover_paths(parent: Path) -> None:
    """Delete unfinished files and folders of killed processes in a folder."""
    for path in find_leftover_paths(parent):
        with contextlib.suppress(OSError), _try_lock(path) as unheld:
            if unheld:
                remove_path(path)


def remove_path(path: Path) -> None:
    """Delete a folder or file, including folders without permissions left by a run.

    Raises:
        OSError: It must not be deleted.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    for folder, names, _ in os.walk(path):
        for inside in (type(path)(folder) / name for name in names):
            if not inside.is_symlink():
                inside.chmod(0o700)
    shutil.rmtree(path)


def find_leftover_paths(parent: Path) -> list[Path]:
    """Return unfinished files and folders of killed processes in a folder.

    Processes hold a lock on unfinished paths. A minimum age covers the time before the lock; unfinished transfers can
    be resumed for a week.
    """
    ages = {STAGED_PREFIX: STAGED_GRACE_SECONDS, UNFINISHED_PREFIX: UNFINISHED_GRACE_SECONDS}
    candidates = [(path, age) for prefix, age in ages.items() for path in parent.glob(f"{prefix}*")]
    return [path for path, age in sorted(candidates) if _is_older(path, age) and not is_locked(path)]


def is_locked(staged_folder: Path) -> bool:
    """Return whether a process is filling a staged folder."""
    try:
        with _try_lock(staged_folder) as unheld:
            return not unheld
    except OSError:
        return False


@contextlib.contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    """Lock an unfinished path; yield whether it succeeded.

    Raises:
        OSError: The path is gone.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


def _is_older(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime >= seconds
    except OSError:
        return False
