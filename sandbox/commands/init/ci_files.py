"""``sandbox init --ci``: write the job for continuous integration."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import jinja2

from sandbox.commands.init.installation import find_requirement
from sandbox.errors import UsageError
from sandbox.runner.repository import Repository
from sandbox.store.folder import write_file
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project

CiProvider = Literal["github", "gitlab"]

GITHUB_WORKFLOW_FILE = ".github/workflows/sandbox.yml"
GITLAB_JOB_FILE = ".gitlab/sandbox.yml"
GITLAB_CI_FILE = ".gitlab-ci.yml"
GITLAB_INCLUDE = f"include:\n  - local: /{GITLAB_JOB_FILE}\n"


@dataclass(frozen=True, kw_only=True)
class CiFilesResult:
    """The written files, and the next steps."""

    files: list[Path]
    next: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox init --json``."""
        return {"format_version": 1, "files": [str(file) for file in self.files], "next": self.next}


def init_ci(project: Project, ci: CiProvider, *, requirement: str | None, overwrite: bool) -> CiFilesResult:
    """Write the job with ``sandbox diff`` for every pull or merge request.

    ``requirement`` is what the job installs; None is the running installation (see `find_requirement`).

    Raises:
        UsageError: A file exists and may not be overwritten, or what to install is not pinned.
        ConfigError: The project is in no git repository.
    """
    folder = PurePosixPath(Repository(project.root).prefix)
    top = project.root
    for _ in folder.parts:
        top = top.parent
    target = top / (GITHUB_WORKFLOW_FILE if ci == "github" else GITLAB_JOB_FILE)
    files = {
        target: render_job(
            ci, folder, store=project.settings.source.store is not None, requirement=find_requirement(requirement)
        )
    }
    todo = [f"commit {target.relative_to(top)}, and open a pull request"]
    if ci == "gitlab":
        if (top / GITLAB_CI_FILE).exists():
            todo = [f"add to {GITLAB_CI_FILE}:\n{GITLAB_INCLUDE.rstrip()}", *todo]
        else:
            files[top / GITLAB_CI_FILE] = GITLAB_INCLUDE
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        names = ", ".join(str(file.relative_to(top)) for file in there)
        raise UsageError(f"{names} is there already", hint=f"to overwrite it: sandbox init --ci {ci} --yes")
    for file, text in files.items():
        write_file(file, text)
    return CiFilesResult(files=list(files), next=todo)


def render_job(ci: CiProvider, folder: PurePosixPath, *, store: bool, requirement: str) -> str:
    """Render the job for a project's folder in its repository; with ``store`` it pulls the sample.

    ``requirement`` is what pip installs.
    """
    templates = find_packaged_folder("templates") / "ci"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML; values are written as JSON or quoted for a shell
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # CI servers use {{ }} themselves.
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
    )
    environment.filters["shell"] = shlex.quote
    inside = bool(folder.parts)
    return environment.get_template(f"{ci}.yml").render(
        requirement=requirement,
        folder=folder.as_posix() if inside else "",
        store=store,
        comment=(templates / f"{ci}_comment.py").read_text("utf-8").rstrip(),
    )
