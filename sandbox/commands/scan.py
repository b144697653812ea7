"""``sandbox scan``: look through the source and say what seems broken in it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.scan import Scan
    from sandbox.model import Progress


def scan(project: Project, *, progress: Progress) -> Scan:
    """Look through a project's source; what is found is no failure.

    Raises:
        SourceError: The source itself cannot be read.
    """
    from sandbox.scan.scan import scanned  # noqa: PLC0415 - Ibis is slow to import

    return scanned(project, now=dt.datetime.now(dt.UTC), progress=progress)
