"""Open a project's git repository and read files of its code."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from sandbox.dbt import runs
from sandbox.errors import ConfigError
from sandbox.project.committed_settings import find_trusted_settings
from sandbox.runner.repository import Repository
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.runner.code.checkout import CodeCheckout

GIT_FOLDER = ".git"


def open_code_repository(project: Project) -> Repository:
    """Open the git repository of a project, excluding the source and sandbox's own folders."""
    excluded = [*list_data_paths(project), project.file]
    return Repository(project.root, excluded_paths=excluded, code_root=project.settings.pipeline.root)


def build_file_reader(project: Project, folder: Path) -> Callable[[str], bytes]:
    """Build the function that reads files of the working tree, by paths relative to a folder.

    It refuses files outside the git repository, unless ``project.allow_outside`` permits them. It always refuses files
    of the source, of sandbox and of git, because files in an image reach the runs.
    """

    @functools.cache
    def list_no_code() -> list[Path]:
        return [*list_data_paths(project), project.state_folder.resolve()]

    def read_file(path: str) -> bytes:
        target = (folder / path).resolve()
        if not _is_in_repository(project, target) and not project.allow_outside:
            raise ConfigError(
                f"{path} leads to {target}, outside the git repository of {project.file.name}",
                hint="copy the file into the repository; to read it all the same, call with --allow-outside",
            )
        if any(target.is_relative_to(data) for data in list_no_code()) or GIT_FOLDER in target.parts:
            raise ConfigError(
                f"{path} is no code: it is of the source, or belongs to sandbox or to git",
                hint="name a file of the code",
            )
        try:
            return target.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{folder / path} cannot be read: {error.strerror}", hint="make it, or correct [stack] requirements"
            ) from error

    return read_file


def build_code_reader(project: Project, code: CodeCheckout) -> Callable[[str], bytes]:
    """Build the function that reads files of one version of the code, by paths relative to ``sandbox.toml``.

    Files outside the git repository are the same for every version and need ``project.allow_outside``.
    """
    read_file = build_file_reader(project, project.root)

    def read_code_file(path: str) -> bytes:
        if project.allow_outside and not _is_in_repository(project, (project.root / path).resolve()):
            return read_file(path)
        return code.read(path)

    return read_code_file


def list_data_paths(project: Project) -> list[Path]:
    """List the resolved folders and files of the source, the store and ``$SANDBOX_HOME``.

    They include the source in production's ``sandbox.toml``: a change could name another source, turning the former one
    into code.
    """
    settings, root = project.settings, project.root
    seeds = [path for path, _ in runs.find_seed_files(project).values()] if runs.is_dbt_project(project) else []
    named = [*(seeds or [settings.source.uri]), settings.source.store, *_list_trusted_data(project)]
    local = [path for path in named if path is not None and "://" not in path]
    paths = [*((root / path).resolve() for path in local), find_home_folder().resolve()]
    return [path for path in paths if not root.is_relative_to(path)]


def _list_trusted_data(project: Project) -> list[str]:
    """List source and store of production's file if they differ from the working tree's."""
    try:
        trusted = find_trusted_settings(project)
    except ConfigError:  # a diff reports a missing version itself
        return []
    if trusted is None:
        return []
    here, there = project.settings.source, trusted.settings.source
    return [path for path in (there.uri, there.store) if path is not None and path not in {here.uri, here.store}]


def _is_in_repository(project: Project, path: Path) -> bool:
    root = project.root
    top = next((folder for folder in (root, *root.parents) if (folder / GIT_FOLDER).exists()), root)
    return path.is_relative_to(top.resolve())
