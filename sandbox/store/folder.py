"""Immutable folders and files: staged beside their place, synced, renamed into it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING

import filelock

from sandbox.errors import SourceError, StoreError
from sandbox.model import RUN_GROUP_ID
from sandbox.scratch import STAGED_PREFIX, UNFINISHED_PREFIX, make_locked_folder, remove_leftover_paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

FICLONE = 0x40049409  # of Linux, linux/fs.h


@contextlib.contextmanager
def stage_folder(target: Path, *, synced: bool = True) -> Iterator[Path]:
    """Give an empty folder to fill, which becomes ``target`` when the block ends well and vanishes otherwise.

    If ``target`` is there by then (somebody else was quicker) theirs stays: what has one name has one content. What is not
    ``synced`` can be damaged by a power failure: for what is checked whenever it is used, and can be made again.

    Raises:
        StoreError: The folder cannot be made, synced or renamed; a full disk is one reason.
    """
    with make_staging_folder(target.parent, label=target.name) as folder:
        yield folder
        publish_folder(folder, target, synced=synced)


@contextlib.contextmanager
def make_staging_folder(parent: Path, *, label: str = "") -> Iterator[Path]:
    """Give an empty folder in ``parent`` for something that has no name yet; it vanishes unless it is published.

    Raises:
        StoreError: The folder cannot be made.
    """
    with contextlib.ExitStack() as stack:
        with translate_os_errors(parent / label):
            parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(make_locked_folder(parent, label=label))
            folder.chmod(choose_modes()[0])
        yield folder


@contextlib.contextmanager
def open_resumable_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give a folder in ``parent`` for work that can be taken up again where it was left: what is in it may be half-made.

    When the block ends well, or with an error, the folder vanishes. It stays when the process is killed or interrupted, or loses
    what it reads from; the next block of that name gets it as it is, or `remove_leftover_paths` removes it after a week. The caller holds the lock of the name.

    Raises:
        StoreError: The folder cannot be made.
    """
    folder = parent / f"{UNFINISHED_PREFIX}{name}"
    with translate_os_errors(folder):
        parent.mkdir(parents=True, exist_ok=True)
        remove_leftover_paths(parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        os.utime(folder)
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if not (isinstance(error, SourceError) and error.lost):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def publish_folder(folder: Path, target: Path, *, synced: bool = True) -> None:
    """Give a staged folder its name; if the name is taken, what has it stays (see `stage_folder`).

    Raises:
        StoreError: It cannot be synced or renamed.
    """
    with translate_os_errors(target):
        if synced:
            sync_folder(folder)
        if not target.exists():
            folder.rename(target)
            if synced:
                _sync_path(target.parent)


def write_file(target: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file whole or not at all, replacing what is there.

    Raises:
        StoreError: It cannot be written.
    """
    payload = content.encode() if isinstance(content, str) else content
    with translate_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=STAGED_PREFIX, dir=target.parent, delete=False) as file:
            beside = type(target)(file.name)
            try:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
                beside.chmod(mode)
                beside.replace(target)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise


@contextlib.contextmanager
def lock_path(target: Path) -> Iterator[None]:
    """Hold the one lock that serialises writers of ``target``; waits for whoever holds it."""
    with _acquire_lock(target, seconds=-1):
        yield


def try_lock_path(target: Path) -> AbstractContextManager[bool]:
    """Hold that lock if nobody does; gives whether nobody did."""
    return _acquire_lock(target, seconds=0)


@contextlib.contextmanager
def _acquire_lock(target: Path, *, seconds: float) -> Iterator[bool]:
    path = target.parent / f".{target.name}.lock"
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=seconds)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def restrict_access(folder: Path) -> None:
    """Set the permissions of a finished folder and all below, whatever the umask was.

    Only the owner may write, and nobody else may read. What root owns is readable for the group of its containers, too,
    which run as another user. ``SANDBOX_SHARED=1`` lets everybody read.

    Raises:
        StoreError: The modes cannot be changed.
    """
    folder_mode, file_mode = choose_modes()
    group = RUN_GROUP_ID if os.geteuid() == 0 else -1
    with translate_os_errors(folder):
        for path in (folder, *folder.rglob("*")):
            if path.is_symlink():
                continue
            with contextlib.suppress(OSError):  # a file system without groups
                os.chown(path, -1, group)
            path.chmod(folder_mode if path.is_dir() else file_mode)


def choose_modes() -> tuple[int, int]:
    """Return the modes of folders and of files that hold rows, or what was made of them."""
    if is_shared():
        return 0o755, 0o644
    return (0o750, 0o640) if os.geteuid() == 0 else (0o700, 0o600)


def is_shared() -> bool:
    """Return whether the user lets other users of the machine read samples, runs and reports."""
    return os.environ.get("SANDBOX_SHARED") == "1"


def close_to_others(folder: Path) -> None:
    """Take every permission of others from a folder that is there, unless the user shares it.

    Raises:
        StoreError: Its mode cannot be changed.
    """
    mode = folder.stat().st_mode
    if mode & 0o007 and not is_shared():
        with translate_os_errors(folder):
            folder.chmod(stat.S_IMODE(mode) & ~0o007)


def clone_file(source: Path, target: Path) -> bool:
    """Copy a file; return whether the copy shares its blocks with the source, which costs no space.

    Raises:
        OSError: It cannot be read or written.
    """
    with source.open("rb") as content, target.open("xb") as copy, contextlib.suppress(OSError):
        fcntl.ioctl(copy, FICLONE, content.fileno())
        return True
    shutil.copyfile(source, target)
    return False


def sync_folder(folder: Path) -> None:
    """Bring every file and folder below to the disk."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            _sync_path(path)
    _sync_path(folder)


def sync_file(path: Path) -> None:
    """Bring a file's content to the disk."""
    _sync_path(path)


@contextlib.contextmanager
def translate_os_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals about a place of ours into ours."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror or error}",
            hint=f"free some space or make {target.parent} writable, then try again",
        ) from error


def _sync_path(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
