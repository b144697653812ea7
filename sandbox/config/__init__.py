"""``sandbox.toml``: its shape, its checks, and the one function that reads it."""

from sandbox.config.project_file import FILE, find, load
from sandbox.config.settings import Project, Settings

__all__ = ["FILE", "Project", "Settings", "find", "load"]
