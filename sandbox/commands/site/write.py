"""``sandbox report --site``: write a project's history and status into a folder, for CI to publish."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.commands.doctor import doctor
from sandbox.commands.site.read import list_page_files, read_contents
from sandbox.errors import StoreError, UsageError
from sandbox.manifest.json_reader import parse_json
from sandbox.report.site.pages import PAGES, render_page
from sandbox.store.folder import translate_os_errors, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.commands.doctor import RuntimeChoice
    from sandbox.config import Project
    from sandbox.model import Progress

LIST_FILE = "site.json"
"""The files of a site, so that the next one removes what it no longer has."""
_REPORT_PATTERN = re.compile(r"(?:diffs|tests)/[^/]+/report\.html")


@dataclass(frozen=True, kw_only=True)
class SiteResult:
    """A written site: its folder, and its number of pages and reports."""

    folder: Path
    pages: int
    reports: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox report --site --json``."""
        index = self.folder / "index.html"
        return {"format_version": 1, "index": str(index), "pages": self.pages, "reports": self.reports}


def write_site(project: Project, folder: Path, *, runtime: RuntimeChoice, progress: Progress) -> SiteResult:
    """Check this machine, and write the pages and the reports to which they lead.

    Files of an earlier site that are no longer there are removed.

    Raises:
        UsageError: The folder has other files, or a link leads out of it.
        StoreError: It cannot be written.
    """
    before = _read_earlier_files(folder)
    reports = list_page_files(project)
    for part in {folder / address.partition("/")[0] for address in reports}:
        if part.is_symlink():
            raise UsageError(f"{part} is a link", hint="name another folder: sandbox report --site DIR")
    checks = doctor(project, runtime=runtime, progress=progress).checks
    with progress.step("reading diffs, samples and records"):
        contents = read_contents(project, checks=checks)
    with translate_os_errors(folder):
        for page in PAGES:
            write_file(folder / page, render_page(contents, page))
        for address, path in reports.items():
            write_file(folder / address, path.read_bytes())
        now = [*PAGES, *sorted(reports)]
        for address in before - set(now):
            (folder / address).unlink(missing_ok=True)
        write_file(folder / LIST_FILE, json.dumps({"format_version": 1, "files": now}, indent=1) + "\n")
    return SiteResult(folder=folder, pages=len(PAGES), reports=len(reports))


def _read_earlier_files(folder: Path) -> set[str]:
    """Return the addresses of an earlier site's files; the folder must be such a site, empty or missing."""
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="name another one: sandbox report --site DIR")
    if not any(folder.iterdir()):
        return set()
    path = folder / LIST_FILE
    hint = "name an empty or a new one: sandbox report --site DIR"
    if not path.is_file():
        raise UsageError(f"{folder} has files that are no site of sandbox", hint=hint)
    try:
        files = parse_json(path.read_text("utf-8", errors="replace"), name=str(path))["files"]
        return {address for address in files if address in PAGES or _REPORT_PATTERN.fullmatch(address)}
    except (StoreError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is damaged, so that {folder} may be no site of sandbox", hint=hint) from error
