"""Look for the sample of a project, without drawing one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sandbox.config.project_file import load_project
from sandbox.samples import catalog
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from pathlib import Path


def has_sample(folder: Path) -> bool:
    """Return whether the project in a folder, or above it, has a sample on this machine.

    Raises:
        ConfigError: There is no project, or its file is invalid.
        StoreError: The sample is damaged.
    """
    project = load_project(None, start=folder, environ=os.environ, flags={})
    return catalog.find_sample_and_manifest(project, find_home_folder()) is not None
