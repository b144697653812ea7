"""Read a commit's ``sandbox.toml``, apply its keys to the project, and check that masks are not weakened."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.config.ci import find_target_branch, is_ci
from sandbox.config.project_file import CONFIG_FILE_NAME, resolve_settings
from sandbox.config.rules.loosening import CODE_KEYS, CONNECTION_KEYS, PLACEMENT_KEYS
from sandbox.config.rules.mask_strength import find_weakened_masks
from sandbox.config.settings_checks import find_problems
from sandbox.config.settings_merge import find_replaced_keys, replace_keys
from sandbox.errors import ConfigError
from sandbox.formatting import format_count
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from sandbox.config import Project, Settings


@dataclass(frozen=True, kw_only=True)
class CommittedSettings:
    """The settings of a commit.

    Attributes:
        ref: The commit's name.
        settings: Its settings, combined with the flags and the environment of this call.
    """

    ref: str
    settings: Settings


def read_committed_settings(project: Project, ref: str) -> CommittedSettings | None:
    """Return the settings of a version; None if it has no file.

    Raises:
        ConfigError: The version does not exist, or its file is invalid.
    """
    repository = Repository(project.root)
    commit = repository.resolve_commit(ref)
    path = f"{repository.prefix}{project.file.name}"
    blob = repository.try_git("cat-file", "blob", f"{commit}:{path}")
    if blob.returncode:
        moved = _find_moved_file(repository, commit, project.file.name)
        if moved is None:
            return None
        path, blob = moved, repository.try_git("cat-file", "blob", f"{commit}:{moved}")
    shown = Path(f"{path} at {ref}")
    try:
        text = blob.stdout.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown} cannot be read: {error}") from error
    return CommittedSettings(ref=ref, settings=resolve_settings(shown, text, project.given))


def _find_moved_file(repository: Repository, commit: str, name: str) -> str | None:
    """Find the former path of a moved settings file: in the commit, and missing or a link in the working tree.

    Otherwise a file that moves to another folder would escape the comparison with its former version.
    """
    top = Path(os.path.realpath(os.fsdecode(repository.git.run("rev-parse", "--show-toplevel").rstrip(b"\n"))))
    listed = repository.try_git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit).stdout
    names = {os.fsencode(name), os.fsencode(CONFIG_FILE_NAME)}
    paths = [os.fsdecode(path) for path in listed.split(b"\0") if path.rpartition(b"/")[2] in names]
    gone = [path for path in paths if not _is_regular_file(top, path)]
    if len(gone) > 1:
        raise ConfigError(
            f"{repository.root} has a {name} that {commit[:12]} has not, which has others that are gone: {', '.join(gone)}",
            hint="move one project at a time, so that its rules can be compared",
        )
    return gone[0] if gone else None


def _is_regular_file(top: Path, path: str) -> bool:
    """Return whether a path is a file, and no link leads elsewhere on the way."""
    return (top / path).is_file() and os.path.realpath(top / path) == str(top / path)


def build_version_project(project: Project, ref: str | None) -> Project:
    """Return the project with the code keys of one version's own file; None is the working tree.

    If that version has no file, or the keys were given by hand, the working tree's keys apply.
    """
    committed = read_committed_settings(project, ref) if ref is not None else None
    if committed is None:
        return project
    settings = replace_keys(project.settings, committed.settings, CODE_KEYS, given=project.given_keys)
    return _replace_settings(project, settings, f"{project.file.name} with the [pipeline] of {ref}")


def use_trusted_placement(project: Project, baseline: str | None) -> Project:
    """Under ``CI=true`` return the project with the baseline's settings for source and place of execution, else unchanged.

    Args:
        project: The project of the working tree.
        baseline: Production's version from a flag, if any.

    Raises:
        ConfigError: The baseline's version does not exist, or its file is invalid.
    """
    trusted = find_trusted_settings(project, baseline) if is_ci() else None
    if trusted is None:
        return project
    keys = PLACEMENT_KEYS | CONNECTION_KEYS
    settings = replace_keys(project.settings, trusted.settings, keys, given=project.given_keys)
    ignored = find_replaced_keys(project.settings, settings, keys)
    production = _prefer_remote(project, settings.pipeline.production)
    if "pipeline.production" not in project.given_keys:
        pipeline = settings.pipeline.model_copy(update={"production": production})
        settings = settings.model_copy(update={"pipeline": pipeline})
    replaced = _replace_settings(project, settings, f"{project.file.name} with where code runs as {trusted.ref} says")
    return dataclasses.replace(replaced, ignored_keys=tuple(ignored))


def find_trusted_settings(project: Project, baseline: str | None = None) -> CommittedSettings | None:
    """Return the settings of production's version, named by a source outside the change's control.

    A flag or the environment names the version. Otherwise the CI server names the target branch, and the file of that
    branch names the version. Without both, the working tree's own file names it. None if the version has no file, or
    there is no repository.

    Raises:
        ConfigError: The version does not exist, or its file is invalid.
    """
    if not _is_in_repository(project):
        return None
    target = find_target_branch(os.environ)
    if baseline is None and target is not None and "pipeline.production" not in project.given_keys:
        branch = read_committed_settings(project, _prefer_remote(project, target))
        if branch is None:
            return None
        baseline = _prefer_remote(project, branch.settings.pipeline.production)
    return read_committed_settings(project, baseline or project.settings.pipeline.production)


def _is_in_repository(project: Project) -> bool:
    """Return whether a repository surrounds a project.

    Raises:
        ConfigError: It is a submodule, whose refs a change of the repository around it can choose.
    """
    try:
        repository = Repository(project.root)
    except ConfigError:
        return False
    outer = repository.try_git("rev-parse", "--show-superproject-working-tree").stdout.strip()
    if outer:
        raise ConfigError(
            f"{project.root} lies in a submodule of {os.fsdecode(outer)}: under CI=true its refs do not say what production is",
            hint="run sandbox in a clone of that repository itself",
        )
    return True


def _prefer_remote(project: Project, branch: str) -> str:
    """Return the remote's branch of a name where there is one: a local one may be the change itself, from a fork."""
    name = f"refs/remotes/origin/{branch}"
    result = Repository(project.root).try_git("rev-parse", "--verify", "--quiet", name)
    return branch if result.returncode else f"origin/{branch}"


