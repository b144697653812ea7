"""``sandbox sample`` and ``sandbox plan``: draw the project's sample or estimate its cost."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError
from sandbox.model import Sample
from sandbox.project.committed_settings import check_masks_in_ci
from sandbox.project.registry import make_state_folder
from sandbox.samples import catalog
from sandbox.samples.integrity import check_sample_integrity
from sandbox.samples.specification import compute_request_id
from sandbox.store.folder import lock_path
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.config import Project
    from sandbox.manifest.profile import SampleProfile
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, SqlDialect
    from sandbox.sampler.plan.plan import SamplePlan
    from sandbox.sampler.plan.warehouse_sql import WarehouseStatement
    from sandbox.store.remote import RemoteStore


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """The project's sample.

    Attributes:
        drawn: Whether this command drew it.
        pulled: The store it was pulled from by this command, if any.
        profile: Its comparison with production; None if there is none or it was not requested.
        store: Its address in a store; None if its rows are on this machine.
    """

    sample: Sample
    manifest: SampleManifest
    drawn: bool
    pulled: str | None = None
    profile: SampleProfile | None = None
    store: str | None = None

    @property
    def location(self) -> str:
        """Path or address of its rows."""
        return self.store or str(self.sample.path)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox sample --json``."""
        tables = {name: {"rows": table.rows, "bytes": table.bytes} for name, table in self.manifest.tables.items()}
        strata = [
            {"unit": unit, **stratum.model_dump(mode="json")}
            for unit, draw in self.manifest.units.items()
            for stratum in draw.strata
        ]
        return {
            "format_version": 1,
            "fingerprint": self.sample.fingerprint,
            "path": self.location,
            "drawn": self.drawn,
            "pulled": self.pulled,
            "tables": tables,
            "strata": strata,
            "profile": None if self.profile is None else self.profile.summarize(),
        }


def plan(project: Project, *, progress: Progress) -> SamplePlan:
    """Plan a sample without extracting rows."""
    from sandbox.sampler.plan.planner import plan_sample  # noqa: PLC0415 - Ibis is slow to import, and often not needed

    return plan_sample(project, progress=progress)


