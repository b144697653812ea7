"""Check that sandbox's own folders hold nothing from commits or behind links."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.runner.code.git import Git
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from pathlib import Path

STATE_FOLDER = ".sandbox"


def check_state_folders(root: Path) -> None:
    """Check the state folder of a project and ``$SANDBOX_HOME``; ``root`` is the folder of ``sandbox.toml``.

    Raises:
        ConfigError: One is a link, or git tracks a file of it.
    """
    _check_folder(root / STATE_FOLDER, replacement=f"rm {root / STATE_FOLDER}")
    home = find_home_folder()
    _check_folder(home, replacement=f"name the folder itself: export SANDBOX_HOME={home.resolve()}")


def _check_folder(folder: Path, *, replacement: str) -> None:
    if folder.is_symlink():
        raise ConfigError(f"{folder} is a link; what sandbox keeps there could come from anywhere", hint=replacement)
    tracked = _find_tracked_file(folder) if folder.exists() else None
    if tracked is not None:
        raise ConfigError(
            f"git tracks {tracked} in {folder.parent.resolve()}; runs, samples and reports that come with a commit prove nothing",
            hint=f"git -C {folder.parent.resolve()} rm -r --cached {folder.name} && rm -r {folder}\nthen commit, and try again",
        )


def _find_tracked_file(folder: Path) -> str | None:
    """Find a file of a folder tracked by git; None if there is none or no repository."""
    parent = folder.parent.resolve()
    in_repository = any((above / ".git").exists() for above in (parent, *parent.parents))
    if not in_repository or shutil.which("git") is None:
        return None
    # Some file systems ignore the case of names.
    done = Git(folder=parent).try_run("ls-files", "-z", "--", f":(icase,literal){folder.name}")
    if done.returncode:
        output = done.stderr.decode(errors="replace").strip()
        if "not a git repository" in output:
            return None
        raise ConfigError(f"git refuses {parent}: {output}")
    return next(iter(os.fsdecode(done.stdout).split("\0")), "") or None
