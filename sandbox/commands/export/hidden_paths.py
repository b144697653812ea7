"""Find the parts of the project's folder hidden from a run: files that git ignores, the source, and `.sandbox`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.formatting import format_count
from sandbox.project.code_files import list_data_paths
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.config import Project

MAX_HIDDEN_PATHS = 200  # each is a mount


@dataclass(frozen=True, kw_only=True)
class HiddenPaths:
    """Paths relative to the project's folder."""

    folders: Sequence[str]
    files: Sequence[str]


def list_hidden_paths(project: Project) -> HiddenPaths:
    """Return what an export hides from the pipeline.

    Raises:
        ConfigError: There is no repository, or too many ignored files lie apart.
    """
    listed = Repository(project.root).try_git(
        "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", "--no-empty-directory", "."
    )
    root = project.root.resolve()
    ignored = {os.fsdecode(path).rstrip("/") for path in listed.stdout.split(b"\0") if path}
    data = {str(path.relative_to(root)) for path in list_data_paths(project) if path.is_relative_to(root)}
    included = set(project.settings.pipeline.include)
    paths = sorted((ignored | data | {project.state_folder.name}) - included)
    outermost = [path for path in paths if not any(path.startswith(f"{other}/") for other in paths)]
    if len(outermost) > MAX_HIDDEN_PATHS:
        raise ConfigError(
            f"git ignores {format_count(len(outermost), 'path')} in {root}, and an export can hide {MAX_HIDDEN_PATHS}",
            hint="remove them (git clean -fdX), or gather them in a folder that git ignores",
        )
    folders = [path for path in outermost if (root / path).is_dir() and not (root / path).is_symlink()]
    files = [path for path in outermost if (root / path).is_file() and not (root / path).is_symlink()]
    return HiddenPaths(folders=folders, files=files)
