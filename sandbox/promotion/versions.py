"""Describe a version of a project for promotion records: its code tree, lock and rules."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from sandbox.config.project_file import read_settings
from sandbox.errors import ConfigError
from sandbox.project.code_files import open_code_repository
from sandbox.project.committed_settings import build_version_project, read_committed_settings
from sandbox.project.lock_file import LOCK_FILE
from sandbox.promotion.statement import PromotedSide, hash_rules
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from sandbox.config import Project, Settings


def describe_version(project: Project, ref: str | None) -> PromotedSide:
    """Describe a git ref, or the working tree if ``ref`` is None.

    Raises:
        ConfigError: The ref does not exist, or has no valid ``sandbox.toml``.
    """
    owner = build_version_project(project, ref)
    with open_code_repository(owner).open_code(ref, include=owner.settings.pipeline.include) as code:
        version = code.version
    return PromotedSide(
        ref=version.ref,
        commit=version.commit if ref is not None else None,
        tree=version.tree,
        lock=_hash_content(read_version_file(project, ref, LOCK_FILE)),
        rules=hash_rules(read_version_settings(project, ref)),
    )


def read_version_settings(project: Project, ref: str | None) -> Settings:
    """Return the settings of a version, without values of this call's flags and environment.

    Raises:
        ConfigError: It has no valid ``sandbox.toml``.
    """
    if ref is None:
        return read_settings(project.file, {})
    committed = read_committed_settings(dataclasses.replace(project, given={}), ref)
    if committed is None:
        raise ConfigError(f"{ref} has no {project.file.name}", hint="name a version of this project")
    return committed.settings


def read_version_file(project: Project, ref: str | None, name: str) -> bytes | None:
    """Return a file beside ``sandbox.toml`` in a version; None if it has none."""
    if ref is None:
        path = project.root / name
        return path.read_bytes() if path.is_file() else None
    repository = Repository(project.root)
    commit = repository.resolve_commit(ref)
    blob = repository.try_git("cat-file", "blob", f"{commit}:{repository.prefix}{name}")
    return None if blob.returncode else blob.stdout


def is_earlier_state(project: Project, commit: str | None, ref: str) -> bool:
    """Return whether a commit was the state of a branch before its last commit: on its first-parent history.

    Commits of a merged branch are not: their author could have written the keys in them.
    """
    repository = Repository(project.root)
    head = repository.resolve_commit(ref)
    listed = repository.try_git("rev-list", "--first-parent", head).stdout.decode().split()
    return commit is not None and commit in listed[1:]


def _hash_content(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
