"""Write immutable folders and files: staged beside their path, synced, renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING

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
    """Yield an empty folder; rename it to ``target`` if the block succeeds, else remove it.

    If ``target`` exists by then (another process was quicker) it stays: equal names have equal content. Without
    ``synced`` a power failure can damage the folder. Use that for reproducible content, checked whenever it is used.

    Raises:
        StoreError: The folder cannot be made, synced or renamed; a full disk is one reason.
    """
    with make_staging_folder(target.parent, label=target.name) as folder:
        yield folder
        publish_folder(folder, target, synced=synced)


@contextlib.contextmanager
def make_staging_folder(parent: Path, *, label: str = "") -> Iterator[Path]:
    """Yield an empty folder in ``parent`` for unnamed content; remove it unless it is published.

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
    """Yield a folder in ``parent`` for resumable work; its contents may be incomplete.

    The folder is removed when the block ends, with or without an error. It stays when the process is killed or
    interrupted, or loses its source. Then the next block of that name gets it unchanged, or `remove_leftover_paths`
    removes it after a week. The caller holds the lock of the name.

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
    """Rename a staged folder to its target; an existing target stays (see `stage_folder`).

    Raises:
        StoreError: The folder cannot be synced or renamed.
    """
    with translate_os_errors(target):
        if synced:
            sync_folder(folder)
        if not target.exists():
            folder.rename(target)
            if synced:
                _sync_path(target.parent)


def write_file(target: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file atomically, replacing an existing one.

    Raises:
        StoreError: The file cannot be written.
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
    """Hold the exclusive lock of writers of ``target``; wait for the current holder."""
    with _acquire_lock(target, seconds=-1):
        yield


def try_lock_path(target: Path) -> AbstractContextManager[bool]:
    """Hold the lock of `lock_path` if it is free; yield whether it was."""
    return _acquire_lock(target, seconds=0)


@contextlib.contextmanager
def _acquire_lock(target: Path, *, seconds: float) -> Iterator[bool]:
    path = target.parent / f".{target.name}.lock"
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        import filelock  # noqa: PLC0415 - slow to import (asyncio)

        lock = filelock.FileLock(path)
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=seconds)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def restrict_access(folder: Path) -> None:
    """Set the permissions of a finished folder and everything below, whatever the umask was.

    Only the owner may write, and other users may not read. Folders of root are also readable for the group of its
    containers, which run as another user. ``SANDBOX_SHARED=1`` lets everybody read.

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
    """Return the modes of folders and files with rows, or with data derived from rows."""
    if is_shared():
        return 0o755, 0o644
    return (0o750, 0o640) if os.geteuid() == 0 else (0o700, 0o600)


def is_shared() -> bool:
    """Return whether the user lets other users of the machine read samples, runs and reports."""
    return os.environ.get("SANDBOX_SHARED") == "1"


def close_to_others(folder: Path) -> None:
    """Remove all permissions of other users from an existing folder, unless the user shares it.

    Raises:
        StoreError: The mode cannot be changed.
    """
    mode = folder.stat().st_mode
    if mode & 0o007 and not is_shared():
        with translate_os_errors(folder):
            folder.chmod(stat.S_IMODE(mode) & ~0o007)


def clone_file(source: Path, target: Path) -> bool:
    """Copy a file; return whether the copy shares its blocks with the source and so needs no space.

    Raises:
        OSError: The file cannot be read or written.
    """
    with source.open("rb") as content, target.open("xb") as copy, contextlib.suppress(OSError):
        fcntl.ioctl(copy, FICLONE, content.fileno())
        return True
    shutil.copyfile(source, target)
    return False


def sync_folder(folder: Path) -> None:
    """Sync every file and folder below a folder to the disk."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            _sync_path(path)
    _sync_path(folder)


def sync_file(path: Path) -> None:
    """Sync a file's content to the disk."""
    _sync_path(path)


@contextlib.contextmanager
def translate_os_errors(target: Path) -> Iterator[None]:
    """Translate operating system errors about a path of sandbox into sandbox's errors."""
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
