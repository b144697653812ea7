"""``sandbox init URI``: read a source and write its ``sandbox.toml``."""

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
    """The written file and its proposal."""

    file: Path
    proposal: Proposal

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox init --json``."""
        tables = {
            name: {
                "rows": table.rows,
                "key": list(table.key.columns) if table.key else None,
                "references": [
                    {
                        "columns": list(ref.columns),
                        "table": ref.table,
                        "key": list(ref.key),
                        "share": ref.share,
                    }
                    for ref in table.references
                ],
                "masks": [suspect.column for suspect in self.proposal.masks.get(name, ())],
            }
            for name, table in self.proposal.tables.items()
        }
        return {
            "format_version": 1,
            "files": [str(self.file)],
            "next": ["sandbox plan"],
            "unit": self.proposal.unit.table,
            "strata": [stratum.column for stratum in self.proposal.strata],
            "size_stratum": None if self.proposal.size is None else self.proposal.size.entry,
            "rate": self.proposal.unit.rate,
            "tables": tables,
            "left_out": dict(self.proposal.skipped_tables),
        }


def choose_target(config: Path | None, *, overwrite: bool) -> Path:
    """Return the path of the file to write.

    Raises:
        UsageError: The file exists and may not be overwritten.
    """
    file = (config or Path.cwd() / CONFIG_FILE_NAME).absolute()
    if file.exists() and not overwrite:
        raise UsageError(f"{file} is there already", hint="to write it anew: sandbox init --force …")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is not there", hint=f"mkdir -p {file.parent}")
    return file


def init_source(uri: str, file: Path, *, progress: Progress) -> SettingsResult:
    """Read a source and write a proposed ``sandbox.toml``.

    Raises:
        SourceError: The source cannot be read, or has nothing to sample.
    """
    from sandbox.commands.init.size_stratum import add_size_stratum  # noqa: PLC0415 - Ibis is slow to import
    from sandbox.suggest import build_proposal  # noqa: PLC0415

    proposal = build_proposal(format_source_uri(uri, file.parent), base=file.parent, progress=progress)
    proposal = add_size_stratum(proposal, progress)
    return write_settings(proposal, file, inspect_surroundings(file.parent))


def write_settings(proposal: Proposal, file: Path, context: ProjectContext) -> SettingsResult:
    """Write a proposal after checking that it can be read."""
    text = report.render_settings(proposal, context)
    check_settings_text(file, text)
    make_state_folder(file.parent / STATE_FOLDER)
    write_file(file, text)
    return SettingsResult(file=file, proposal=proposal)


def check_settings_text(file: Path, text: str) -> None:
    """Check that the text is valid settings; a failure is a bug, and nothing is written."""
    try:
        resolve_settings(file, text, {})
    except ConfigError as error:
        raise AssertionError(f"{error.message}\n{text}") from error


def inspect_surroundings(folder: Path) -> ProjectContext:
    """Inspect the folder for the project's name, requirements, pipeline and production branch."""
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
    """Build the error for a call without a source, suggesting folders nearby."""
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
    """Return a source's uri for the file: paths relative to the current folder become relative to the file.

    Raises:
        ConfigError: The address is not allowed in the file.
    """
    if "://" in uri:
        for problem in settings_checks.check_address(_build_minimal_settings(uri)):
            raise ConfigError(problem.message)
        return uri
    path = Path(uri)
    target = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links stay as they are
    inside = target.is_relative_to(folder) and target != folder
    if path.is_absolute() and not inside:
        return uri
    text = Path(os.path.relpath(target, folder)).as_posix()
    return f"{text}/" if target.is_dir() else text


def _build_minimal_settings(uri: str) -> Settings:
    """Build settings with nothing but the source."""
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
    """Return the first usable requirements file, if any."""
    for name in REQUIREMENTS_FILES:
        if (folder / name).is_file():
            try:
                read_requirements(name, lambda path: (folder / path).read_bytes(), python="3.13")
            except (SandboxError, OSError):
                continue
            return name
    return None
