"""``sandbox.toml``: its schema, its checks, and its loading.

The names are imported when they are used: a comparison of two tables needs single sections, and no project.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.config.project_file import CONFIG_FILE_NAME, find_project_file, load_project
    from sandbox.config.settings import Project, Settings

__all__ = ["CONFIG_FILE_NAME", "Project", "Settings", "find_project_file", "load_project"]

_MODULES = {"Project": "settings", "Settings": "settings"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'project_file')}"), name)
