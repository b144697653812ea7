"""The files of one diff: ``diff.json`` and the reports beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.impact.document import REPORT
from sandbox.report.html.page import html
from sandbox.report.junit import junit
from sandbox.report.markdown import comment
from sandbox.report.redaction import without_values
from sandbox.sampler.profile import storage
from sandbox.store.folder import staged
from sandbox.store.paths import home

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.diff import DiffDocument, Verdict

DOCUMENT = "diff.json"
COMMENT = "comment.md"
JUNIT = "junit.xml"


@dataclass(frozen=True, kw_only=True)
class DiffResult:
    """What was found, and where the report is (None for two plain tables)."""

    document: DiffDocument
    folder: Path | None

    @property
    def verdict(self) -> Verdict:
        """One of ``same``, ``within_gate``, ``outside_gate``."""
        return self.document.verdict

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox diff --json``: the same as ``diff.json``."""
        return self.document.fields()


def written(project: Project, found: DiffDocument, *, values: bool) -> DiffResult:
    """Write a project's document and its reports, whole or not at all; without ``values`` none holds a value of a row."""
    found = found if values else without_values(found)
    folder = project.state / "diffs" / found.id
    profile = storage.known(project, home(), found.sample.fingerprint) if found.sample else None
    with staged(folder) as place:
        (place / DOCUMENT).write_text(found.text(), "utf-8")
        (place / REPORT).write_text(html(found, profile), "utf-8")
        (place / COMMENT).write_text(comment(found), "utf-8")
        (place / JUNIT).write_text(junit(found), "utf-8")
    return DiffResult(document=found, folder=folder)
