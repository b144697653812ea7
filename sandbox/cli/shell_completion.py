"""Shell completion of git refs, and of names of sandboxes, runs, reports and samples.

It runs at every press of the key. So it reads only names, imports nothing slow, and returns nothing on errors.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

SETTINGS_FILE = "sandbox.toml"
GIT_TIMEOUT_SECONDS = 2.0


def complete_refs(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return matching branches and tags."""
    root = _find_project_folder(context)
    kinds = ("refs/heads", "refs/tags", "refs/remotes")
    try:
        done = subprocess.run(
            ["git", "for-each-ref", "--format=%(refname:short)", *kinds],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIT_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return _filter_names(done.stdout.split(), incomplete)


def complete_sandboxes(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the project's matching sandboxes."""
    return _filter_names([path.stem for path in _find_state_folder(context, "sandboxes").glob("*.json")], incomplete)


def complete_runs(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the project's matching runs, the latest first."""
    return _complete_folders(_find_state_folder(context, "runs"), incomplete)[::-1]


def complete_reports(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the project's matching reports, the latest first."""
    return _complete_folders(_find_state_folder(context, "diffs"), incomplete)[::-1]


def complete_samples(_context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the user's matching samples."""
    from sandbox.store.paths import find_home_folder  # noqa: PLC0415 - platformdirs is not always needed

    return _complete_folders(find_home_folder() / "samples", incomplete)


def complete_samples_and_runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [*complete_runs(context, parameter, incomplete), *complete_samples(context, parameter, incomplete)]


def _complete_folders(folder: Path, incomplete: str) -> list[str]:
    return _filter_names([path.name for path in folder.glob("[0-9a-f]*")], incomplete)


def _filter_names(names: list[str], incomplete: str) -> list[str]:
    return sorted(name for name in set(names) if name.startswith(incomplete))


def _find_state_folder(context: click.Context, part: str) -> Path:
    return _find_project_folder(context) / ".sandbox" / part


def _find_project_folder(context: click.Context) -> Path:
    """Return the project's folder, else the current one."""
    config = context.params.get("config")
    if config is not None:
        return Path(config).absolute().parent
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / SETTINGS_FILE).is_file()), here)
