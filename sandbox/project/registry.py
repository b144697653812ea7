"""Register this user's projects for commands about all of them."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from pathlib import Path

from sandbox.project.state_check import check_state_folders
from sandbox.store.folder import close_to_others, translate_os_errors, write_file
from sandbox.store.paths import find_home_folder, find_packaged_folder

SCHEMA_FILENAME = "sandbox.schema.json"
GUIDE_FILENAME = "configuration.md"


def make_state_folder(folder: Path) -> None:
    """Create the project's state folder, ignored by git, with the guides to ``sandbox.toml``; register the project.

    Others lose access to the state folder and to the home folder.

    Raises:
        ConfigError: It is a link, or git tracks files of it.
    """
    check_state_folders(folder.parent)
    if not (folder / ".gitignore").is_file():
        write_file(folder / ".gitignore", "*\n")
    write_guides(folder)
    register_project(folder.parent)
    close_to_others(folder)
    close_to_others(find_home_folder())


def write_guides(folder: Path) -> None:
    """Write the schema and the description of ``sandbox.toml`` into a folder, unless they are there already."""
    for kind, name in (("templates", SCHEMA_FILENAME), ("docs", GUIDE_FILENAME)):
        text = (find_packaged_folder(kind) / name).read_text("utf-8")
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            write_file(path, text)


def register_project(root: Path) -> None:
    """Record the path of a project."""
    entry = _build_entry_path(root)
    if not entry.is_file():
        write_file(entry, f"{root}\n")


def list_existing_projects() -> list[Path]:
    """Return the folders of existing projects, sorted."""
    return _list_registered_projects(there=True)


def list_deleted_projects() -> list[Path]:
    """Return the folders of deleted projects, sorted."""
    return _list_registered_projects(there=False)


def unregister_project(root: Path) -> None:
    """Remove the record of a project."""
    with translate_os_errors(_build_entry_path(root)):
        _build_entry_path(root).unlink(missing_ok=True)


def _list_registered_projects(*, there: bool) -> list[Path]:
    roots = []
    for entry in (find_home_folder() / "projects").glob("[0-9a-f]*"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            root = Path(entry.read_text("utf-8").removesuffix("\n"))
            if _is_folder(root / ".sandbox") is there:
                roots.append(root)
    return sorted(roots)


def _is_folder(folder: Path) -> bool:
    """Check whether a folder exists.

    Raises:
        OSError: It is inaccessible, so neither answer is certain.
    """
    try:
        return stat.S_ISDIR(folder.lstat().st_mode)  # behind a link there is nothing of a project's
    except (FileNotFoundError, NotADirectoryError):
        return False


def _build_entry_path(root: Path) -> Path:
    return find_home_folder() / "projects" / hashlib.sha256(str(root).encode()).hexdigest()[:16]
