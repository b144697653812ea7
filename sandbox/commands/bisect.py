"""``sandbox diff --bisect``: judge the commit that ``git bisect run`` has checked out.

git takes 0 for good, 1 to 127 for bad, 125 for "cannot be judged", and gives up at 128 and above. So only what
belongs to the commit alone may become 125. What would fail at every commit has to end the search: a pipeline that
does not run in this sandbox, a baseline that is not there, a misspelt key. Therefore the baseline is first compared with
itself, under the same settings; what fails there is not the commit's fault, unless its own ``sandbox.toml`` is.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.commands.diff import diff
from sandbox.config.project_file import FILE
from sandbox.errors import (
    ConfigError,
    PipelineError,
    PipelineMemoryError,
    PipelineTimeoutError,
    SandboxError,
    UnjudgedError,
)
from sandbox.impact.diff import Versions, judged
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.impact.diff import Options
    from sandbox.model import Progress
    from sandbox.report.files import DiffResult

CHECKED_OUT = "HEAD"
BAD = "refs/bisect/bad"
OF_A_VERSION = (ConfigError, PipelineError, PipelineTimeoutError, PipelineMemoryError)
OWN_FILE = (
    f"copy a {FILE} that fits all commits to a name of its own beside it, and name it: --config FILE\n"
    "(git leaves a file alone that no commit has)"
)


def bisect(
    load: Callable[[], Project],
    *,
    baseline: str,
    start: Path,
    given: bool,
    options: Options,
    progress: Progress,
) -> DiffResult:
    """Compare the commit that is checked out with the baseline.

    Args:
        load: Gives the project.
        baseline: The git ref to compare every commit with.
        start: The folder in which the command was called.
        given: Whether the user named the settings' file, so that it is the same for all commits.
        options: See `diff`.
        progress: Shows the steps.

    Raises:
        UnjudgedError: This commit cannot be judged.
        SandboxError: No commit could be judged.
    """
    Repository(start).commit(baseline)  # one that is not there is missing at every commit
    try:
        project = load()
    except ConfigError as error:
        if not given and _of_commit_alone(start, baseline):
            raise _unjudged(error, OWN_FILE) from error
        raise
    try:
        judged(project, Versions(baseline=baseline, candidate=baseline), options, progress=progress)
    except OF_A_VERSION as error:
        if not given and _of_commit_alone(project.root, baseline):
            raise _unjudged(error, OWN_FILE) from error
        raise
    try:
        versions = Versions(baseline=baseline, candidate=CHECKED_OUT)
        return diff(project, versions, options, progress=progress)
    except OF_A_VERSION as error:
        raise _unjudged(error, error.hint) from error


def _unjudged(error: SandboxError, hint: str) -> UnjudgedError:
    return UnjudgedError(f"this commit cannot be judged: {error.message}", hint=hint)


def _of_commit_alone(folder: Path, baseline: str) -> bool:
    """Say whether the settings here are the checked out commit's own: it has none, or others than the ends of the search."""
    found = next((place for place in (folder, *folder.parents) if (place / FILE).is_file()), None)
    here = (found / FILE).read_bytes() if found else None
    committed = _committed(found or folder, CHECKED_OUT)
    elsewhere = [_committed(place, ref) for ref in (baseline, BAD) for place in (found or folder, folder)]
    known = [content for content in elsewhere if content is not None]
    if here is None:
        return bool(known)
    return here == committed and here not in known


def _committed(folder: Path, ref: str) -> bytes | None:
    """Give the ``sandbox.toml`` that a commit has in a folder, or above it; None where it has none."""
    try:
        code = Repository(folder)
    except ConfigError:
        return None
    prefix = PurePosixPath(code.prefix)
    for place in (prefix, *prefix.parents):
        found = code.attempt("cat-file", "blob", f"{ref}:{place / FILE}")
        if found.returncode == 0:
            return found.stdout
    return None
