"""Read a project's history and status for its pages."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from sandbox.commands.cleanup import sandboxes
from sandbox.commands.production.scores import list_scores
from sandbox.commands.report import list_reports
from sandbox.commands.site.records import build_address, read_promotions, read_samples, read_tests, try_to_read
from sandbox.impact.document import REPORT_FILE
from sandbox.production.scores.outcomes import assess_calibration
from sandbox.report.production.data_tests import TESTS_FOLDER
from sandbox.report.site.contents import SiteContents, SiteDiff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.production.scores import Score
    from sandbox.provisioner.doctor.check import DoctorCheck

DIFFS_FOLDER = "diffs"


def read_contents(
    project: Project, *, checks: Sequence[DoctorCheck] | None, with_sandboxes: bool = True
) -> SiteContents:
    """Read the history and status of a project; what cannot be read is named, and keeps nothing else from being read.

    Args:
        project: The project.
        checks: The checks of the machine, if they were run.
        with_sandboxes: Whether to measure what its sandboxes hold and use, which takes a while.
    """
    problems: dict[str, str] = {}
    listing = list_reports(project)
    problems.update(listing.damaged)
    diffs = [
        SiteDiff(document=entry.document, page=build_address(DIFFS_FOLDER, entry.folder)) for entry in listing.reports
    ]
    nothing: list[Score] = []
    scores = try_to_read("scores", lambda: list_scores(project).scores, nothing, problems)
    return SiteContents(
        project=project.settings.project.name,
        made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        diffs=diffs,
        samples=read_samples(project, problems),
        promotions=read_promotions(project, problems),
        scores=list(reversed(scores)),
        calibration=assess_calibration(scores),
        tests=read_tests(project, problems),
        sandboxes=try_to_read("sandboxes", lambda: sandboxes.ls(project).to_dict(), None, problems)
        if with_sandboxes
        else None,
        checks=checks,
        problems=problems,
    )


def list_page_files(project: Project) -> dict[str, Path]:
    """Return the reports to which pages lead, by address."""
    folders = [project.state_folder / name for name in (DIFFS_FOLDER, TESTS_FOLDER)]
    found = (
        path for folder in folders for path in folder.glob(f"*/{REPORT_FILE}") if not path.parent.name.startswith(".")
    )
    return {f"{path.parent.parent.name}/{path.parent.name}/{REPORT_FILE}": path for path in found if path.is_file()}
