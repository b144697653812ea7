"""What the shell may complete: git refs, and the names of sandboxes, runs, reports and samples.

Asked at every press of the key, so it reads names alone, imports nothing heavy, and offers nothing where something is wrong.
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
    """Give the branches and tags that begin like this."""
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
    """Give the project's sandboxes that begin like this."""
    return _filter_names([path.stem for path in _find_state_folder(context, "sandboxes").glob("*.json")], incomplete)


def complete_runs(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the project's runs that begin like this, the latest first."""
    return _complete_folders(_find_state_folder(context, "runs"), incomplete)[::-1]


def complete_reports(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the project's reports that begin like this, the latest first."""
    return _complete_folders(_find_state_folder(context, "diffs"), incomplete)[::-1]


def complete_samples(_context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the samples of this user that begin like this."""
    from sandbox.store.paths import find_home_folder  # noqa: PLC0415 - platformdirs is not always needed

    return _complete_folders(find_home_folder() / "samples", incomplete)


def complete_samples_and_runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Give samples and runs."""
    return [*complete_runs(context, parameter, incomplete), *complete_samples(context, parameter, incomplete)]


def _complete_folders(folder: Path, incomplete: str) -> list[str]:
    return _filter_names([path.name for path in folder.glob("[0-9a-f]*")], incomplete)


def _filter_names(names: list[str], incomplete: str) -> list[str]:
    return sorted(name for name in set(names) if name.startswith(incomplete))


def _find_state_folder(context: click.Context, part: str) -> Path:
    return _find_project_folder(context) / ".sandbox" / part


def _find_project_folder(context: click.Context) -> Path:
    """Give the project's folder; where there is none, the current one, which has nothing to offer."""
    config = context.params.get("config")
    if config is not None:
        return Path(config).absolute().parent
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / SETTINGS_FILE).is_file()), here)
