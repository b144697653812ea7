"""Which projects this user has, so that commands about all of them find their parts."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from sandbox.store.folder import write
from sandbox.store.places import home


def prepare_state(folder: Path) -> None:
    """Make the project's state folder, which keeps itself out of git, and remember where the project lies."""
    if not (folder / ".gitignore").is_file():
        write(folder / ".gitignore", "*\n")
    remember(folder.parent)


def remember(root: Path) -> None:
    """Remember where a project lies."""
    place = home() / "projects" / hashlib.sha256(str(root).encode()).hexdigest()[:16]
    if not place.is_file():
        write(place, f"{root}\n")


def known() -> list[Path]:
    """Give the folders of the projects that are still there, sorted; what names another is forgotten."""
    found = []
    for place in (home() / "projects").glob("[0-9a-f]*"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            root = Path(place.read_text("utf-8").removesuffix("\n"))
            if (root / ".sandbox").is_dir():
                found.append(root)
            else:
                place.unlink()
    return sorted(found)
