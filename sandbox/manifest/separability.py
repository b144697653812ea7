"""``.sandbox/separability/<digest>.json``: whether units of an output depend on each other, found on half of the sample."""

from __future__ import annotations

from typing import ClassVar

from sandbox.manifest.document import Document


class SeparabilityRecord(Document):
    """What production's code made of half of the sample, beside what it made of the whole.

    ``run`` is the run on the half; None where it failed. ``reasons`` maps an output to why its rows cannot be scaled
    up; None where each unit's rows came out alike.
    """

    NAME: ClassVar[str] = "the separability check's record"

    run: str | None
    reasons: dict[str, str | None]
