"""Results of comparisons: ``.sandbox/comparisons/last.json``, and ``.sandbox/certificates/<digest>.json``."""

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


class CertificateRecord(Document):
    """A model translated from a warehouse's SQL, whose rows were production's for the same units.

    ``identity`` is a digest of the model's compiled code and its translator. ``commit`` and ``sample`` are
    those of the comparison, ``rows`` the rows that were equal.
    """

    NAME: ClassVar[str] = "the certificate"
    HAS_SEAL: ClassVar[bool] = True

    identity: str
    model: str
    dialect: str
    commit: str | None
    sample: str
    rows: int
