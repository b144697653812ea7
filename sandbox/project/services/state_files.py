"""Locate the files of a sandbox's services in the project's state folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project

PASSWORDS_FILE = "pgpass"
NOTEBOOK_URL_FILE = "notebook.url"


def make_services_folder(project: Project, name: str) -> Path:
    """Create and return the state folder of a sandbox's services."""
    folder = project.state_folder / "services" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def build_notebooks_path(project: Project) -> Path:
    """Return the folder of a project's notebooks; they are the user's work and outlive sandboxes."""
    return project.state_folder / "notebooks"
