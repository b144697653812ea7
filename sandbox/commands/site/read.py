"""Read a project's history and status for its pages."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, TypeVar

from sandbox.commands.cleanup import inventory, sandboxes
from sandbox.commands.production.scores import list_scores
from sandbox.commands.report import list_reports
from sandbox.errors import SandboxError, StoreError
from sandbox.impact.document import REPORT_FILE
from sandbox.manifest.production.data_tests import ProductionTests
from sandbox.manifest.sample import SampleManifest
from sandbox.production.scores.outcomes import assess_calibration
from sandbox.project.sample_checks import read_last_check
from sandbox.promotion.envelope import open_envelope
from sandbox.promotion.records import PROMOTIONS_FOLDER, RECORD_SUFFIX
from sandbox.promotion.statement import parse_statement
from sandbox.report.production.data_tests import TESTS_FILE, TESTS_FOLDER
from sandbox.report.site.contents import SiteContents, SiteDiff, SiteSample, SiteTests
from sandbox.samples import catalog
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.production.scores import Score
    from sandbox.promotion.statement import Promotion
    from sandbox.provisioner.doctor.check import DoctorCheck

Read = TypeVar("Read")
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
        SiteDiff(document=entry.document, page=_build_address(DIFFS_FOLDER, entry.folder)) for entry in listing.reports
    ]
    nothing: list[Score] = []
    scores = _try_to_read("scores", lambda: list_scores(project).scores, nothing, problems)
    return SiteContents(
        project=project.settings.project.name,
        made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        diffs=diffs,
        samples=_read_samples(project, problems),
        promotions=_read_promotions(project, problems),
        scores=list(reversed(scores)),
        calibration=assess_calibration(scores),
        tests=_read_tests(project, problems),
        sandboxes=_try_to_read("sandboxes", lambda: sandboxes.ls(project).to_dict(), None, problems)
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


def _build_address(kind: str, folder: Path) -> str | None:
    return f"{kind}/{folder.name}/{REPORT_FILE}" if (folder / REPORT_FILE).is_file() else None


def _try_to_read(name: str, read: Callable[[], Read], otherwise: Read, problems: dict[str, str]) -> Read:
    try:
        return read()
    except (SandboxError, OSError) as error:
        problems[name] = error.message if isinstance(error, SandboxError) else os.strerror(error.errno or 0)
        return otherwise


def _read_samples(project: Project, problems: dict[str, str]) -> list[SiteSample]:
    home = find_home_folder()
    requests = project.state_folder / "requests"
    names = (
        {path.read_text("utf-8", errors="replace").strip() for path in requests.glob("*")}
        if requests.is_dir()
        else set()
    )
    current = _try_to_read("sample", lambda: catalog.read_requested_fingerprint(project), None, problems)
    found = []
    for fingerprint in filter(catalog.FINGERPRINT_PATTERN.fullmatch, names):
        folder = catalog.resolve_sample_path(home, fingerprint)
        if not folder.is_dir():
            continue
        try:
            manifest = SampleManifest.read(folder / catalog.MANIFEST_FILE)
        except StoreError as error:
            problems[f"sample {fingerprint[:12]}"] = error.message
            continue
        found.append(
            SiteSample(
                manifest=manifest,
                size=inventory.compute_size(folder),
                check=read_last_check(project, fingerprint),
                is_current=fingerprint == current,
            )
        )
    return sorted(found, key=lambda sample: sample.manifest.drawn, reverse=True)


def _read_promotions(project: Project, problems: dict[str, str]) -> list[Promotion]:
    """Read the records of the project's folder; those of its store may be other people's."""
    found = []
    for path in (project.state_folder / PROMOTIONS_FOLDER).glob(f"*/*{RECORD_SUFFIX}"):
        try:
            statement, _ = open_envelope(path.read_text("utf-8", errors="replace"), [], origin=path.name)
            found.append(parse_statement(statement, origin=path.name))
        except StoreError as error:
            problems[path.name] = error.message
    return sorted(found, key=lambda promotion: promotion.created, reverse=True)


def _read_tests(project: Project, problems: dict[str, str]) -> list[SiteTests]:
    found = []
    for path in (project.state_folder / TESTS_FOLDER).glob(f"*/{TESTS_FILE}"):
        if path.parent.name.startswith("."):
            continue
        try:
            document = ProductionTests.read(path)
        except StoreError as error:
            problems[path.parent.name] = error.message
            continue
        found.append(SiteTests(document=document, page=_build_address(TESTS_FOLDER, path.parent)))
    return sorted(found, key=lambda one: one.document.created, reverse=True)
