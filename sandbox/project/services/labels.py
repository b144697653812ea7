"""Name and label a sandbox's objects in a container engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.config import Project


def build_labels(project: Project, name: str) -> dict[str, str]:
    """Build the labels of a sandbox's objects in a runtime."""
    return {"project": project.settings.project.name, "path": str(project.root), "sandbox": name}


def build_object_name(project: Project, name: str) -> str:
    """Build the name prefix of a sandbox's objects: ``sbx-<project>-<8 of SHA-256 of the path>-<name>``."""
    path_hash = hashlib.sha256(str(project.root.resolve()).encode()).hexdigest()[:8]
    return f"sbx-{project.settings.project.name}-{path_hash}-{name}"
