"""``sandbox report``: find the reports of a project's diffs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError, UsageError
from sandbox.impact.document import REPORT_FILE
from sandbox.manifest.diff import DiffDocument
from sandbox.report.files import COMMENT_FILE, DOCUMENT_FILE, JUNIT_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project

NO_REPORT_HINT = "compare something first: sandbox diff"
DAMAGED_REPORT_HINT = "make it again: sandbox diff; or open another: sandbox report --list"


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """A diff's folder and document."""

    folder: Path
    document: DiffDocument

    @property
    def page(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_FILE

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox report --json``: its outcome and the paths of its files."""
        document = self.document
        return {
            "format_version": 1,
            "id": document.id,
            "created": document.created,
            "verdict": document.verdict,
            "baseline": document.baseline.ref,
            "candidate": document.candidate.ref,
            "path": str(self.folder),
            "report": str(self.page),
            "files": [
                str(self.folder / name)
                for name in (DOCUMENT_FILE, REPORT_FILE, COMMENT_FILE, JUNIT_FILE)
                if (self.folder / name).is_file()
            ],
        }


@dataclass(frozen=True, kw_only=True)
class ReportList:
    """A project's diffs, newest first; ``damaged`` maps unreadable folders to the reason."""

    reports: list[StoredReport]
    damaged: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox report --list --json``."""
        return {
            "format_version": 1,
            "reports": [report.to_dict() for report in self.reports],
            "damaged": self.damaged,
        }


def report(project: Project, *, which: str | None) -> StoredReport:
    """Return the diff whose id has the prefix ``which``, or the latest.

    Raises:
        UsageError: None or several ids match.
        StoreError: There is none at all, or it is damaged.
    """
    folders = _list_folders(project)
    if not folders:
        raise StoreError(f"there is no report in {project.state_folder / 'diffs'}", hint=NO_REPORT_HINT)
    if which is not None:
        fitting = [folder for folder in folders if folder.name.startswith(which)]
        if len(fitting) != 1:
            many = "more than one report begins" if fitting else "no report begins"
            raise UsageError(f"{many} with {which!r}", hint="see them all: sandbox report --list")
        folders = fitting
    try:
        stored = StoredReport(folder=folders[0], document=DiffDocument.read(folders[0] / DOCUMENT_FILE))
    except StoreError as error:
        raise StoreError(error.message, hint=error.hint or DAMAGED_REPORT_HINT) from error
    if not stored.page.is_file():
        raise StoreError(f"{stored.page} is missing", hint=DAMAGED_REPORT_HINT)
    return stored


def list_reports(project: Project) -> ReportList:
    """Return all diffs, newest first."""
    result = ReportList(reports=[], damaged={})
    for folder in _list_folders(project):
        try:
            result.reports.append(StoredReport(folder=folder, document=DiffDocument.read(folder / DOCUMENT_FILE)))
        except StoreError as error:
            result.damaged[folder.name] = error.message
    return result


def _list_folders(project: Project) -> list[Path]:
    folder = project.state_folder / "diffs"
    if not folder.is_dir():
        return []
    # Names begin with the time.
    return sorted((path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")), reverse=True)
