"""``.sandbox/separability/<digest>.json``: the result of the separability check on the half-sample."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.document import Document


class SeparabilityRecord(Document):
    """The comparison of production's code on the half-sample and on the whole sample.

    ``run`` is the run on the half-sample; None if it failed. ``reasons`` maps an output to the reason why its rows
    cannot be scaled up; None if each unit's rows were the same. ``identity`` is a digest of the runs and the rules.
    """

    FORMAT_VERSION: ClassVar[int] = 2
    NAME: ClassVar[str] = "the separability check's record"
    HAS_SEAL: ClassVar[bool] = True

    format_version: int = 2
    identity: str
    run: str | None
    reasons: dict[str, str | None]
