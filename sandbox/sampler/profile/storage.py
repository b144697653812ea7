"""Where a sample's profile lies: beside its manifest, or with the project where it was made later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.profile import SampleProfile
from sandbox.samples.catalog import PROFILE_FILE, resolve_sample_path
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project


def build_profile_path(project: Project, fingerprint: str) -> Path:
    """Give where the whole profile of a sample lies, which was made after it: a stored sample never changes."""
    return project.state_folder / "profiles" / f"{fingerprint}.json"


def find_profile(project: Project, home: Path, fingerprint: str) -> SampleProfile | None:
    """Give a sample's profile, the whole one if there is one; None where there is none.

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
    """Record a profile that was made after the sample."""
    write_file(build_profile_path(project, fingerprint), profile.to_json_text())
