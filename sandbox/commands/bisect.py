"""``sandbox diff --bisect``: judge the commit checked out by ``git bisect run``.

git takes 0 for good, 1 to 127 for bad, 125 for "cannot be judged", and gives up at 128 and above. So only faults of the
commit itself may become 125. Faults of every commit must end the search: a pipeline that does not run in this sandbox,
a missing baseline, a misspelt key. Therefore the baseline is first compared with itself under the same settings. A
failure there is not the commit's fault, unless its own ``sandbox.toml`` is.
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
from sandbox.impact.diff import compare_versions
from sandbox.impact.options import DiffVersions
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.impact.options import DiffOptions
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
    has_config_flag: bool,
    options: DiffOptions,
    progress: Progress,
) -> DiffResult:
    """Compare the checked-out commit with the baseline.

    Args:
        load: Loads the project.
        baseline: The git ref to compare every commit with.
        start: The folder of the command's call.
        has_config_flag: Whether the user named the settings' file, so that it is the same for all commits.
        options: See `diff`.
        progress: Shows the steps.

    Raises:
        BisectSkipError: This commit cannot be judged.
        SandboxError: No commit can be judged.
    """
    Repository(start).resolve_commit(baseline)  # a missing baseline is missing at every commit
    try:
        project = load()
    except ConfigError as error:
        if not has_config_flag and _has_commit_specific_settings(start, baseline):
            raise _build_unjudged_error(error, CONFIG_FILE_HINT) from error
        raise
    try:
        compare_versions(project, DiffVersions(baseline=baseline, candidate=baseline), options, progress=progress)
    except VERSION_ERRORS as error:
        if not has_config_flag and _has_commit_specific_settings(project.root, baseline):
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
    """Check whether the checked-out commit has no settings, or others than both ends of the search."""
    owner = next((path for path in (folder, *folder.parents) if (path / CONFIG_FILE_NAME).is_file()), None)
    here = (owner / CONFIG_FILE_NAME).read_bytes() if owner else None
    committed = _read_committed_settings(owner or folder, HEAD_REF)
    elsewhere = [
        _read_committed_settings(path, ref) for ref in (baseline, BAD_REF) for path in (owner or folder, folder)
    ]
    known = [content for content in elsewhere if content is not None]
    if here is None:
        return bool(known)
    return here == committed and here not in known


def _read_committed_settings(folder: Path, ref: str) -> bytes | None:
    """Read a commit's ``sandbox.toml`` in a folder or above it; None if there is none."""
    try:
        code = Repository(folder)
    except ConfigError:
        return None
    prefix = PurePosixPath(code.prefix)
    for parent in (prefix, *prefix.parents):
        blob = code.try_git("cat-file", "blob", f"{ref}:{parent / CONFIG_FILE_NAME}")
        if blob.returncode == 0:
            return blob.stdout
    return None
