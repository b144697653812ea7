"""Read the code on disk: tracked files and files not ignored by git, regardless of marks in the index."""

from __future__ import annotations

import shutil
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.runner.code.code_index import CodeIndex
from sandbox.runner.code.git import find_repository
from sandbox.runner.code.submodules import build_missing_error, has_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sandbox.runner.code.code_index import IndexEntry


def read_working_tree(index: CodeIndex, *, is_excluded: Callable[[str], bool]) -> None:
    """Update an index with the files on disk.

    Files outside a sparse checkout are taken from the repository's index. A submodule is its checked-out content. A
    nested repository that is no submodule is not part of the code.

    Raises:
        ConfigError: A submodule has no content, or a file cannot be read.
    """
    if index.location.index.is_file():
        # git's cached stats of each file avoid reading it again. They are valid only for files older
        # than the index itself, so the copy must keep the index's own time ("racy git").
        shutil.copy2(index.location.index, index.path)
    tracked, untracked = index.list_files(untracked=True)
    disk = _DiskFiles(index.folder)
    tracked = [entry for entry in tracked if not is_excluded(entry.path)]
    read = [entry for entry in tracked if not (entry.is_skipped and not disk.exists(entry.path))]
    index.update("--no-assume-unchanged", paths=[entry.path for entry in read if entry.is_assumed])
    index.update("--no-skip-worktree", paths=[entry.path for entry in read if entry.is_skipped])
    present = [entry for entry in read if disk.is_file(entry.path)]
    submodules = [entry for entry in read if entry.is_submodule and disk.is_folder(entry.path)]
    remaining = {entry.path for entry in [*present, *submodules]}
    index.update("--force-remove", paths=dict.fromkeys(e.path for e in read if e.path not in remaining))
    # A name with a final slash is a repository inside this one.
    added = [path for path in untracked if not path.endswith("/") and not is_excluded(path)]
    index.update("--add", "--replace", paths=[*dict.fromkeys(entry.path for entry in present), *added])
    insert_checked_out_submodules(index, submodules)


def insert_checked_out_submodules(index: CodeIndex, submodules: Iterable[IndexEntry]) -> None:
    """Replace submodules of an index by the content checked out in their folders.

    Raises:
        ConfigError: One has no content, the default after ``git clone``.
    """
    for entry in submodules:
        folder = index.folder / entry.path
        if not has_repository(folder):
            raise build_missing_error(index, entry.path)
        location = find_repository(folder)
        index.scratch.add_objects(location.objects)
        name = f"submodule-{len(list(index.scratch.folder.iterdir()))}"
        inner = CodeIndex(location=location, folder=location.top, scratch=index.scratch, name=name)
        read_working_tree(inner, is_excluded=lambda _: False)
        index.insert_tree(entry.path, inner.write_tree())


class _DiskFiles:
    """The files on disk below a folder, as seen by git: links are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parents: dict[PurePosixPath, bool] = {PurePosixPath(): True}

    def exists(self, path: str) -> bool:
        return self._read_mode(path) is not None

    def is_file(self, path: str) -> bool:
        mode = self._read_mode(path)
        return mode is not None and (stat.S_ISREG(mode) or stat.S_ISLNK(mode))

    def is_folder(self, path: str) -> bool:
        mode = self._read_mode(path)
        return mode is not None and stat.S_ISDIR(mode)

    def _read_mode(self, path: str) -> int | None:
        if not self._is_plain_folder(PurePosixPath(path).parent):
            return None
        try:
            return (self._folder / path).lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _is_plain_folder(self, path: PurePosixPath) -> bool:
        if path not in self._parents:
            try:
                is_folder = stat.S_ISDIR((self._folder / path).lstat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                is_folder = False
            self._parents[path] = is_folder and self._is_plain_folder(path.parent)
        return self._parents[path]