def check_masks(project: Project, baseline: CommittedSettings) -> None:
    """Check that no mask of the baseline's file is removed or weakened.

    Raises:
        ConfigError: A mask is, and no flag accepts it.
    """
    weakened = list(find_weakened_masks(baseline.settings, project.settings))
    if not weakened or project.accept_masks:
        return
    rows = [f"  {mask.table}.{mask.column}: {mask.candidate} instead of {mask.baseline}" for mask in weakened]
    count = format_count(len(weakened), "mask")
    raise ConfigError(
        "\n".join([f"{project.file} weakens {count} of {baseline.ref}:", *rows]),
        hint="restore what is masked there; whoever may read these columns accepts it by hand: --accept-masks",
    )


def check_masks_in_ci(project: Project) -> None:
    """Under ``CI=true``, check masks (see `check_masks`) against the version named by the server."""
    if is_ci() and not project.accept_masks:
        trusted = find_trusted_settings(project)
        if trusted is not None:
            check_masks(project, trusted)


def _replace_settings(project: Project, settings: Settings, shown: str) -> Project:
    """Return the project with other settings after checking them together.

    A network unused by the pipeline is accepted.
    """
    problems = [problem for problem in find_problems(settings) if problem.key != ("stack", "network")]
    if problems:
        listed = "\n".join(f"  {'.'.join(map(str, problem.key))}: {problem.message}" for problem in problems)
        raise ConfigError(f"{shown} is wrong:\n{listed}")
    return dataclasses.replace(project, settings=settings)
