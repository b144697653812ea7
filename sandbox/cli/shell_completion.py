"""What the shell may complete: git refs, and the names of sandboxes, runs, reports and samples.

Asked at every press of the key, so it reads names alone, imports nothing heavy, and offers nothing where something is wrong.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

FILE = "sandbox.toml"
SECONDS = 2.0


def refs(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the branches and tags that begin like this."""
    root = _root(context)
    kinds = ("refs/heads", "refs/tags", "refs/remotes")
    try:
        done = subprocess.run(
            ["git", "for-each-ref", "--format=%(refname:short)", *kinds],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return _fitting(done.stdout.split(), incomplete)


def sandboxes(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the project's sandboxes that begin like this."""
    return _fitting([path.stem for path in _inside(context, "sandboxes").glob("*.json")], incomplete)


def runs(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the project's runs that begin like this, the latest first."""
    return _named(_inside(context, "runs"), incomplete)[::-1]


def reports(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the project's reports that begin like this, the latest first."""
    return _named(_inside(context, "diffs"), incomplete)[::-1]


def samples(_context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the samples of this user that begin like this."""
    from sandbox.store.paths import home  # noqa: PLC0415 - platformdirs is not always needed

    return _named(home() / "samples", incomplete)


def stored(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Give samples and runs."""
    return [*runs(context, parameter, incomplete), *samples(context, parameter, incomplete)]


def _named(folder: Path, incomplete: str) -> list[str]:
    return _fitting([path.name for path in folder.glob("[0-9a-f]*")], incomplete)


def _fitting(names: list[str], incomplete: str) -> list[str]:
    return sorted(name for name in set(names) if name.startswith(incomplete))


def _inside(context: click.Context, part: str) -> Path:
    return _root(context) / ".sandbox" / part


def _root(context: click.Context) -> Path:
    """Give the project's folder; where there is none, the current one, which has nothing to offer."""
    config = context.params.get("config")
    if config is not None:
        return Path(config).absolute().parent
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / FILE).is_file()), here)
