"""Temporary ownership of folders by an unprivileged user during a run as root."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextlib.contextmanager
def lend_folders(folders: Sequence[Path], *, uid: int, gid: int) -> Iterator[None]:
    """Transfer folders recursively to a user within the block, then always back to the caller.

    Raises:
        ContainerEngineError: The file system does not permit it.
    """
    try:
        for folder in folders:
            _change_owner(folder, uid, gid)
        yield
    finally:
        for folder in folders:
            _change_owner(folder, os.getuid(), os.getgid())


def grant_read_access(folders: Sequence[Path], *, gid: int) -> None:
    """Add the owner's read permissions for a group, recursively; files that everybody may read stay as they are.

    Raises:
        ContainerEngineError: The file system does not permit it.
    """
    try:
        for folder in folders:
            _grant_group_access(folder, gid)
            for parent, names, files in os.walk(folder):
                for name in (*names, *files):
                    _grant_group_access(folder.__class__(parent) / name, gid)
    except OSError as error:
        raise ContainerEngineError(
            f"{error.filename} cannot be shown to the user that the run has: {error.strerror}",
            hint="use a folder on a file system of this machine's own, or do not run as root",
        ) from error


def _grant_group_access(path: Path, gid: int) -> None:
    found = path.lstat()
    mode = stat.S_IMODE(found.st_mode)
    wanted = (mode & 0o500) >> 3
    if stat.S_ISLNK(found.st_mode) or mode & (wanted >> 3) == wanted >> 3:
        return
    if found.st_gid != gid:
        os.chown(path, -1, gid)
        mode &= ~0o070
    if mode & wanted != wanted:
        path.chmod(mode | wanted)


def _change_owner(folder: Path, uid: int, gid: int) -> None:
    """Change the owner recursively without following links: a run may create links to the machine's files."""
    try:
        os.chown(folder, uid, gid, follow_symlinks=False)
        for _, folders, files, handle in os.fwalk(folder, follow_symlinks=False):
            for name in (*folders, *files):
                os.chown(name, uid, gid, dir_fd=handle, follow_symlinks=False)
    except OSError as error:
        raise ContainerEngineError(
            f"{folder} cannot be given to the user {uid}:{gid} that the run has: {error.strerror}",
            hint="use a folder on a file system of this machine's own, or do not run as root",
        ) from error
