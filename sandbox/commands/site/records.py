"""Read a project's samples, promotion records and production tests for its pages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from sandbox.commands.cleanup import inventory
from sandbox.errors import SandboxError, StoreError
from sandbox.impact.document import REPORT_FILE
from sandbox.manifest.production.data_tests import ProductionTests
from sandbox.manifest.sample import SampleManifest
from sandbox.project.sample_checks import read_last_check
from sandbox.promotion.envelope import open_envelope
from sandbox.promotion.records import PROMOTIONS_FOLDER, RECORD_SUFFIX
from sandbox.promotion.statement import parse_statement
from sandbox.report.production.data_tests import TESTS_FILE, TESTS_FOLDER
from sandbox.report.site.contents import SiteSample, SiteTests
from sandbox.samples import catalog
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.promotion.statement import Promotion

Read = TypeVar("Read")


def build_address(kind: str, folder: Path) -> str | None:
    """Return the address of a report in a folder of the state folder; None if there is none."""
    return f"{kind}/{folder.name}/{REPORT_FILE}" if (folder / REPORT_FILE).is_file() else None


def try_to_read(name: str, read: Callable[[], Read], otherwise: Read, problems: dict[str, str]) -> Read:
    """Return what is read; if that fails, add the reason to ``problems`` and return ``otherwise``."""
    try:
        return read()
    except (SandboxError, OSError) as error:
        problems[name] = error.message if isinstance(error, SandboxError) else os.strerror(error.errno or 0)
        return otherwise


def read_samples(project: Project, problems: dict[str, str]) -> list[SiteSample]:
    """Read the samples that a project drew, the last one first; add what cannot be read to ``problems``."""
    home = find_home_folder()
    requests = project.state_folder / "requests"
    names = (
        {path.read_text("utf-8", errors="replace").strip() for path in requests.glob("*")}
        if requests.is_dir()
        else set()
    )
    current = try_to_read("sample", lambda: catalog.read_requested_fingerprint(project), None, problems)
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


def read_promotions(project: Project, problems: dict[str, str]) -> list[Promotion]:
    """Read the promotion records of the project's folder, the last one first; those of its store may be other people's."""
    found = []
    for path in (project.state_folder / PROMOTIONS_FOLDER).glob(f"*/*{RECORD_SUFFIX}"):
        try:
            statement, _ = open_envelope(path.read_text("utf-8", errors="replace"), [], origin=path.name)
            found.append(parse_statement(statement, origin=path.name))
        except StoreError as error:
            problems[path.name] = error.message
    return sorted(found, key=lambda promotion: promotion.created, reverse=True)


def read_tests(project: Project, problems: dict[str, str]) -> list[SiteTests]:
    """Read the results of the production tests, the last one first."""
    found = []
    for path in (project.state_folder / TESTS_FOLDER).glob(f"*/{TESTS_FILE}"):
        if path.parent.name.startswith("."):
            continue
        try:
            document = ProductionTests.read(path)
        except StoreError as error:
            problems[path.parent.name] = error.message
            continue
        found.append(SiteTests(document=document, page=build_address(TESTS_FOLDER, path.parent)))
    return sorted(found, key=lambda one: one.document.created, reverse=True)
