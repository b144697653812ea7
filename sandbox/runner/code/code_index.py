"""Keep sandbox's own git index for one version of the code, in a scratch folder beside the new objects."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.runner.code.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sandbox.runner.code.git import GitLocation

SUBMODULE_MODE = "160000"
SKIPPED_TAGS = frozenset({"S", "s"})


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """A tracked file of an index.

    Attributes:
        path: Relative to the listed folder.
        mode: As written by git; ``160000`` is a submodule.
        object_id: Its blob, or the commit of a submodule.
        is_skipped: Whether it is marked ``skip-worktree``, as are all files outside a sparse checkout.
        is_assumed: Whether it is marked ``assume-unchanged``.
    """

    path: str
    mode: str
    object_id: str
    is_skipped: bool
    is_assumed: bool

    @property
    def is_submodule(self) -> bool:
        """Whether it represents the commit of another repository."""
        return self.mode == SUBMODULE_MODE


@dataclass(frozen=True, kw_only=True)
class CodeScratch:
    """A scratch folder with new objects; git finds objects of several repositories through it."""

    folder: Path

    @property
    def objects(self) -> Path:
        """The folder of new objects."""
        return self.folder / "objects"

    def add_objects(self, objects: Path) -> None:
        """Make the objects of a repository available to git."""
        line = b'"' + os.fsencode(objects).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"\n'
        alternates = self.objects / "info" / "alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        with alternates.open("ab") as file:
            file.write(line)


@dataclass(frozen=True, kw_only=True)
class CodeIndex:
    """A git index of one version of the code.

    Attributes:
        location: The repository.
        folder: The folder of the code, the base of paths.
        scratch: The folder of the index and of new objects.
        name: The file name of the index.
    """

    location: GitLocation
    folder: Path
    scratch: CodeScratch
    name: str

    @property
    def path(self) -> Path:
        """The file of the index."""
        return self.scratch.folder / self.name

    @cached_property
    def git(self) -> Git:
        """The git command on this index."""
        variables = {
            "GIT_DIR": str(self.location.git_dir),
            "GIT_WORK_TREE": str(self.location.top),
            "GIT_INDEX_FILE": str(self.path),
            "GIT_OBJECT_DIRECTORY": str(self.scratch.objects),
        }
        return Git(folder=self.folder, variables=variables)

    @property
    def prefix(self) -> str:
        """The path from the top of the repository to the code; empty, or with a slash at the end."""
        path = self.folder.relative_to(self.location.top).as_posix()
        return "" if path == "." else f"{path}/"

    def list_files(self, *, untracked: bool = False) -> tuple[list[IndexEntry], list[str]]:
        """List the tracked files; with ``untracked`` also files neither tracked nor ignored by git."""
        others = ("--others", "--exclude-standard") if untracked else ()
        listed = self.git.run("ls-files", "-z", "-v", "--stage", "--cached", *others)
        entries, names = [], []
        for record in os.fsdecode(listed).split("\0")[:-1]:
            tag, line = record[0], record[2:]
            if tag == "?":
                names.append(line)
                continue
            attributes, _, path = line.partition("\t")
            mode, object_id, _ = attributes.split(" ")
            entries.append(
                IndexEntry(
                    path=path,
                    mode=mode,
                    object_id=object_id,
                    is_skipped=tag in SKIPPED_TAGS,
                    is_assumed=tag.islower(),
                )
            )
        return entries, names

    def update(self, *options: str, paths: Iterable[str]) -> None:
        """Run ``git update-index`` on paths."""
        stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
        if stdin:
            self.git.run("update-index", *options, "-z", "--stdin", stdin=stdin)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files and folders; absent ones are ignored."""
        patterns = [f":(literal){path}" for path in paths]
        if patterns:
            # Without --force git refuses if HEAD and the file differ.
            self.git.run("rm", "-r", "--cached", "--force", "--quiet", "--ignore-unmatch", "--", *patterns)

    def insert_tree(self, path: str, tree: str) -> None:
        """Replace a submodule by a tree; its path is relative to the folder of the code."""
        self.update("--force-remove", paths=[path])
        self.git.run("read-tree", f"--prefix={self.prefix}{path}/", tree)

    def write_tree(self) -> str:
        """Write the tree of the code's folder alone, so that other parts of the repository do not affect its identity.

        Raises:
            ConfigError: This version has no file there.
        """
        prefix = self.prefix
        done = self.git.try_run("write-tree", *([f"--prefix={prefix}"] if prefix else []))
        if done.returncode:
            if prefix and b"prefix" in done.stderr:
                raise ConfigError(f"this version of the code has no files in {prefix}", hint="name another git ref")
            raise self.git.build_error("write-tree", done)
        return done.stdout.decode().strip()
