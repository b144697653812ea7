"""``sandbox init URI``: read a source and write the ``sandbox.toml`` that it asks for."""

from __future__ import annotations

import datetime as dt
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.config import settings_checks
from sandbox.config.project_file import CONFIG_FILE_NAME, resolve_settings
from sandbox.config.settings import STATE_FOLDER, Settings
from sandbox.errors import ConfigError, SandboxError, UsageError
from sandbox.project.registry import make_state_folder
from sandbox.provisioner.lock.requirements import read_requirements
from sandbox.report import settings_file as report
from sandbox.runner.repository import Repository
from sandbox.sources.discover import list_source
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.model import Progress
    from sandbox.report.settings_file import ProjectContext
    from sandbox.suggest import Proposal

DBT_PROJECT_FILE = "dbt_project.yml"
REQUIREMENTS_FILES = ("uv.lock", "requirements.txt", "pyproject.toml")


@dataclass(frozen=True, kw_only=True)
class SettingsResult:
    """What was written, and what it says."""

    file: Path
    proposal: Proposal

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox init --json``."""
        tables = {
            name: {
                "rows": one.rows,
                "key": list(one.key.columns) if one.key else None,
                "references": [
                    {
                        "columns": list(ref.columns),
                        "table": ref.table,
                        "key": list(ref.key),
                        "share": ref.share,
                    }
                    for ref in one.references
                ],
                "masks": [suspect.column for suspect in self.proposal.masks.get(name, ())],
            }
            for name, one in self.proposal.tables.items()
        }
        return {
            "format_version": 1,
            "files": [str(self.file)],
            "next": ["sandbox plan"],
            "unit": self.proposal.unit.table,
            "strata": [one.column for one in self.proposal.strata],
            "rate": self.proposal.unit.rate,
            "tables": tables,
            "left_out": dict(self.proposal.skipped_tables),
        }


def choose_target(config: Path | None, *, overwrite: bool) -> Path:
    """Give the file that is to be written.

    Raises:
        UsageError: It is there already, and may not be overwritten.
    """
    file = (config or Path.cwd() / CONFIG_FILE_NAME).absolute()
    if file.exists() and not overwrite:
        raise UsageError(f"{file} is there already", hint="to write it anew: sandbox init --force …")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is not there", hint=f"mkdir -p {file.parent}")
    return file


def init_source(uri: str, file: Path, *, progress: Progress) -> SettingsResult:
    """Read a source and write the file that proposes how to sample it.

    Raises:
        SourceError: The source cannot be read, or nothing of it can be sampled.
    """
    from sandbox.suggest import build_proposal  # noqa: PLC0415 - Ibis is slow to import

    found = build_proposal(format_source_uri(uri, file.parent), base=file.parent, progress=progress)
    return write_settings(found, file, inspect_surroundings(file.parent))


def write_settings(found: Proposal, file: Path, around: ProjectContext) -> SettingsResult:
    """Write a proposal, once it is sure that it can be read."""
    text = report.render_settings(found, around)
    check_settings_text(file, text)
    make_state_folder(file.parent / STATE_FOLDER)
    write_file(file, text)
    return SettingsResult(file=file, proposal=found)


def check_settings_text(file: Path, text: str) -> None:
    """Make sure that a file with this text would be read without a complaint: else it is a bug, and nothing is written."""
    try:
        resolve_settings(file, text, {}, {})
    except ConfigError as error:
        raise AssertionError(f"{error.message}\n{text}") from error


def inspect_surroundings(folder: Path) -> ProjectContext:
    """Look at what lies beside the file: a name for the project, its requirements, the branch that production runs."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")[:40] or "project"
    today = dt.datetime.now(dt.UTC).date()
    return report.ProjectContext(
        project=name,
        salt=f"{today.year}-q{(today.month + 2) // 3}",
        production=_find_production_branch(folder),
        requirements=_find_requirements(folder),
        command="python pipeline.py" if (folder / "pipeline.py").is_file() else None,
    )


def build_missing_source_error(folder: Path) -> UsageError:
    """Give the error for a call that names no source, with what could be meant."""
    near = list(_find_table_folders(folder))
    hint = "\n".join(f"sandbox init {shlex.quote(name)}/" for name in near[:5])
    return UsageError(
        "say where production's data is: a folder of Parquet, CSV or JSON Lines "
        f"(this is no dbt project either: {DBT_PROJECT_FILE} is not in {folder})",
        hint=f"{hint or 'sandbox init FOLDER'}\nfor the CI job: sandbox init --ci github",
    )


def _find_table_folders(folder: Path) -> Iterator[str]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith((".", "_")):
            try:
                if list_source(entry.name, base=folder).files:
                    yield entry.name
            except SandboxError:
                continue


def format_source_uri(uri: str, folder: Path) -> str:
    """Give a source as the file says it: a path that was given relative to here, relative to the file.

    Raises:
        ConfigError: It is an address that no file may hold.
    """
    if "://" in uri:
        for problem in settings_checks.check_address(_build_minimal_settings(uri)):
            raise ConfigError(problem.message)
        return uri
    path = Path(uri)
    place = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links stay as they are
    inside = place.is_relative_to(folder) and place != folder
    if path.is_absolute() and not inside:
        return uri
    text = Path(os.path.relpath(place, folder)).as_posix()
    return f"{text}/" if place.is_dir() else text


def _build_minimal_settings(uri: str) -> Settings:
    """Give settings that say no more than where the source is."""
    return Settings.model_validate(
        {
            "version": 1,
            "project": {"name": "x"},
            "source": {"uri": uri},
            "sample": {"unit": "x"},
            "tables": {},
        }
    )


def _find_production_branch(folder: Path) -> str:
    try:
        repository = Repository(folder)
    except ConfigError:
        return "main"
    for branch in ("main", "master"):
        for ref in (branch, f"origin/{branch}"):
            if repository.try_git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").returncode == 0:
                return branch
    return repository.try_git("branch", "--show-current").stdout.decode().strip() or "main"


def _find_requirements(folder: Path) -> str | None:
    """Give the requirements file that a stack can be made from, if there is one."""
    for name in REQUIREMENTS_FILES:
        if (folder / name).is_file():
            try:
                read_requirements(name, lambda path: (folder / path).read_bytes(), python="3.13")
            except (SandboxError, OSError):
                continue
            return name
    return None
