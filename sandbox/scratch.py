"""Folders for what is half-made: held by the process that fills them, and swept up by the next when it was killed."""

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
    """Give this user's folder among the system's temporary ones, which nobody else can write to.

    Raises:
        StoreError: Somebody else made it, or it cannot be made.
    """
    path = Path(tempfile.gettempdir()).resolve() / f"sandbox-{os.getuid()}"
    hint = "set TMPDIR to another folder"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}", hint=hint) from error
    if path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StoreError(f"{path} belongs to somebody else", hint=hint)
    return path


@contextlib.contextmanager
def make_scratch_folder(label: str) -> Iterator[Path]:
    """Give an empty folder for what nobody needs after the block; it lies in `make_user_temp_folder`.

    Raises:
        StoreError: It cannot be made.
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
    """Give an empty folder in a folder that is there; it vanishes afterwards, unless it was renamed.

    Raises:
        OSError: It cannot be made.
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
    """Remove what killed processes left half-made in a folder."""
    for path in find_leftover_paths(parent):
        with contextlib.suppress(OSError), _try_lock(path) as unheld:
            if unheld:
                remove_path(path)


def remove_path(path: Path) -> None:
    """Remove a folder or file, also what a run left in it that may not be entered.

    Raises:
        OSError: It may not be removed.
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
    """Give what killed processes left half-made in a folder.

    Whoever fills something holds a lock on it until the end; a moment's age covers the time before the lock is taken, and a
    week is the time to take up again what was left.
    """
    ages = {STAGED_PREFIX: STAGED_GRACE_SECONDS, UNFINISHED_PREFIX: UNFINISHED_GRACE_SECONDS}
    found = [(path, age) for prefix, age in ages.items() for path in parent.glob(f"{prefix}*")]
    return [path for path, age in sorted(found) if _is_older(path, age) and not is_locked(path)]


def is_locked(staged_folder: Path) -> bool:
    """Say whether somebody is filling a staged folder right now."""
    try:
        with _try_lock(staged_folder) as unheld:
            return not unheld
    except OSError:
        return False


@contextlib.contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    """Hold something half-made; gives whether nobody else did.

    Raises:
        OSError: It is gone.
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
