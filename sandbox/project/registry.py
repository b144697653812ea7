"""Which projects this user has, so that commands about all of them find their parts."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from pathlib import Path

from sandbox.store.folder import translate_os_errors, write_file
from sandbox.store.paths import find_home_folder, find_packaged_folder

SCHEMA_FILENAME = "sandbox.schema.json"
GUIDE_FILENAME = "configuration.md"


def make_state_folder(folder: Path) -> None:
    """Make the project's state folder, which git ignores, with the guides to ``sandbox.toml``; register the project."""
    if not (folder / ".gitignore").is_file():
        write_file(folder / ".gitignore", "*\n")
    write_guides(folder)
    register_project(folder.parent)


def write_guides(folder: Path) -> None:
    """Write the schema and the description of ``sandbox.toml`` into a folder, unless they are there already."""
    for kind, name in (("templates", SCHEMA_FILENAME), ("docs", GUIDE_FILENAME)):
        text = (find_packaged_folder(kind) / name).read_text("utf-8")
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            write_file(path, text)


def register_project(root: Path) -> None:
    """Remember where a project lies."""
    place = _build_entry_path(root)
    if not place.is_file():
        write_file(place, f"{root}\n")


def list_existing_projects() -> list[Path]:
    """Give the folders of the projects that are still there, sorted."""
    return _list_registered_projects(there=True)


def list_deleted_projects() -> list[Path]:
    """Give the folders of the projects that were there once, sorted."""
    return _list_registered_projects(there=False)


def unregister_project(root: Path) -> None:
    """Forget where a project lay."""
    with translate_os_errors(_build_entry_path(root)):
        _build_entry_path(root).unlink(missing_ok=True)


def _list_registered_projects(*, there: bool) -> list[Path]:
    found = []
    for place in (find_home_folder() / "projects").glob("[0-9a-f]*"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            root = Path(place.read_text("utf-8").removesuffix("\n"))
            if _is_folder(root / ".sandbox") is there:
                found.append(root)
    return sorted(found)


def _is_folder(folder: Path) -> bool:
    """Say whether a folder is there.

    Raises:
        OSError: It may not be looked at, so it is neither there nor gone.
    """
    try:
        return stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _build_entry_path(root: Path) -> Path:
    return find_home_folder() / "projects" / hashlib.sha256(str(root).encode()).hexdigest()[:16]
