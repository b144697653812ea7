"""Replace submodules by the content of their recorded or checked-out commits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.runner.code.git import Git, find_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.runner.code.code_index import CodeIndex, IndexEntry


@dataclass(frozen=True, kw_only=True)
class _GitFolder:
    """The ``.git`` folder of a repository, and the folder of its objects."""

    git_dir: Path
    objects: Path


def has_repository(folder: Path) -> bool:
    """Check whether a folder is the top of a repository of its own."""
    return (folder / ".git").exists()


def insert_recorded_submodules(index: CodeIndex, *, is_excluded: Callable[[str], bool]) -> None:
    """Replace each submodule of an index, nested ones too, by the content of its recorded commit.

    Raises:
        ConfigError: A commit is not on this machine; the hint is the command to fetch it.
    """
    git_folders = {"": _GitFolder(git_dir=index.location.git_dir, objects=index.location.objects)}
    while submodules := [entry for entry in index.list_files()[0] if entry.is_submodule]:
        for entry in submodules:
            if is_excluded(entry.path):
                index.update("--force-remove", paths=[entry.path])
                continue
            owner = max((path for path in git_folders if _is_within(entry.path, path)), key=len)
            outermost = min(
                (path for path in git_folders if path and _is_within(entry.path, path)), key=len, default=""
            )
            git_folder = _find_git_folder(index, entry, owner, git_folders[owner], outermost)
            git_folders[entry.path] = git_folder
            index.scratch.add_objects(git_folder.objects)
            index.insert_tree(entry.path, f"{entry.object_id}^{{tree}}")


def _is_within(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _find_git_folder(
    index: CodeIndex, entry: IndexEntry, owner: str, owner_folder: _GitFolder, outermost: str
) -> _GitFolder:
    """Find a repository with the recorded commit of a submodule: the checked-out one, or git's own copy."""
    checked_out = index.folder / entry.path
    candidates = []
    if not checked_out.is_symlink() and has_repository(checked_out):
        location = find_repository(checked_out)
        candidates.append(_GitFolder(git_dir=location.git_dir, objects=location.objects))
    candidates += _find_stored_copies(index, entry, owner, owner_folder)
    for candidate in candidates:
        if _has_commit(candidate, entry.object_id):
            return candidate
    if candidates:
        raise ConfigError(
            f"the submodule {entry.path} lacks its recorded commit {entry.object_id[:12]}",
            hint=f"git --git-dir={candidates[0].git_dir} --work-tree=. fetch origin {entry.object_id}",
        )
    raise build_missing_error(index, entry.path, outermost=outermost)


def _find_stored_copies(
    index: CodeIndex, entry: IndexEntry, owner: str, owner_folder: _GitFolder
) -> Sequence[_GitFolder]:
    """Find git's copies of a submodule without a checkout, by its name in ``.gitmodules``."""
    settings = f":./{owner}/.gitmodules" if owner else ":.gitmodules"
    git = index.git
    done = git.try_run("config", "--blob", settings, "-z", "--get-regexp", r"^submodule\..*\.path$")
    inner = entry.path.removeprefix(f"{owner}/") if owner else f"{index.prefix}{entry.path}"
    copies = []
    for record in os.fsdecode(done.stdout).split("\0")[:-1] if done.returncode == 0 else ():
        key, _, path = record.partition("\n")
        name = key.removeprefix("submodule.").removesuffix(".path")
        folder = owner_folder.git_dir / "modules" / name
        if path == inner and ".." not in PurePosixPath(name).parts and (folder / "objects").is_dir():
            copies.append(_GitFolder(git_dir=folder, objects=folder / "objects"))
    return copies


def _has_commit(git_folder: _GitFolder, commit: str) -> bool:
    # Its settings may name a deleted working tree.
    variables = {"GIT_DIR": str(git_folder.git_dir), "GIT_WORK_TREE": str(git_folder.git_dir)}
    git = Git(folder=git_folder.git_dir, variables=variables)
    return git.try_run("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def build_missing_error(index: CodeIndex, path: str, *, outermost: str = "") -> ConfigError:
    """Build the error for a submodule without content, possibly inside another one."""
    return ConfigError(
        f"the submodule {index.prefix}{path} is part of the code, and its content is not here",
        hint=f"git -C {index.location.top} submodule update --init --recursive -- {index.prefix}{outermost or path}",
    )
