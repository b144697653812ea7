"""``.sandbox/comparisons/last.json``: the result of the last comparison of two runs."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.diff import OutputDiff
from sandbox.manifest.document import Document


class ComparisonRecord(Document):
    """The result for each output; ``identity`` is a digest of the comparison's inputs."""

    FORMAT_VERSION: ClassVar[int] = 4
    NAME: ClassVar[str] = "the last comparison's record"
    HAS_SEAL: ClassVar[bool] = True

    format_version: int = 4
    identity: str
    outputs: dict[str, OutputDiff]
