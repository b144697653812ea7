"""Provide a project's sample: the stored one, a shared one, or a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError
from sandbox.project.committed_settings import check_masks_in_ci
from sandbox.project.plan import plan_draw
from sandbox.project.registry import make_state_folder
from sandbox.project.source_identity import accept_source, check_source
from sandbox.samples import catalog
from sandbox.samples.integrity import check_sample_integrity
from sandbox.samples.mask_secret import report_other_secret
from sandbox.store.folder import lock_path
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.profile import SampleProfile
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, Sample
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


def ensure_sample(
    project: Project, *, refresh: bool = False, whole: bool = False, same_source: bool = False, progress: Progress
) -> SampleResult:
    """Return the project's sample: the stored one, else the one in the project's store, else a new one.

    ``refresh`` always draws from the present source; only then is a damaged sample drawn again. A store that does not
    answer is an error, because drawing instead would produce differing samples within a team. ``whole`` compares a new
    sample with the whole of production. ``same_source`` accepts the configured address as another one of the same data.

    Raises:
        FrozenMismatchError: The stored sample was drawn from another source.
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
                    draw_on_cluster(project, progress, whole=whole)
                    pulled_sample, pulled = _pull_sample(project, progress)
                fresh = pulled_sample is None
                known = catalog.load_sample(
                    find_home_folder(), (pulled_sample or _draw_sample(project, progress, whole=whole)).fingerprint
                )
    sample, manifest = known
    if same_source:
        accept_source(project, sample.fingerprint, progress)
    check_source(project, sample.fingerprint)
    if not fresh:
        check_sample_integrity(sample, manifest, progress)
        report_other_secret(project, manifest, progress)
    return SampleResult(sample=sample, manifest=manifest, drawn=fresh, pulled=pulled)


def has_sample(project: Project) -> bool:
    """Return whether a project has a sample on this machine; draws none.

    Raises:
        StoreError: The sample is damaged.
    """
    return _find_sample(project) is not None


def draw_on_cluster(project: Project, progress: Progress, *, whole: bool) -> SampleManifest:
    from sandbox.sampler.cluster.draw import draw_into_store  # noqa: PLC0415 - see `sandbox.project.plan`

    planned = plan_draw(project, progress)
    return draw_into_store(
        open_store(project), project, planned, home=find_home_folder(), whole=whole, progress=progress
    )


def open_store(project: Project) -> RemoteStore:
    from sandbox.project.sharing import open_project_store  # noqa: PLC0415 - pyarrow is slow to import

    store = open_project_store(project)
    assert store is not None, "where there is none, the settings are refused"
    return store


def _pull_sample(project: Project, progress: Progress) -> tuple[Sample | None, str | None]:
    from sandbox.project.sharing import pull_requested_sample  # noqa: PLC0415 - pyarrow is slow to import

    try:
        shared = pull_requested_sample(project, open_store(project), progress)
    except StoreError as error:
        hint = f"{error.hint}\nto draw a sample of your own: sandbox sample --refresh".lstrip()
        raise StoreError(error.message, hint=hint) from error
    return (shared.sample, shared.store) if shared else (None, None)


def _draw_sample(project: Project, progress: Progress, *, whole: bool) -> Sample:
    from sandbox.sampler.draw.draw import draw_sample  # noqa: PLC0415 - see `sandbox.project.plan`

    return draw_sample(project, plan_draw(project, progress), home=find_home_folder(), whole=whole, progress=progress)


def _find_sample(project: Project) -> tuple[Sample, SampleManifest] | None:
    try:
        return catalog.find_sample_and_manifest(project, find_home_folder())
    except StoreError as error:
        raise StoreError(error.message, hint="draw it again from the source: sandbox sample --refresh") from error
