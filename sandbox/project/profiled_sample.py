"""Provide a project's sample with its comparison with production."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.model import Sample
from sandbox.project.committed_settings import check_masks_in_ci
from sandbox.project.plan import plan
from sandbox.project.registry import make_state_folder
from sandbox.project.sample import SampleResult, draw_on_cluster, ensure_sample, open_store
from sandbox.samples import catalog
from sandbox.samples.specification import compute_request_id
from sandbox.store.folder import lock_path
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.profile import SampleProfile
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress


def ensure_profiled_sample(
    project: Project, *, refresh: bool, profile: bool, same_source: bool = False, progress: Progress
) -> SampleResult:
    """Return the project's sample (see `ensure_sample`) with its comparison with production.

    ``profile`` compares it with the whole of production, tables of any size, unless that was done before.
    """
    from sandbox.sampler.profile import storage  # noqa: PLC0415 - slow to import, and most commands do not show it

    if project.settings.source.is_sample_written_by_executors:
        return _ensure_cluster_sample(project, refresh=refresh, profile=profile, progress=progress)
    result = ensure_sample(project, refresh=refresh, whole=profile, same_source=same_source, progress=progress)
    profiled = storage.find_profile(project, find_home_folder(), result.sample.fingerprint)
    if profile and not (profiled and profiled.is_complete):
        profiled = _profile_sample(project, result.sample, result.manifest, progress)
        storage.write_profile(project, result.sample.fingerprint, profiled)
    return dataclasses.replace(result, profile=profiled)


def _ensure_cluster_sample(project: Project, *, refresh: bool, profile: bool, progress: Progress) -> SampleResult:
    """Return the project's sample in the store, drawn by Spark's executors if it is missing."""
    from sandbox.masking import find_secret  # noqa: PLC0415 - pyarrow is slow to import
    from sandbox.sampler.cluster import publication  # noqa: PLC0415 - see above

    check_masks_in_ci(project)
    store = open_store(project)
    make_state_folder(project.state_folder)
    with lock_path(project.state_folder / "requests"):
        secret = find_secret(find_home_folder(), root=project.root)
        request = compute_request_id(project.settings)
        manifest = (
            None if refresh else publication.find_manifest(store, request, secret_id=secret.id if secret else None)
        )
        drawn = manifest is None
        if manifest is None:
            manifest = draw_on_cluster(project, progress, whole=profile)
        catalog.record_sample(project, manifest.fingerprint)  # a later pull gets this sample
    profiled = publication.read_profile(store, manifest)
    if profile and not (profiled and profiled.is_complete):
        raise StoreError(
            f"the sample {manifest.fingerprint[:12]} lies in {store.name}, and is compared with production when it is drawn",
            hint="draw it again and compare all of it: sandbox sample --refresh --profile",
        )
    path = catalog.resolve_sample_path(find_home_folder(), manifest.fingerprint)
    return SampleResult(
        sample=Sample(fingerprint=manifest.fingerprint, path=path),
        manifest=manifest,
        drawn=drawn,
        profile=profiled,
        store=store.format_address(f"samples/{manifest.fingerprint}"),
    )


def _profile_sample(project: Project, sample: Sample, manifest: SampleManifest, progress: Progress) -> SampleProfile:
    from sandbox.sampler.profile.compare import profile_stored_sample  # noqa: PLC0415 - see `sandbox.project.plan`

    return profile_stored_sample(
        plan(project, progress=progress),
        sample,
        manifest,
        ranges={name: table.ranges for name, table in project.settings.tables.items()},
        memory=project.settings.sample.memory,
        progress=progress,
    )
