"""Run the git command with its environment, options and errors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError, SandboxError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Set by git for its hooks, or by the user: they would redirect these calls to another repository, index or path.
REMOVED_VARIABLES = {
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_COMMON_DIR",
    "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
}  # fmt: skip
# A repository may configure programs started by git, and settings that hide files.
OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.trustctime=true",  # else an edit that keeps size and mtime is not seen
    "core.checkStat=default",
    "core.ignoreStat=false",
    "core.sparseCheckout=false",
    "core.splitIndex=false",
    "index.sparse=false",
    "submodule.recurse=false",
    "advice.addEmbeddedRepo=false",
)
WRITE_FAILURE = re.compile(r"No space left|quota exceeded|unable to write|failed to write|write error|File too large")
QUERIES = (("--absolute-git-dir",), ("--show-toplevel",), ("--git-path", "objects"), ("--git-path", "index"))


@dataclass(frozen=True, kw_only=True)
class Git:
    """The git command in one folder, with additional variables."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run git and return its output.

        Raises:
            ConfigError: git refuses; the message quotes it.
            StoreError: git cannot write, for example on a full disk.
        """
        done = self.try_run(*arguments, stdin=stdin)
        if done.returncode:
            raise self.build_error(arguments[0], done)
        return done.stdout

    def try_run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run git and return its result, whatever its status."""
        inherited = {name: value for name, value in os.environ.items() if name not in REMOVED_VARIABLES}
        return subprocess.run(
            ["git", *(word for option in OPTIONS for word in ("-c", option)), *arguments],
            cwd=self.folder,
            env=inherited | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"} | dict(self.variables),
            input=stdin,
            capture_output=True,
            check=False,
            umask=0o022,
        )

    def build_error(self, doing: str, done: subprocess.CompletedProcess[bytes]) -> SandboxError:
        """Build the error of a failed call."""
        output = done.stderr.decode(errors="replace").strip()
        message = f"git {doing} failed in {self.folder}: {output or f'status {done.returncode}'}"
        if WRITE_FAILURE.search(output):
            return StoreError(message, hint="free some space on this disk, then try again")
        return ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class GitLocation:
    """The absolute paths of a repository.

    Attributes:
        git_dir: Its ``.git`` folder.
        top: The folder of its working tree.
        objects: Its object store.
        index: Its index, possibly absent.
        prefix: The path from ``top`` to the requested folder; empty, or with a slash at the end.
    """

    git_dir: Path
    top: Path
    objects: Path
    index: Path
    prefix: str


def find_repository(folder: Path) -> GitLocation:
    """Find the repository around a folder.

    Raises:
        ConfigError: git or the repository is missing.
    """
    if shutil.which("git") is None:
        raise ConfigError("git is not installed; versions of the code come from it", hint="install git")
    git = Git(folder=folder)
    done = git.try_run("rev-parse", "--show-prefix", *(word for query in QUERIES for word in query))
    if done.returncode:
        output = done.stderr.decode(errors="replace").strip()
        if "not a git repository" not in output:
            raise ConfigError(f"git refuses {folder}: {output}")
        raise ConfigError(
            f"{folder} is not in a git repository; versions of the code come from git",
            hint="git init && git add -A && git commit -m 'first version'",
        )
    answers = os.fsdecode(done.stdout).split("\n")[:-1]
    if len(answers) != len(QUERIES) + 1:  # a folder has a line break in its name
        separate = [git.run("rev-parse", *query) for query in (("--show-prefix",), *QUERIES)]
        answers = [os.fsdecode(answer.removesuffix(b"\n")) for answer in separate]
    prefix, *paths = answers
    git_dir, top, objects, index = (folder / path for path in paths)
    return GitLocation(git_dir=git_dir, top=top, objects=objects, index=index, prefix=prefix)
