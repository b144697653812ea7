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
from sandbox.config.project_file import CONFIG_FILE_NAME
from sandbox.errors import (
    BisectSkipError,
    ConfigError,
    PipelineError,
    PipelineMemoryError,
    PipelineTimeoutError,
    SandboxError,
)
from sandbox.impact.diff import DiffVersions, compare_versions
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.impact.diff import DiffOptions
    from sandbox.model import Progress
    from sandbox.report.files import DiffResult

HEAD_REF = "HEAD"
BAD_REF = "refs/bisect/bad"
VERSION_ERRORS = (ConfigError, PipelineError, PipelineTimeoutError, PipelineMemoryError)
CONFIG_FILE_HINT = (
    f"copy a {CONFIG_FILE_NAME} that fits all commits to a name of its own beside it, and name it: --config FILE\n"
    "(git leaves a file alone that no commit has)"
)


def bisect(
    load: Callable[[], Project],
    *,
    baseline: str,
    start: Path,
    given: bool,
    options: DiffOptions,
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
    Repository(start).resolve_commit(baseline)  # one that is not there is missing at every commit
    try:
        project = load()
    except ConfigError as error:
        if not given and _has_commit_specific_settings(start, baseline):
            raise _build_unjudged_error(error, CONFIG_FILE_HINT) from error
        raise
    try:
        compare_versions(project, DiffVersions(baseline=baseline, candidate=baseline), options, progress=progress)
    except VERSION_ERRORS as error:
        if not given and _has_commit_specific_settings(project.root, baseline):
            raise _build_unjudged_error(error, CONFIG_FILE_HINT) from error
        raise
    try:
        versions = DiffVersions(baseline=baseline, candidate=HEAD_REF)
        return diff(project, versions, options, progress=progress)
    except VERSION_ERRORS as error:
        raise _build_unjudged_error(error, error.hint) from error


def _build_unjudged_error(error: SandboxError, hint: str) -> BisectSkipError:
    return BisectSkipError(f"this commit cannot be judged: {error.message}", hint=hint)


def _has_commit_specific_settings(folder: Path, baseline: str) -> bool:
    """Say whether the settings here are the checked out commit's own: it has none, or others than the ends of the search."""
    found = next((place for place in (folder, *folder.parents) if (place / CONFIG_FILE_NAME).is_file()), None)
    here = (found / CONFIG_FILE_NAME).read_bytes() if found else None
    committed = _read_committed_settings(found or folder, HEAD_REF)
    elsewhere = [
        _read_committed_settings(place, ref) for ref in (baseline, BAD_REF) for place in (found or folder, folder)
    ]
    known = [content for content in elsewhere if content is not None]
    if here is None:
        return bool(known)
    return here == committed and here not in known


def _read_committed_settings(folder: Path, ref: str) -> bytes | None:
    """Give the ``sandbox.toml`` that a commit has in a folder, or above it; None where it has none."""
    try:
        code = Repository(folder)
    except ConfigError:
        return None
    prefix = PurePosixPath(code.prefix)
    for place in (prefix, *prefix.parents):
        found = code.try_git("cat-file", "blob", f"{ref}:{place / CONFIG_FILE_NAME}")
        if found.returncode == 0:
            return found.stdout
    return None
