"""``.sandbox/sandboxes/<name>.json``: a sample and a stack, brought up for a project."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.document import Document
from sandbox.model import Environment


class SandboxRecord(Document):
    """What ``sandbox create`` made ready."""

    NAME: ClassVar[str] = "the sandbox's record"

    name: str
    project: str
    path: str
    created: str
    sample: str
    environment: Environment
