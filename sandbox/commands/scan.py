"""``sandbox scan``: scan the source for data problems."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.scan import ScanDocument
    from sandbox.model import Progress


def scan(project: Project, *, progress: Progress) -> ScanDocument:
    """Scan a project's source; findings are no failure.

    Raises:
        SourceError: The source itself cannot be read.
    """
    from sandbox.scan.scan import scan_source  # noqa: PLC0415 - Ibis is slow to import

    return scan_source(project, now=dt.datetime.now(dt.UTC), progress=progress)
