"""Write the files of one diff: ``diff.json`` and the reports beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.impact.document import REPORT_FILE
from sandbox.report.redaction import redact_document
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
    """The document of a diff and the path of its report (None for two plain tables)."""

    document: DiffDocument
    folder: Path | None

    @property
    def verdict(self) -> Verdict:
        """The verdict: ``same``, ``within_gate`` or ``outside_gate``."""
        return self.document.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox diff --json``: the same as ``diff.json``."""
        return self.document.to_dict()


def write_document(project: Project, document: DiffDocument, *, values: bool) -> DiffResult:
    """Write a project's document and reports atomically; without ``values``, none contains a value of a row."""
    document = document if values else redact_document(document)
    folder = project.state_folder / "diffs" / document.id
    with stage_folder(folder) as staged:
        for name, text in render_files(project, document).items():
            (staged / name).write_text(text, "utf-8")
        restrict_access(staged)
    return DiffResult(document=document, folder=folder)


def render_files(project: Project, document: DiffDocument) -> dict[str, str]:
    """Return the text of each file of a diff."""
    # jinja2 is slow to import, and a comparison of two tables has no files.
    from sandbox.report.html.page import render_html  # noqa: PLC0415
    from sandbox.report.junit import render_junit  # noqa: PLC0415
    from sandbox.report.markdown import render_comment  # noqa: PLC0415
    from sandbox.sampler.profile import storage  # noqa: PLC0415

    profile = (
        storage.find_profile(project, find_home_folder(), document.sample.fingerprint) if document.sample else None
    )
    return {
        DOCUMENT_FILE: document.to_json_text(),
        REPORT_FILE: render_html(document, profile),
        COMMENT_FILE: render_comment(document),
        JUNIT_FILE: render_junit(document),
    }
