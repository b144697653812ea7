"""``sandbox demo``: make a small but complete project and run the main job on it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.commands.diff import diff
from sandbox.config import FILE, load
from sandbox.demo import PLANTED, make
from sandbox.impact.diff import Options, Versions

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import DiffDocument
    from sandbox.model import Progress
    from sandbox.report.files import DiffResult


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demonstration found, and the mistake that was planted in it."""

    found: DiffResult
    folder: Path
    planted: str

    @property
    def document(self) -> DiffDocument:
        """The comparison."""
        return self.found.document

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox demo --json``."""
        return {
            "format_version": 1,
            "folder": str(self.folder),
            "planted": self.planted,
            "diff": self.found.fields(),
        }


def demo(folder: Path, *, scale: float, runtime: str | None, progress: Progress) -> DemoResult:
    """Make the project, then do what ``sandbox create`` and ``sandbox diff`` do in it.

    Raises:
        UsageError: The folder is there and not empty.
    """
    make(folder, scale=scale, progress=progress)
    flags: dict[tuple[str, ...], str] = {("stack", "runtime"): runtime} if runtime else {}
    project = load(folder / FILE, start=folder, environ=os.environ, flags=flags)
    found = diff(project, Versions(), Options(), progress=progress)
    return DemoResult(found=found, folder=folder, planted=PLANTED)
