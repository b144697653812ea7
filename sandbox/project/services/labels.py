"""What the objects of a sandbox are called in a container engine, and by which labels they are known."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.config import Project


def build_labels(project: Project, name: str) -> dict[str, str]:
    """Give the labels of everything that a runtime holds for one sandbox of a project."""
    return {"project": project.settings.project.name, "path": str(project.root), "sandbox": name}


def build_object_name(project: Project, name: str) -> str:
    """Give the beginning of the names of a sandbox's objects: ``sbx-<project>-<8 of SHA-256 of the path>-<name>``."""
    place = hashlib.sha256(str(project.root.resolve()).encode()).hexdigest()[:8]
    return f"sbx-{project.settings.project.name}-{place}-{name}"
