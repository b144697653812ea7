"""Read the git repository around a project: its refs, and versions of the code as git trees, as seen by runs.

The user's repository is never changed: the index and new objects are in a scratch folder. Every version becomes a tree
in the same way, so equal code has an equal id regardless of its origin.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.model import WORKING_TREE, CodeVersion
from sandbox.runner.code.checkout import CodeCheckout
from sandbox.runner.code.code_index import CodeIndex, CodeScratch
from sandbox.runner.code.git import Git, find_repository
from sandbox.runner.code.submodules import insert_recorded_submodules
from sandbox.runner.code.working_tree import insert_checked_out_submodules, read_working_tree
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

STATE_FOLDER = ".sandbox"
OWN_FILES = (STATE_FOLDER, "sandbox.toml", "sandbox.lock", "sandbox.keys")
MAX_NAMED_REFS = 8


class Repository:
    """The git repository around a project.

    Args:
        root: The folder of ``sandbox.toml``, absolute; may be a subfolder of the repository.
        excluded_paths: Paths that are no code, in addition to sandbox's own files: the source. Relative to ``root``, or
            absolute.
        code_root: The folder of the code, which contains ``root``; relative to it.

    Raises:
        ConfigError: git or the repository is missing, or the folder of the code is outside of it.
    """

    def __init__(self, root: Path, *, excluded_paths: Sequence[str | Path] = (), code_root: str = ".") -> None:
        self.root = root
        self.git = Git(folder=root)
        self._location = find_repository(root)
        self.prefix = self._location.prefix
        folder = PurePosixPath(os.path.normpath(f"{self.prefix or '.'}/{code_root}"))
        if folder.is_absolute() or ".." in folder.parts:
            raise ConfigError(
                f"pipeline.root = {code_root!r} lies outside the git repository {self._location.top}",
                hint="name a folder of the repository that holds the project's folder",
            )
        self._code_folder = self._location.top / folder
        self._project_path = PurePosixPath(self.prefix or ".").relative_to(folder)
        own_paths = [root / path for path in (*OWN_FILES, *excluded_paths)]
        self._excluded = [path for path in map(self._find_code_path, own_paths) if path is not None]

    def resolve_commit(self, ref: str) -> str:
        """Resolve a ref to its commit; a missing local ref falls back to ``origin/REF``.

        Raises:
            ConfigError: The ref does not exist; the hint is the command to fetch it into a shallow clone.
        """
        for candidate in (ref, f"origin/{ref}"):
            result = self.try_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}")
            if result.returncode == 0:
                return result.stdout.decode().strip()
        raise ConfigError(f"there is no git ref {ref!r} in {self.root}", hint=self._suggest_fetch(ref))

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Check whether one commit is in the history of another."""
        return self.try_git("merge-base", "--is-ancestor", ancestor, descendant).returncode == 0

    def find_merge_base(self, first: str, second: str) -> str | None:
        """Find the merge base of two commits, if there is one."""
        return self.try_git("merge-base", first, second).stdout.decode().strip() or None

    @property
    def is_shallow(self) -> bool:
        """Whether this clone lacks a part of the history."""
        return self.try_git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def find_head(self) -> str | None:
        """Find the commit of the working tree; None before the first one."""
        return self.try_git("rev-parse", "--verify", "--quiet", "HEAD").stdout.decode().strip() or None

    def try_git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run git in the project's folder and return its result, regardless of its status."""
        return self.git.try_run(*arguments)

    @contextlib.contextmanager
    def open_code(self, ref: str | None, *, include: Sequence[str] = ()) -> Iterator[CodeCheckout]:
        """Open one version of the code until the block ends.

        Args:
            ref: A git ref; None is the working tree: tracked files, and untracked files not ignored by git.
            include: Paths below the root, ignored by git and needed by the code; always taken from the working tree.

        Raises:
            ConfigError: The ref, a path of ``include`` or the content of a submodule is missing.
            StoreError: The disk is full.
        """
        self._check_include(include)
        with make_staging_folder(self.root / STATE_FOLDER, label="code") as folder:
            scratch = CodeScratch(folder=folder)
            scratch.add_objects(self._location.objects)
            commit = self.find_head() if ref is None else self.resolve_commit(ref)
            recorded, work = (self._build_index(scratch, name) for name in ("commit", "work"))
            if ref is not None:
                assert commit is not None, "a ref always has a commit"
                tree = self._write_commit_tree(recorded, commit, include)
                recorded_tree: str | None = tree
            else:
                tree = self._write_working_tree(work, include)
                recorded_tree = self._try_commit_tree(recorded, commit, include)
            version = CodeVersion(ref=ref or WORKING_TREE, commit=commit, tree=tree, dirty=tree != recorded_tree)
            project_path = "" if self._project_path == PurePosixPath() else str(self._project_path)
            yield CodeCheckout(version=version, index=work, project_path=project_path)

    def _build_index(self, scratch: CodeScratch, name: str) -> CodeIndex:
        return CodeIndex(location=self._location, folder=self._code_folder, scratch=scratch, name=name)

    def _check_project_folder(self, index: CodeIndex, tree: str) -> None:
        if index.git.try_run("cat-file", "-t", f"{tree}:{self._project_path}").stdout.strip() != b"tree":
            raise ConfigError(f"this version of the code has no files in {self.prefix}", hint="name another git ref")

    def _write_commit_tree(self, index: CodeIndex, commit: str, include: Sequence[str]) -> str:
        index.git.run("read-tree", commit)
        insert_recorded_submodules(index, is_excluded=self._is_excluded)
        return self._finish_tree(index, include)

    def _try_commit_tree(self, index: CodeIndex, commit: str | None, include: Sequence[str]) -> str | None:
        """Write the tree of the working tree's commit; None if it or one of its submodules is missing."""
        with contextlib.suppress(ConfigError):
            return self._write_commit_tree(index, commit, include) if commit else None
        return None

    def _write_working_tree(self, index: CodeIndex, include: Sequence[str]) -> str:
        read_working_tree(index, is_excluded=self._is_excluded)
        insert_recorded_submodules(index, is_excluded=self._is_excluded)  # those outside a sparse checkout
        return self._finish_tree(index, include)

    def _finish_tree(self, index: CodeIndex, include: Sequence[str]) -> str:
        """Add included paths, remove excluded ones, and write the tree."""
        for path in include:
            index.git.run("add", "--force", "--", f":(literal){self._project_path / path}")
        if include:
            insert_checked_out_submodules(index, [entry for entry in index.list_files()[0] if entry.is_submodule])
        index.remove(str(path) for path in self._excluded)
        tree = index.write_tree()
        if self._project_path.parts:
            self._check_project_folder(index, tree)
        return tree

    def _check_include(self, include: Sequence[str]) -> None:
        for path in include:
            absolute = self.root / path
            if not absolute.exists():
                raise ConfigError(
                    f"pipeline.include: {path} is not there in {self.root}", hint="make it, or leave it out"
                )
            named = self._find_code_path(absolute)
            if named is None or self._is_excluded(str(named)) or self._is_resolved_excluded(absolute):
                raise ConfigError(
                    f"pipeline.include: {path} is no code: it is the source, or belongs to sandbox or to git",
                    hint="leave it out; a run reads the sample in $SANDBOX_SAMPLE",
                )

    def _find_code_path(self, location: Path) -> PurePosixPath | None:
        """Return a path relative to the folder of the code; None for that folder itself or a path outside."""
        path = PurePosixPath(os.path.relpath(os.path.normpath(location), self._normal_code_folder))
        return None if path.parts[:1] in {("..",), ()} else path

    @property
    def _normal_code_folder(self) -> str:
        """The folder of the code, in the spelling of the project's folder."""
        return os.path.normpath(self.root / Path(*[".."] * len(self._project_path.parts)))

    def _is_excluded(self, name: str) -> bool:
        path = PurePosixPath(name)
        return any(path.is_relative_to(excluded) for excluded in self._excluded) or ".git" in path.parts

    def _is_resolved_excluded(self, location: Path) -> bool:
        """Check whether links on a path lead to excluded files."""
        resolved = location.resolve()
        return any(resolved.is_relative_to((self._code_folder / path).resolve()) for path in self._excluded)

    def _suggest_fetch(self, ref: str) -> str:
        if self.is_shallow:
            return f"this clone is shallow: git fetch origin {ref}:refs/remotes/origin/{ref}"
        listed = self.try_git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags")
        names = listed.stdout.decode().split()
        there = f"there are: {', '.join(names[:MAX_NAMED_REFS])}; " if names else "there is no commit yet; "
        return f"{there}to get it: git fetch origin {ref}; to compare with another: --baseline REF"
