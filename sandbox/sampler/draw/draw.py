"""Draw a sample into the store of this machine."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from sandbox.sampler.draw.context import open_draw
from sandbox.sampler.draw.execution import extract_sample
from sandbox.samples.catalog import load_sample, record_sample, resolve_sample_path
from sandbox.samples.integrity import record_sample_files
from sandbox.samples.source_record import record_source
from sandbox.samples.verify import verify_sample
from sandbox.store.folder import publish_folder, restrict_access, translate_os_errors

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.model import Progress, Sample
    from sandbox.sampler.plan.plan import SamplePlan


def draw_sample(
    project: Project,
    plan: SamplePlan,
    *,
    home: Path,
    threads: int | None = None,
    whole: bool = False,
    progress: Progress,
) -> Sample:
    """Draw a planned sample into the store and record it for the project.

    A stored sample of the same fingerprint is kept, or replaced if damaged. An interrupted or killed draw is resumed
    for the same request and source, and ends with the same bytes. A failed draw leaves nothing behind.

    Args:
        project: The project.
        plan: From `sandbox.sampler.plan.planner.plan_sample`.
        home: The folder shared by a user's projects.
        threads: Worker threads; None for all available processors.
        whole: Compare the sample with all of production, however large (see `sandbox.sampler.profile.compare`).
        progress: Shows the steps.

    Raises:
        ConfigError: A column seems personal and has no mask, or the secret of the masks cannot be used.
        SourceError: The source cannot be read, or changed during the draw.
        DataRuleError: A key of a large table repeats in the drawn rows.
        StoreError: The sample cannot be written.
    """
    with (
        contextlib.closing(plan.listing),
        open_draw(project, plan, home, here=True, progress=progress) as begun,
    ):
        fingerprint = extract_sample(begun, threads=threads, whole=whole).fingerprint
        target = resolve_sample_path(home, fingerprint)
        if target.exists() and verify_sample(target, progress):
            # The stored sample does not match its fingerprint, so replacing it loses nothing.
            with translate_os_errors(target):
                shutil.rmtree(target)
        restrict_access(begun.journal.sample)
        publish_folder(begun.journal.sample, target)
        sample, manifest = load_sample(home, fingerprint)
        record_sample_files(target, manifest)
    record_sample(project, sample.fingerprint)
    record_source(project, sample.fingerprint, {name: table.columns for name, table in plan.tables.items()})
    return sample
