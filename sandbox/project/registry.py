"""Which projects this user has, so that commands about all of them find their parts."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from pathlib import Path

from sandbox.store.folder import reported, write
from sandbox.store.paths import home


def prepare_state(folder: Path) -> None:
    """Make the project's state folder, which keeps itself out of git, and remember where the project lies."""
    if not (folder / ".gitignore").is_file():
        write(folder / ".gitignore", "*\n")
    remember(folder.parent)


def remember(root: Path) -> None:
    """Remember where a project lies."""
    place = _place(root)
    if not place.is_file():
        write(place, f"{root}\n")


def known() -> list[Path]:
    """Give the folders of the projects that are still there, sorted."""
    return _remembered(there=True)


def gone() -> list[Path]:
    """Give the folders of the projects that were there once, sorted."""
    return _remembered(there=False)


def forget(root: Path) -> None:
    """Forget where a project lay."""
    with reported(_place(root)):
        _place(root).unlink(missing_ok=True)


def _remembered(*, there: bool) -> list[Path]:
    found = []
    for place in (home() / "projects").glob("[0-9a-f]*"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            root = Path(place.read_text("utf-8").removesuffix("\n"))
            if _there(root / ".sandbox") is there:
                found.append(root)
    return sorted(found)


def _there(folder: Path) -> bool:
    """Say whether a folder is there.

    Raises:
        OSError: It may not be looked at, so it is neither there nor gone.
    """
    try:
        return stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _place(root: Path) -> Path:
    return home() / "projects" / hashlib.sha256(str(root).encode()).hexdigest()[:16]
