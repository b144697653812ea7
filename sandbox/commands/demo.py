"""``sandbox demo``: create a small complete project and run a diff in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.commands.diff import diff
from sandbox.config import CONFIG_FILE_NAME, load_project
from sandbox.demo import PLANTED_BUG, create_demo
from sandbox.impact.options import DiffOptions, DiffVersions

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import DiffDocument
    from sandbox.model import Progress
    from sandbox.report.files import DiffResult


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """The diff of the demo, and its planted bug."""

    diff_result: DiffResult
    folder: Path
    planted_bug: str

    @property
    def document(self) -> DiffDocument:
        """The diff's document."""
        return self.diff_result.document

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox demo --json``."""
        return {
            "format_version": 1,
            "folder": str(self.folder),
            "planted": self.planted_bug,
            "diff": self.diff_result.to_dict(),
        }


def demo(folder: Path, *, scale: float, runtime: str | None, progress: Progress) -> DemoResult:
    """Create the project, then run ``sandbox create`` and ``sandbox diff`` in it.

    Raises:
        UsageError: The folder exists and is not empty.
    """
    create_demo(folder, scale=scale, progress=progress)
    flags: dict[tuple[str, ...], str] = {("stack", "runtime"): runtime} if runtime else {}
    project = load_project(folder / CONFIG_FILE_NAME, start=folder, environ=os.environ, flags=flags)
    result = diff(project, DiffVersions(), DiffOptions(), progress=progress)
    return DemoResult(diff_result=result, folder=folder, planted_bug=PLANTED_BUG)
