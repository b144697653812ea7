"""``.sandbox/sandboxes/<name>.json``: a project's sandbox, with its sample and stack."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.document import Document
from sandbox.model import Environment


class SandboxRecord(Document):
    """A sandbox prepared by ``sandbox create``."""

    NAME: ClassVar[str] = "the sandbox's record"

    name: str
    project: str
    path: str
    created: str
    sample: str
    environment: Environment


class EnvironmentRecord(Document):
    """``checked-environments/<id>.json``: a virtual environment as it was made, with a digest of its entries."""

    NAME: ClassVar[str] = "the environment's record"
    HAS_SEAL: ClassVar[bool] = True

    environment: str
    listing: str
