"""``sandbox.toml``: its schema, its checks, and its loading."""

from sandbox.config.project_file import CONFIG_FILE_NAME, find_project_file, load_project
from sandbox.config.settings import Project, Settings

__all__ = ["CONFIG_FILE_NAME", "Project", "Settings", "find_project_file", "load_project"]
