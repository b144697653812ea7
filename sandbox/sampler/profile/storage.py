"""Where a sample's profile lies: beside its manifest, or with the project where it was made later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.profile import Profile
from sandbox.samples.catalog import PROFILE, folder_of
from sandbox.store.folder import write

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project


def later(project: Project, fingerprint: str) -> Path:
    """Give where the whole profile of a sample lies, which was made after it: a stored sample never changes."""
    return project.state / "profiles" / f"{fingerprint}.json"


def known(project: Project, home: Path, fingerprint: str) -> Profile | None:
    """Give a sample's profile, the whole one if there is one; None where there is none.

    Raises:
        StoreError: It is damaged or of an unknown format.
    """
    for path in (later(project, fingerprint), folder_of(home, fingerprint) / PROFILE):
        if path.is_file():
            return Profile.read(path)
    return None


def keep(project: Project, fingerprint: str, profile: Profile) -> None:
    """Record a profile that was made after the sample."""
    write(later(project, fingerprint), profile.text())
