"""Give each version of a dbt project its own packages, although git ignores their folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.model import WORKING_TREE
from sandbox.store.folder import stage_folder, translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config import Project
    from sandbox.runner.code.checkout import CodeCheckout

PACKAGES_FOLDER = "dbt_packages"
REQUEST_FILES = ("packages.yml", "dependencies.yml")
LOCK_FILE = "package-lock.yml"
STORE_FOLDER = "packages"
"""Folder in ``.sandbox`` with the packages of each lock, by its digest."""


@dataclass(frozen=True, kw_only=True)
class VersionPackages:
    """The packages of one version, as far as its code has others.

    Attributes:
        is_replaced: Whether ``dbt_packages`` of the code is replaced by these.
        files: Contents by path below the project.
        links: Packages that are folders of the repository: their paths below the project, by the path of the link.
    """

    is_replaced: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def find_version_packages(project: Project, code: CodeCheckout) -> VersionPackages:
    """Find the packages of a version.

    The working tree's ``dbt_packages`` are those of every version with the same lock; they are stored, so that they are
    still there after the next ``dbt deps``.

    Raises:
        ConfigError: The packages of another lock are not stored, the lock is older than the packages that the project
            asks for, or a link leads out of the repository.
    """
    folder = project.root / PACKAGES_FOLDER
    if PACKAGES_FOLDER not in {path.rstrip("/") for path in project.settings.pipeline.include}:
        return VersionPackages()
    asked = {name: _read_code_file(code, name) for name in (*REQUEST_FILES, LOCK_FILE)}
    here = {name: _read_working_file(project.root / name) for name in asked}
    if asked == here:
        _store_packages(project, folder, _compute_lock_digest(asked))
        return VersionPackages(links=_find_links(project, folder))
    if asked[LOCK_FILE] is not None and asked[LOCK_FILE] == here[LOCK_FILE]:
        raise ConfigError(
            f"{code.version.ref} asks for other packages than the working tree, and {LOCK_FILE} is the same",
            hint="dbt deps",
        )
    if not any(asked.values()):
        return VersionPackages(is_replaced=True)
    stored = project.state_folder / STORE_FOLDER / _compute_lock_digest(asked)
    if not stored.is_dir():
        raise _build_missing_error(code, stored.relative_to(project.root).as_posix())
    return VersionPackages(is_replaced=True, files=_read_packages(stored), links=_find_links(project, stored))


def _build_missing_error(code: CodeCheckout, stored: str) -> ConfigError:
    ref, beside = code.version.ref, "../packages-of-baseline"
    inside = f"{beside}/{code.project_path}" if code.project_path else beside
    where = "the working tree" if ref == WORKING_TREE else ref
    return ConfigError(
        f"{where} has another {LOCK_FILE} than the one of {PACKAGES_FOLDER}/, so it would run with the wrong packages",
        hint=f"bring its own once: git worktree add --detach {beside} {code.version.commit} && "
        f"dbt deps --project-dir {inside} && mkdir -p {stored} && cp -R {inside}/{PACKAGES_FOLDER}/. {stored}",
    )


def _read_code_file(code: CodeCheckout, name: str) -> bytes | None:
    try:
        return _drop_comments(code.read(name))
    except ConfigError:
        return None


def _read_working_file(path: Path) -> bytes | None:
    try:
        return _drop_comments(path.read_bytes())
    except OSError:
        return None


def _drop_comments(text: bytes) -> bytes:
    lines = (line.rstrip() for line in text.splitlines())
    return b"\n".join(line for line in lines if line and not line.lstrip().startswith(b"#"))


def _compute_lock_digest(asked: Mapping[str, bytes | None]) -> str:
    """Return the digest of the lock; without one, of what the project asks for."""
    names = [LOCK_FILE] if asked[LOCK_FILE] is not None else list(REQUEST_FILES)
    return hashlib.sha256(b"\0".join(asked[name] or b"" for name in names)).hexdigest()[:16]


def _store_packages(project: Project, folder: Path, digest: str) -> None:
    stored = project.state_folder / STORE_FOLDER / digest
    if not stored.exists() and folder.is_dir():
        with stage_folder(stored, synced=False) as staged, translate_os_errors(stored):
            shutil.copytree(folder, staged, symlinks=True, dirs_exist_ok=True)


def _read_packages(stored: Path) -> dict[str, bytes]:
    """Read the files of stored packages, by path below the project."""
    files = {}
    for parent, folders, names in os.walk(stored):
        folders.sort()
        for path in (Path(parent) / name for name in sorted(names)):
            if not path.is_symlink():
                files[f"{PACKAGES_FOLDER}/{path.relative_to(stored).as_posix()}"] = path.read_bytes()
    return files


def _find_links(project: Project, folder: Path) -> dict[str, str]:
    """Return the packages that are links to folders of the repository, as paths below the project.

    Raises:
        ConfigError: A link leads out of the code.
    """
    links = {}
    top = (project.root / project.settings.pipeline.root).resolve()
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.is_symlink():
            continue
        target = (project.root / PACKAGES_FOLDER / path.readlink()).resolve()
        if not target.is_relative_to(top):
            raise ConfigError(
                f"{PACKAGES_FOLDER}/{path.name} is a link to {target}, outside the code",
                hint="move the package into the repository, or name it by its git address in packages.yml; then: dbt deps",
            )
        links[f"{PACKAGES_FOLDER}/{path.name}"] = Path(os.path.relpath(target, project.root.resolve())).as_posix()
    return links
