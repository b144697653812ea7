"""Locate the folder shared by all projects of a user, and the packaged files."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

import sandbox


def find_home_folder() -> Path:
    """Return the folder shared by a user's projects: ``$SANDBOX_HOME``, or the platform's user data folder."""
    named = os.environ.get("SANDBOX_HOME")
    return Path(named).expanduser().absolute() if named else platformdirs.user_data_path("sandbox", appauthor=False)


def find_packaged_folder(kind: str) -> Path:
    """Return the folder of ``images`` or ``templates``, in a checkout or an installed wheel."""
    package = Path(sandbox.__file__).parent
    inside = package / "_data" / kind
    return inside if inside.is_dir() else package.parent / kind
