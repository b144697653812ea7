"""``sandbox sample --check``."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.production.drift.check import check_drift
from sandbox.project.committed_settings import check_masks_in_ci
from sandbox.project.sample_checks import write_check
from sandbox.sampler.profile.storage import find_profile
from sandbox.samples.catalog import find_sample_and_manifest
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.production.drift import DriftCheck
    from sandbox.model import Progress


def check_sample(project: Project, *, progress: Progress) -> DriftCheck:
    """Check whether production is still as it was when the project's sample was drawn, and record the result.

    Raises:
        StoreError: There is no sample.
        SourceError: The source cannot be read.
    """
    check_masks_in_ci(project)
    home = find_home_folder()
    known = find_sample_and_manifest(project, home)
    if known is None:
        raise StoreError("there is no sample to compare with production", hint="draw it: sandbox sample")
    sample, manifest = known
    profile = find_profile(project, home, sample.fingerprint)
    check = check_drift(project, manifest, profile, now=dt.datetime.now(dt.UTC), progress=progress)
    write_check(project, check)
    return check
