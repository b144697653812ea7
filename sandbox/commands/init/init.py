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
from sandbox.config.project_file import FILE, resolved
from sandbox.config.settings import Settings
from sandbox.errors import ConfigError, SandboxError, UsageError
from sandbox.provisioner.lock.requirements import asked
from sandbox.report import settings_file as report
from sandbox.runner.repository import Repository
from sandbox.sources.discover import listed
from sandbox.store.folder import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.model import Progress
    from sandbox.report.settings_file import Surroundings
    from sandbox.suggest import Proposal

DBT_PROJECT = "dbt_project.yml"
REQUIREMENTS = ("uv.lock", "requirements.txt", "pyproject.toml")


@dataclass(frozen=True, kw_only=True)
class SettingsResult:
    """What was written, and what it says."""

    file: Path
    proposal: Proposal

    def fields(self) -> dict[str, Any]:
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
            "left_out": dict(self.proposal.left_out),
        }


def target(config: Path | None, *, overwrite: bool) -> Path:
    """Give the file that is to be written.

    Raises:
        UsageError: It is there already, and may not be overwritten.
    """
    file = (config or Path.cwd() / FILE).absolute()
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
    from sandbox.suggest import proposed  # noqa: PLC0415 - Ibis is slow to import

    found = proposed(as_written(uri, file.parent), base=file.parent, progress=progress)
    return written(found, file, surroundings(file.parent))


def written(found: Proposal, file: Path, around: Surroundings) -> SettingsResult:
    """Write a proposal, once it is sure that it can be read."""
    text = report.settings_file(found, around)
    load_text(file, text)
    write(file, text)
    return SettingsResult(file=file, proposal=found)


def load_text(file: Path, text: str) -> None:
    """Make sure that a file with this text would be read without a complaint: else it is a bug, and nothing is written."""
    try:
        resolved(file, text, {}, {})
    except ConfigError as error:
        raise AssertionError(f"{error.message}\n{text}") from error


def surroundings(folder: Path) -> Surroundings:
    """Look at what lies beside the file: a name for the project, its requirements, the branch that production runs."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")[:40] or "project"
    today = dt.datetime.now(dt.UTC).date()
    return report.Surroundings(
        project=name,
        salt=f"{today.year}-q{(today.month + 2) // 3}",
        production=_production(folder),
        requirements=_requirements(folder),
        command="python pipeline.py" if (folder / "pipeline.py").is_file() else None,
    )


def missing(folder: Path) -> UsageError:
    """Give the error for a call that names no source, with what could be meant."""
    near = list(_with_tables(folder))
    hint = "\n".join(f"sandbox init {shlex.quote(name)}/" for name in near[:5])
    return UsageError(
        "say where production's data is: a folder of Parquet, CSV or JSON Lines "
        f"(this is no dbt project either: {DBT_PROJECT} is not in {folder})",
        hint=f"{hint or 'sandbox init FOLDER'}\nfor the CI job: sandbox init --ci github",
    )


def _with_tables(folder: Path) -> Iterator[str]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith((".", "_")):
            try:
                if listed(entry.name, base=folder).files:
                    yield entry.name
            except SandboxError:
                continue


def as_written(uri: str, folder: Path) -> str:
    """Give a source as the file says it: a path that was given relative to here, relative to the file.

    Raises:
        ConfigError: It is an address that no file may hold.
    """
    if "://" in uri:
        for problem in settings_checks.address(_naming(uri)):
            raise ConfigError(problem.message)
        return uri
    path = Path(uri)
    place = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links stay as they are
    inside = place.is_relative_to(folder) and place != folder
    if path.is_absolute() and not inside:
        return uri
    text = Path(os.path.relpath(place, folder)).as_posix()
    return f"{text}/" if place.is_dir() else text


def _naming(uri: str) -> Settings:
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


def _production(folder: Path) -> str:
    try:
        repository = Repository(folder)
    except ConfigError:
        return "main"
    for branch in ("main", "master"):
        for ref in (branch, f"origin/{branch}"):
            if repository.attempt("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").returncode == 0:
                return branch
    return repository.attempt("branch", "--show-current").stdout.decode().strip() or "main"


def _requirements(folder: Path) -> str | None:
    """Give the requirements file that a stack can be made from, if there is one."""
    for name in REQUIREMENTS:
        if (folder / name).is_file():
            try:
                asked(name, lambda path: (folder / path).read_bytes(), python="3.13")
            except (SandboxError, OSError):
                continue
            return name
    return None
