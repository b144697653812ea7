"""The files of one diff: ``diff.json`` and the reports beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.impact.document import REPORT_FILE
from sandbox.report.html.page import render_html
from sandbox.report.junit import render_junit
from sandbox.report.markdown import render_comment
from sandbox.report.redaction import redact_document
from sandbox.sampler.profile import storage
from sandbox.store.folder import restrict_access, stage_folder
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.diff import DiffDocument, Verdict

DOCUMENT_FILE = "diff.json"
COMMENT_FILE = "comment.md"
JUNIT_FILE = "junit.xml"


@dataclass(frozen=True, kw_only=True)
class DiffResult:
    """What was found, and where the report is (None for two plain tables)."""

    document: DiffDocument
    folder: Path | None

    @property
    def verdict(self) -> Verdict:
        """One of ``same``, ``within_gate``, ``outside_gate``."""
        return self.document.verdict

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox diff --json``: the same as ``diff.json``."""
        return self.document.to_dict()


def write_document(project: Project, found: DiffDocument, *, values: bool) -> DiffResult:
    """Write a project's document and its reports, whole or not at all; without ``values`` none holds a value of a row."""
    found = found if values else redact_document(found)
    folder = project.state_folder / "diffs" / found.id
    profile = storage.find_profile(project, find_home_folder(), found.sample.fingerprint) if found.sample else None
    with stage_folder(folder) as place:
        (place / DOCUMENT_FILE).write_text(found.to_json_text(), "utf-8")
        (place / REPORT_FILE).write_text(render_html(found, profile), "utf-8")
        (place / COMMENT_FILE).write_text(render_comment(found), "utf-8")
        (place / JUNIT_FILE).write_text(render_junit(found), "utf-8")
        restrict_access(place)
    return DiffResult(document=found, folder=folder)