@dataclass(frozen=True, kw_only=True)
class PlanSql:
    """A plan as SQL for a database: its statements, and all of them as one text."""

    dialect: str
    run: bool
    statements: Sequence[WarehouseStatement]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox plan --sql DIALECT --json``; ``run`` is whether tests run such SQL."""
        return {
            "format_version": 1,
            "dialect": self.dialect,
            "run": self.run,
            "statements": [statement.to_dict() for statement in self.statements],
        }


def plan_sql(project: Project, dialect: SqlDialect, *, progress: Progress) -> PlanSql:
    """Compile the draw of the sample into SQL for another database, from the present source; runs nothing."""
    from sandbox.engine.sql.dialects import TESTED_DIALECTS  # noqa: PLC0415 - see `plan`
    from sandbox.sampler.plan import warehouse_sql  # noqa: PLC0415

    planned = plan(project, progress=progress)
    with contextlib.closing(planned.listing):
        statements = warehouse_sql.compile_plan(planned, dialect)
        return PlanSql(
            dialect=dialect,
            run=dialect in TESTED_DIALECTS,
            statements=statements,
            text=warehouse_sql.format_script(statements, planned, dialect),
        )


def ensure_profiled_sample(project: Project, *, refresh: bool, profile: bool, progress: Progress) -> SampleResult:
    """Return the project's sample (see `ensure_sample`) with its comparison with production.

    ``profile`` compares it with the whole of production, tables of any size, unless that was done before.
    """
    from sandbox.sampler.profile import storage  # noqa: PLC0415 - slow to import, and most commands do not show it

    if project.settings.source.is_sample_written_by_executors:
        return _ensure_cluster_sample(project, refresh=refresh, profile=profile, progress=progress)
    result = ensure_sample(project, refresh=refresh, whole=profile, progress=progress)
    profiled = storage.find_profile(project, find_home_folder(), result.sample.fingerprint)
    if profile and not (profiled and profiled.is_complete):
        profiled = _profile_sample(project, result.sample, result.manifest, progress)
        storage.write_profile(project, result.sample.fingerprint, profiled)
    return dataclasses.replace(result, profile=profiled)


def ensure_sample(project: Project, *, refresh: bool = False, whole: bool = False, progress: Progress) -> SampleResult:
    """Return the project's sample: the stored one, else the one in the project's store, else a new one.

    ``refresh`` always draws from the present source; only then is a damaged sample drawn again. A store that does not
    answer is an error, because drawing instead would produce differing samples within a team. ``whole`` compares a new
    sample with the whole of production.
    """
    check_masks_in_ci(project)
    known, pulled, fresh = None if refresh else _find_sample(project), None, False
    if known is None:
        make_state_folder(project.state_folder)
        with lock_path(project.state_folder / "requests"):  # after waiting for another draw, use its sample
            known = None if refresh else _find_sample(project)
            if known is None:
                pulled_sample = None
                if not refresh and project.settings.source.store:
                    pulled_sample, pulled = _pull_sample(project, progress)
                if pulled_sample is None and project.settings.source.is_sample_written_by_executors:
                    _draw_on_cluster(project, progress, whole=whole)
                    pulled_sample, pulled = _pull_sample(project, progress)
                fresh = pulled_sample is None
                known = catalog.load_sample(
                    find_home_folder(), (pulled_sample or _draw_sample(project, progress, whole=whole)).fingerprint
                )
    sample, manifest = known
    if not fresh:
        check_sample_integrity(sample, manifest, progress)
    return SampleResult(sample=sample, manifest=manifest, drawn=fresh, pulled=pulled)


def _ensure_cluster_sample(project: Project, *, refresh: bool, profile: bool, progress: Progress) -> SampleResult:
    """Return the project's sample in the store, drawn by Spark's executors if it is missing."""
    from sandbox.sampler.cluster import publication  # noqa: PLC0415 - pyarrow is slow to import

    check_masks_in_ci(project)
    store = _open_store(project)
    make_state_folder(project.state_folder)
    with lock_path(project.state_folder / "requests"):
        manifest = None if refresh else publication.find_manifest(store, compute_request_id(project.settings))
        drawn = manifest is None
        if manifest is None:
            manifest = _draw_on_cluster(project, progress, whole=profile)
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


def _draw_on_cluster(project: Project, progress: Progress, *, whole: bool) -> SampleManifest:
    from sandbox.sampler.cluster.draw import draw_into_store  # noqa: PLC0415 - see `plan`

    planned = _plan_draw(project, progress)
    return draw_into_store(
        _open_store(project), project, planned, home=find_home_folder(), whole=whole, progress=progress
    )


def _open_store(project: Project) -> RemoteStore:
    from sandbox.project.sharing import open_project_store  # noqa: PLC0415 - pyarrow is slow to import

    store = open_project_store(project)
    assert store is not None, "where there is none, the settings are refused"
    return store


def _profile_sample(project: Project, sample: Sample, manifest: SampleManifest, progress: Progress) -> SampleProfile:
    from sandbox.sampler.profile.compare import profile_stored_sample  # noqa: PLC0415 - see `plan`

    return profile_stored_sample(
        plan(project, progress=progress),
        sample,
        manifest,
        ranges={name: table.ranges for name, table in project.settings.tables.items()},
        memory=project.settings.sample.memory,
        progress=progress,
    )


def _pull_sample(project: Project, progress: Progress) -> tuple[Sample | None, str | None]:
    from sandbox.project.sharing import pull_requested_sample  # noqa: PLC0415 - pyarrow is slow to import

    try:
        shared = pull_requested_sample(project, _open_store(project), progress)
    except StoreError as error:
        hint = f"{error.hint}\nto draw a sample of your own: sandbox sample --refresh".lstrip()
        raise StoreError(error.message, hint=hint) from error
    return (shared.sample, shared.store) if shared else (None, None)


def _draw_sample(project: Project, progress: Progress, *, whole: bool) -> Sample:
    from sandbox.sampler.draw.draw import draw_sample  # noqa: PLC0415 - see `plan`

    return draw_sample(project, _plan_draw(project, progress), home=find_home_folder(), whole=whole, progress=progress)


def _plan_draw(project: Project, progress: Progress) -> SamplePlan:
    from sandbox.sources.checks import personal_columns  # noqa: PLC0415 - see `plan`

    planned = plan(project, progress=progress)
    # Before the warnings, which repeat its findings.
    personal_columns.check_personal_columns(planned.personal_columns, project.settings)
    for warning in planned.warnings:
        progress.print_message(f"warning: {warning}")
    return planned


def _find_sample(project: Project) -> tuple[Sample, SampleManifest] | None:
    try:
        return catalog.find_sample_and_manifest(project, find_home_folder())
    except StoreError as error:
        raise StoreError(error.message, hint="draw it again from the source: sandbox sample --refresh") from error
