"""Write one version of the code to a folder, or read single files of it."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.model import WORKING_TREE, CodeVersion
from sandbox.runner.code.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.runner.code.code_index import CodeIndex

LFS_POINTER_START = b"version https://git-lfs.github.com/spec/"
MAX_LFS_POINTER_BYTES = 1024
MAX_NAMED_FILES = 5


@dataclass(frozen=True, kw_only=True)
class CodeCheckout:
    """One version of the code, readable until the block of `Repository.open_code` ends.

    Attributes:
        version: The version.
        index: The index of its objects.
        project_path: The path from the folder of the code to that of ``sandbox.toml``; empty if they are the same.
    """

    version: CodeVersion
    index: CodeIndex
    project_path: str = ""

    def find_project_folder(self, exported: Path) -> Path:
        """Return the project's folder in an exported version: the working folder and base of the settings' paths."""
        return exported / self.project_path

    def export(self, folder: Path) -> None:
        """Write the files into an existing, empty folder, as a checkout would.

        Raises:
            ConfigError: git cannot write them, or a file is a Git LFS pointer without its content.
            StoreError: The disk is full.
        """
        git = self._build_git(folder)
        git.run("read-tree", self.version.tree)
        git.run("checkout-index", "--all", "--force")
        pointers = sorted(path.relative_to(folder).as_posix() for path in _find_lfs_pointers(folder))
        if pointers:
            more = f" and {len(pointers) - MAX_NAMED_FILES} more" if len(pointers) > MAX_NAMED_FILES else ""
            raise ConfigError(
                f"the content of these files at {self.version.ref} lies in Git LFS, and only pointers are here: "
                f"{', '.join(pointers[:MAX_NAMED_FILES])}{more}",
                hint="git lfs install --local && git lfs fetch --all && git lfs checkout",
            )

    def read(self, path: str) -> bytes:
        """Read a file by its path relative to ``sandbox.toml``; links within the code are followed.

        Raises:
            ConfigError: This version has no such file, or it is outside the code.
        """
        name = posixpath.normpath(posixpath.join(self.project_path, path))
        if posixpath.isabs(name) or name.split("/")[0] == ".." or "\n" in name:
            raise ConfigError(
                f"{path} lies outside the code",
                hint='name a file of the project; for code beside the project\'s folder: [pipeline] root = ".."',
            )
        query = f"{self.version.tree}:{name}\n"
        answer = self.index.git.run("cat-file", "--batch", "--follow-symlinks", stdin=os.fsencode(query))
        header, _, content = answer.partition(b"\n")
        words = header.split()
        if words[1:2] == [b"blob"]:
            return content[: int(words[2])]
        if words[0] == b"symlink":
            raise ConfigError(f"{path} at {self.version.ref} is a link out of the code", hint="make it a file")
        raise ConfigError(
            f"{path} is not in {self.version.ref}",
            hint="commit it there, or correct its name in sandbox.toml; paths are relative to that file",
        )

    def read_committed(self, path: str) -> bytes | None:
        """Read a file of the commit outside the code (``sandbox.lock``); None if it does not exist.

        For the working tree this is None: its own file lies beside ``sandbox.toml``.
        """
        if self.version.ref == WORKING_TREE or self.version.commit is None:
            return None
        name = f"{self.index.prefix}{self.project_path}{'/' if self.project_path else ''}{path}"
        result = self.index.git.try_run("cat-file", "blob", f"{self.version.commit}:{name}")
        return None if result.returncode else result.stdout

    def _build_git(self, folder: Path) -> Git:
        index = self.index.scratch.folder / "export"
        variables = {**self.index.git.variables, "GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": str(index)}
        return Git(folder=folder, variables=variables)


def _find_lfs_pointers(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for path in (Path(parent) / name for name in names):
            if path.is_symlink() or path.stat().st_size > MAX_LFS_POINTER_BYTES:
                continue
            with path.open("rb") as file:
                if file.read(len(LFS_POINTER_START)) == LFS_POINTER_START:
                    yield path
