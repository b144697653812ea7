"""What the pages of a project's history and status show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.manifest.diff import DiffDocument
    from sandbox.manifest.production.data_tests import ProductionTests
    from sandbox.manifest.production.drift import DriftCheck
    from sandbox.manifest.production.scores import Score
    from sandbox.manifest.sample import SampleManifest
    from sandbox.production.scores.outcomes import Calibration
    from sandbox.promotion.statement import Promotion
    from sandbox.provisioner.doctor.check import DoctorCheck


@dataclass(frozen=True, kw_only=True)
class SiteDiff:
    """A diff; ``page`` is the address of its report relative to the site, None if that file is missing."""

    document: DiffDocument
    page: str | None


@dataclass(frozen=True, kw_only=True)
class SiteTests:
    """A result of the production tests, and the address of its page."""

    document: ProductionTests
    page: str | None


@dataclass(frozen=True, kw_only=True)
class SiteSample:
    """A sample that the project drew; ``check`` is its last comparison with production."""

    manifest: SampleManifest
    size: int
    check: DriftCheck | None
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class SiteContents:
    """A project's history and status.

    Attributes:
        project: Its name.
        made: When this was read.
        diffs: Its diffs, the last one first.
        samples: Its samples, the last one first.
        promotions: Its promotion records, the last one first.
        scores: Its scores, the last one first.
        calibration: Whether predictions held the truth.
        tests: Its production tests, the last one first.
        sandboxes: What its sandboxes hold and use, as in ``sandbox ls --json``; None if it was not read.
        checks: The checks of the machine; None if they were not run.
        problems: What could not be read, by name, with the reason.
    """

    project: str
    made: str
    diffs: Sequence[SiteDiff]
    samples: Sequence[SiteSample]
    promotions: Sequence[Promotion]
    scores: Sequence[Score]
    calibration: Calibration
    tests: Sequence[SiteTests]
    sandboxes: Mapping[str, Any] | None
    checks: Sequence[DoctorCheck] | None
    problems: Mapping[str, str]
