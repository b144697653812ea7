"""Immutable folders and files: staged beside their place, synced, renamed into it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import filelock

from sandbox.errors import SourceError, StoreError
from sandbox.scratch import STAGED, UNFINISHED, held_folder, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@contextlib.contextmanager
def staged(target: Path, *, synced: bool = True) -> Iterator[Path]:
    """Give an empty folder to fill, which becomes ``target`` when the block ends well and vanishes otherwise.

    If ``target`` is there by then (somebody else was quicker) theirs stays: what has one name has one content. What is not
    ``synced`` can be damaged by a power failure: for what is checked whenever it is used, and can be made again.

    Raises:
        StoreError: The folder cannot be made, synced or renamed; a full disk is one reason.
    """
    with staging(target.parent, label=target.name) as folder:
        yield folder
        publish(folder, target, synced=synced)


@contextlib.contextmanager
def staging(parent: Path, *, label: str = "") -> Iterator[Path]:
    """Give an empty folder in ``parent`` for something that has no name yet; it vanishes unless it is published.

    Raises:
        StoreError: The folder cannot be made.
    """
    with contextlib.ExitStack() as stack:
        with reported(parent / label):
            parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(held_folder(parent, label=label))
            folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def unfinished(parent: Path, name: str) -> Iterator[Path]:
    """Give a folder in ``parent`` for work that can be taken up again where it was left: what is in it may be half-made.

    When the block ends well, or with an error, the folder vanishes. It stays when the process is killed or interrupted, or loses
    what it reads from; the next block of that name gets it as it is, or `sweep` removes it after a week. The caller holds the lock of the name.

    Raises:
        StoreError: The folder cannot be made.
    """
    folder = parent / f"{UNFINISHED}{name}"
    with reported(folder):
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
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


def publish(folder: Path, target: Path, *, synced: bool = True) -> None:
    """Give a staged folder its name; if the name is taken, what has it stays (see `staged`).

    Raises:
        StoreError: It cannot be synced or renamed.
    """
    with reported(target):
        if synced:
            sync(folder)
        if not target.exists():
            folder.rename(target)
            if synced:
                _sync_one(target.parent)


def write(target: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file whole or not at all, replacing what is there.

    Raises:
        StoreError: It cannot be written.
    """
    payload = content.encode() if isinstance(content, str) else content
    with reported(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=STAGED, dir=target.parent, delete=False) as file:
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
def locked(target: Path) -> Iterator[None]:
    """Hold the one lock that serialises writers of ``target``; waits for whoever holds it."""
    with _locked(target, seconds=-1):
        yield


def locked_at_once(target: Path) -> AbstractContextManager[bool]:
    """Hold that lock if nobody does; gives whether nobody did."""
    return _locked(target, seconds=0)


@contextlib.contextmanager
def _locked(target: Path, *, seconds: float) -> Iterator[bool]:
    path = target.parent / f".{target.name}.lock"
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=seconds)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def readable(folder: Path) -> None:
    """Let everybody read a folder and all below, whatever the umask was; only the owner may write.

    Raises:
        StoreError: The modes cannot be changed.
    """
    with reported(folder):
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def sync(folder: Path) -> None:
    """Bring every file and folder below to the disk."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            _sync_one(path)
    _sync_one(folder)


def sync_file(path: Path) -> None:
    """Bring a file's content to the disk."""
    _sync_one(path)


@contextlib.contextmanager
def reported(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals about a place of ours into ours."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror or error}",
            hint=f"free some space or make {target.parent} writable, then try again",
        ) from error


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
