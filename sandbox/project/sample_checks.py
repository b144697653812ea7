"""Check a project's sample against production, and keep the last result of each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.production.drift import DriftCheck
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project

CHECKS_FOLDER = "drift"


def build_check_path(project: Project, fingerprint: str) -> Path:
    """Return the path of the last check of a sample."""
    return project.state_folder / CHECKS_FOLDER / f"{fingerprint}.json"


def write_check(project: Project, check: DriftCheck) -> Path:
    """Write a check in place of the sample's last one, and return its path."""
    path = build_check_path(project, check.fingerprint)
    write_file(path, check.to_json_text())
    return path


def read_last_check(project: Project, fingerprint: str) -> DriftCheck | None:
    """Read the last check of a sample; None if there is none, or none that can be read."""
    path = build_check_path(project, fingerprint)
    if not path.is_file():
        return None
    try:
        return DriftCheck.read(path)
    except StoreError:
        return None
