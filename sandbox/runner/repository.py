"""Versions of the code in git: any ref, and the working tree, each as a git tree of exactly what a run would see.

Nothing of the user's repository changes: the index and new objects lie in a folder of ours. Because both kinds of
version become a tree in the same way, equal code has an equal id wherever it comes from.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.model import WORKING_TREE, CodeVersion
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# What git sets for its hooks and would aim our calls at another repository or index.
GIT_HOOK_VARIABLES = {
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_COMMON_DIR",
}  # fmt: skip
GIT_PATH_QUERIES = (
    ("--absolute-git-dir",),
    ("--show-toplevel",),
    ("--git-path", "objects"),
    ("--git-path", "index"),
)
STATE_FOLDER = ".sandbox"
OWN_FILES = (STATE_FOLDER, "sandbox.toml", "sandbox.lock")


@dataclass(frozen=True, kw_only=True)
class CodeCheckout:
    """One version of the code, readable for as long as the block of `Repository.open_code` lasts."""

    version: CodeVersion
    repository: Repository
    scratch: Path

    def export(self, folder: Path) -> None:
        """Write the files into an existing, empty folder, as a checkout would.

        Raises:
            ConfigError: git cannot.
        """
        variables = self.repository.build_git_variables(self.scratch, index="export") | {"GIT_WORK_TREE": str(folder)}
        self.repository.run_git("read-tree", self.version.tree, variables=variables, at=folder)
        self.repository.run_git("checkout-index", "--all", "--force", variables=variables, at=folder)

    def read(self, path: str) -> bytes:
        """Give a file's content.

        Raises:
            ConfigError: This version has no such file.
        """
        name = f"{self.version.tree}:{PurePosixPath(path)}"
        variables = self.repository.build_git_variables(self.scratch, index="export")
        found = self.repository.try_git("cat-file", "blob", name, variables=variables)
        if found.returncode:
            raise ConfigError(
                f"{path} is not in {self.version.ref}",
                hint="commit it there, or correct its name in sandbox.toml; paths are relative to that file",
            )
        return found.stdout

    def read_committed(self, path: str) -> bytes | None:
        """Give a file of the commit that is not part of the code (``sandbox.lock``); None where it has none.

        For the working tree this is None: its own file lies beside ``sandbox.toml``.
        """
        if self.version.ref == WORKING_TREE or self.version.commit is None:
            return None
        found = self.repository.try_git("cat-file", "blob", f"{self.version.commit}:{self.repository.prefix}{path}")
        return None if found.returncode else found.stdout


class Repository:
    """The git repository around a project.

    Args:
        root: The folder of ``sandbox.toml``, absolute; may be a subfolder of the repository.
        excluded_paths: Paths below ``root`` that are no code, beside our own files: the source's folder.

    Raises:
        ConfigError: There is no git, or no repository.
    """

    def __init__(self, root: Path, *, excluded_paths: Sequence[str] = ()) -> None:
        self.root = root
        self.excluded_paths = (*OWN_FILES, *excluded_paths)
        self._git_paths: dict[tuple[str, ...], str] = {}
        if shutil.which("git") is None:
            raise ConfigError("git is not installed; versions of the code come from it", hint="install git")
        found = self.try_git("rev-parse", "--show-prefix", *(word for place in GIT_PATH_QUERIES for word in place))
        if found.returncode:
            said = found.stderr.decode(errors="replace").strip()
            if "not a git repository" not in said:
                raise ConfigError(f"git refuses {root}: {said}")
            raise ConfigError(
                f"{root} is not in a git repository; versions of the code come from git",
                hint="git init && git add -A && git commit -m 'first version'",
            )
        given, asked = os.fsdecode(found.stdout).split("\n")[:-1], (("--show-prefix",), *GIT_PATH_QUERIES)
        if len(given) == len(asked):  # else a folder has a line break in its name, and each is asked for alone
            self._git_paths = dict(zip(asked, given, strict=True))
        self.prefix = self._query_git_path("--show-prefix")

    def resolve_commit(self, ref: str) -> str:
        """Give the commit that a ref names; a missing local ref falls back to ``origin/REF``.

        Raises:
            ConfigError: There is none; the hint says how to fetch it into a shallow clone.
        """
        for candidate in (ref, f"origin/{ref}"):
            found = self.try_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}")
            if found.returncode == 0:
                return found.stdout.decode().strip()
        raise ConfigError(f"there is no git ref {ref!r} in {self.root}", hint=self._suggest_fetch(ref))

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Say whether one commit is in the history of another."""
        return self.try_git("merge-base", "--is-ancestor", ancestor, descendant).returncode == 0

    def find_merge_base(self, one: str, other: str) -> str | None:
        """Give the commit where two histories parted, if there is one."""
        return self.try_git("merge-base", one, other).stdout.decode().strip() or None

    @property
    def is_shallow(self) -> bool:
        """Whether this clone lacks a part of the history."""
        return self.try_git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def find_head(self) -> str | None:
        """Give the commit that the working tree started from; None before the first one."""
        return self.try_git("rev-parse", "--verify", "--quiet", "HEAD").stdout.decode().strip() or None

    @contextlib.contextmanager
    def open_code(self, ref: str | None, *, include: Sequence[str] = ()) -> Iterator[CodeCheckout]:
        """Give one version of the code, for as long as the block lasts.

        Args:
            ref: A git ref; None is the working tree: tracked and untracked files that git does not ignore.
            include: Paths below the root that git ignores and the code needs; of the working tree in both cases.

        Raises:
            ConfigError: There is no such ref, or a path of ``include`` is not there.
        """
        with make_staging_folder(self.root / STATE_FOLDER, label="code") as scratch:
            (scratch / "objects").mkdir()
            commit = self.find_head() if ref is None else self.resolve_commit(ref)
            at_commit = self._write_commit_tree(commit, include, scratch) if commit else None
            tree = at_commit if ref is not None else self._write_working_tree(include, scratch)
            assert tree is not None, "a ref always has a commit"
            version = CodeVersion(ref=ref or WORKING_TREE, commit=commit, tree=tree, dirty=tree != at_commit)
            yield CodeCheckout(version=version, repository=self, scratch=scratch)

    def _write_commit_tree(self, commit: str, include: Sequence[str], scratch: Path) -> str:
        variables = self.build_git_variables(scratch, index="commit")
        self.run_git("read-tree", commit, variables=variables)
        return self._write_tree(include, variables)

    def _write_working_tree(self, include: Sequence[str], scratch: Path) -> str:
        variables = self.build_git_variables(scratch, index="work")
        index = self.root / self._query_git_path("--git-path", "index")
        if index.is_file():
            # What git remembers of each file spares reading it again; that this may be trusted only for files older
            # than the index itself is why the copy must keep the index's own time ("racy git").
            shutil.copy2(index, scratch / "work")
        listed = self.run_git("ls-files", "-z", "--cached", "--others", "--exclude-standard", variables=variables)
        # A name that ends in a slash is a repository inside this one, which is not part of it.
        names = [
            name for name in listed.split(b"\0") if name and not name.endswith(b"/") and not self._is_excluded(name)
        ]
        stdin = b"".join(name + b"\0" for name in names)
        self.run_git("update-index", "-z", "--add", "--remove", "--stdin", variables=variables, stdin=stdin)
        return self._write_tree(include, variables)

    def _write_tree(self, include: Sequence[str], variables: dict[str, str]) -> str:
        not_code = [f":(literal){path}" for path in self.excluded_paths]
        # Only our own index is touched; without --force git asks whether that is meant where HEAD and the file differ.
        self.run_git(
            "rm", "-r", "--cached", "--force", "--quiet", "--ignore-unmatch", "--", *not_code, variables=variables
        )  # fmt: skip
        for path in include:
            if not (self.root / path).exists():
                raise ConfigError(
                    f"pipeline.include: {path} is not there in {self.root}", hint="make it, or leave it out"
                )
            self.run_git("add", "--force", "--", f":(literal){path}", variables=variables)
        # Everything outside the project's folder goes, so that other parts of the repository change no identity.
        prefix = [f"--prefix={self.prefix}"] if self.prefix else []
        found = self.try_git("write-tree", *prefix, variables=variables)
        if found.returncode:
            if self.prefix and b"prefix" in found.stderr:
                raise ConfigError(
                    f"this version of the code has no files in {self.prefix}", hint="name another git ref"
                )
            raise self._build_git_error("write-tree", found)
        return found.stdout.decode().strip()

    def _is_excluded(self, name: bytes) -> bool:
        path = PurePosixPath(os.fsdecode(name))
        return any(path.is_relative_to(left_out) for left_out in self.excluded_paths)

    def build_git_variables(self, scratch: Path, *, index: str) -> dict[str, str]:
        """Give the environment in which git keeps its index and new objects in a scratch folder."""
        objects = _escape_path(str(self.root / self._query_git_path("--git-path", "objects")))
        return {
            "GIT_DIR": self._query_git_path("--absolute-git-dir"),
            "GIT_WORK_TREE": self._query_git_path("--show-toplevel"),
            "GIT_INDEX_FILE": str(scratch / index),
            "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{objects}"',
        }

    def _query_git_path(self, *question: str) -> str:
        if question not in self._git_paths:
            self._git_paths[question] = os.fsdecode(self.run_git("rev-parse", *question).rstrip(b"\n"))
        return self._git_paths[question]

    def run_git(
        self,
        *arguments: str,
        variables: dict[str, str] | None = None,
        at: Path | None = None,
        stdin: bytes = b"",
    ) -> bytes:
        """Run git and give its output.

        Raises:
            ConfigError: git refuses; with its words.
        """
        done = self.try_git(*arguments, variables=variables, at=at, stdin=stdin)
        if done.returncode:
            raise self._build_git_error(arguments[0], done)
        return done.stdout

    def try_git(
        self,
        *arguments: str,
        variables: dict[str, str] | None = None,
        at: Path | None = None,
        stdin: bytes = b"",
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git and give what came of it, whatever that is."""
        own = {name: value for name, value in os.environ.items() if name not in GIT_HOOK_VARIABLES}
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", "advice.addEmbeddedRepo=false", *arguments],
            cwd=at or self.root,
            env=own | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"} | (variables or {}),
            input=stdin,
            capture_output=True,
            check=False,
            umask=0o022,
        )

    def _build_git_error(self, doing: str, done: subprocess.CompletedProcess[bytes]) -> ConfigError:
        said = done.stderr.decode(errors="replace").strip()
        return ConfigError(f"git {doing} failed in {self.root}: {said or f'status {done.returncode}'}")

    def _suggest_fetch(self, ref: str) -> str:
        if self.is_shallow:
            return f"this clone is shallow: git fetch origin {ref}:refs/remotes/origin/{ref}"
        names = (
            self.try_git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags").stdout.decode().split()
        )
        there = f"there are: {', '.join(names[:8])}; " if names else "there is no commit yet; "
        return f"{there}to get it: git fetch origin {ref}; to compare with another: --baseline REF"


def _escape_path(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"')
