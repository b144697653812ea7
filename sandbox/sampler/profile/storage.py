"""Store a sample's profile beside its manifest, or with the project if it was computed later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.profile import SampleProfile
from sandbox.samples.catalog import PROFILE_FILE, resolve_sample_path
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project


def build_profile_path(project: Project, fingerprint: str) -> Path:
    """Return the path of a profile computed after the draw; a stored sample never changes."""
    return project.state_folder / "profiles" / f"{fingerprint}.json"


def find_profile(project: Project, home: Path, fingerprint: str) -> SampleProfile | None:
    """Return a sample's profile, preferring the complete one; None if there is none.

    Raises:
        StoreError: It is damaged or of an unknown format.
    """
    for path in (
        build_profile_path(project, fingerprint),
        resolve_sample_path(home, fingerprint) / PROFILE_FILE,
    ):
        if path.is_file():
            return SampleProfile.read(path)
    return None


def write_profile(project: Project, fingerprint: str, profile: SampleProfile) -> None:
    """Write a profile computed after the draw."""
    write_file(build_profile_path(project, fingerprint), profile.to_json_text())
