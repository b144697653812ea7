"""``sandbox sample`` and ``sandbox plan``: draw the project's sample, or say what that would take."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError
from sandbox.model import Sample
from sandbox.project.registry import prepare_state
from sandbox.samples import catalog
from sandbox.samples.integrity import require_intact
from sandbox.samples.specification import request_id
from sandbox.store.folder import locked
from sandbox.store.paths import home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.config import Project
    from sandbox.manifest.profile import Profile
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Dialect, Progress
    from sandbox.sampler.plan.plan import Plan
    from sandbox.sampler.plan.warehouse_sql import Statement
    from sandbox.store.remote import Remote


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """The project's sample.

    ``drawn`` says whether it was drawn just now, ``pulled`` from where it came just now; ``profile`` how like production
    it is, None where nobody compared them or asked (see `compared`). ``store`` is where its rows lie in a store, None where they
    lie here.
    """

    sample: Sample
    manifest: SampleManifest
    drawn: bool
    pulled: str | None = None
    profile: Profile | None = None
    store: str | None = None

    @property
    def place(self) -> str:
        """Where its rows lie."""
        return self.store or str(self.sample.path)

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox sample --json``."""
        tables = {
            name: {"rows": table.rows, "bytes": table.bytes} for name, table in self.manifest.tables.items()
        }
        strata = [
            {"unit": unit, **stratum.model_dump(mode="json")}
            for unit, draw in self.manifest.units.items()
            for stratum in draw.strata
        ]
        return {
            "format_version": 1,
            "fingerprint": self.sample.fingerprint,
            "path": self.place,
            "drawn": self.drawn,
            "pulled": self.pulled,
            "tables": tables,
            "strata": strata,
            "profile": None if self.profile is None else self.profile.summary(),
        }


def plan(project: Project, *, progress: Progress) -> Plan:
    """Say what a sample would take; extracts nothing."""
    from sandbox.sampler.plan.planner import survey  # noqa: PLC0415 - Ibis is slow to import, and often not needed

    return survey(project, progress=progress)


@dataclass(frozen=True, kw_only=True)
class PlanSql:
    """A plan as SQL for a database: its statements, and all of them as one text."""

    dialect: str
    run: bool
    statements: Sequence[Statement]
    text: str

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox plan --sql DIALECT --json``; ``run`` says whether tests carry such SQL out."""
        return {
            "format_version": 1,
            "dialect": self.dialect,
            "run": self.run,
            "statements": [one.fields() for one in self.statements],
        }


def plan_sql(project: Project, dialect: Dialect, *, progress: Progress) -> PlanSql:
    """Give SQL that draws the sample in another database, from the source as it is now; carries nothing out."""
    from sandbox.engine.sql.dialects import RUN  # noqa: PLC0415 - see `plan`
    from sandbox.sampler.plan import warehouse_sql  # noqa: PLC0415

    found = plan(project, progress=progress)
    with contextlib.closing(found.listing):
        statements = warehouse_sql.statements(found, dialect)
        return PlanSql(
            dialect=dialect,
            run=dialect in RUN,
            statements=statements,
            text=warehouse_sql.script(statements, found, dialect),
        )


def compared(project: Project, *, refresh: bool, profile: bool, progress: Progress) -> SampleResult:
    """Give the project's sample (see `sample`), and how like production it is.

    ``profile`` compares all of it with production, tables of any size, unless that was done before.
    """
    from sandbox.sampler.profile import storage  # noqa: PLC0415 - slow to import, and most commands do not show it

    if project.settings.source.afar:
        return _compared_afar(project, refresh=refresh, profile=profile, progress=progress)
    found = sample(project, refresh=refresh, whole=profile, progress=progress)
    profiled = storage.known(project, home(), found.sample.fingerprint)
    if profile and not (profiled and profiled.complete):
        profiled = _profiled(project, found.sample, found.manifest, progress)
        storage.keep(project, found.sample.fingerprint, profiled)
    return dataclasses.replace(found, profile=profiled)


def sample(
    project: Project, *, refresh: bool = False, whole: bool = False, progress: Progress
) -> SampleResult:
    """Give the project's sample: the one that is here, else the one in the project's store, else a new one.

    ``refresh`` draws from the source as it is now, whatever is stored. A stored sample that is damaged is drawn again only
    then, and a store that does not answer is an error: to draw instead would give one person another sample.
    ``whole`` compares one that is drawn with all of production, however large.
    """
    known, pulled, fresh = None if refresh else _found(project), None, False
    if known is None:
        prepare_state(project.state)
        with locked(
            project.state / "requests"
        ):  # whoever waited for another's draw takes what that has drawn
            known = None if refresh else _found(project)
            if known is None:
                made = None
                if not refresh and project.settings.source.store:
                    made, pulled = _pulled(project, progress)
                if made is None and project.settings.source.afar:
                    _draw_afar(project, progress, whole=whole)
                    made, pulled = _pulled(project, progress)
                fresh = made is None
                known = catalog.load(home(), (made or _draw(project, progress, whole=whole)).fingerprint)
    found, manifest = known
    if not fresh:
        require_intact(project, found, manifest, progress)
    return SampleResult(sample=found, manifest=manifest, drawn=fresh, pulled=pulled)


def _compared_afar(project: Project, *, refresh: bool, profile: bool, progress: Progress) -> SampleResult:
    """Give the project's sample where it lies: in the store, drawn by the workers of a cluster if it is not there."""
    from sandbox.sampler.cluster import publication  # noqa: PLC0415 - pyarrow is slow to import

    store = _store(project)
    prepare_state(project.state)
    with locked(project.state / "requests"):
        manifest = None if refresh else publication.there(store, request_id(project.settings))
        drawn = manifest is None
        if manifest is None:
            manifest = _draw_afar(project, progress, whole=profile)
        catalog.remember(project, manifest.fingerprint)  # what is pulled later is what was shown
    profiled = publication.profile(store, manifest)
    if profile and not (profiled and profiled.complete):
        raise StoreError(
            f"the sample {manifest.fingerprint[:12]} lies in {store.name}, and is compared with production when it is drawn",
            hint="draw it again and compare all of it: sandbox sample --refresh --profile",
        )
    path = catalog.folder_of(home(), manifest.fingerprint)
    return SampleResult(
        sample=Sample(fingerprint=manifest.fingerprint, path=path),
        manifest=manifest,
        drawn=drawn,
        profile=profiled,
        store=store.shown(f"samples/{manifest.fingerprint}"),
    )


def _draw_afar(project: Project, progress: Progress, *, whole: bool) -> SampleManifest:
    from sandbox.sampler.draw.draw import draw_into  # noqa: PLC0415 - see `plan`

    planned = _planned(project, progress)
    return draw_into(_store(project), project, planned, home=home(), whole=whole, progress=progress)


def _store(project: Project) -> Remote:
    from sandbox.project.sharing import project_store  # noqa: PLC0415 - pyarrow is slow to import

    store = project_store(project)
    assert store is not None, "where there is none, the settings are refused"
    return store


def _profiled(project: Project, found: Sample, manifest: SampleManifest, progress: Progress) -> Profile:
    from sandbox.sampler.profile.compare import profiled_later  # noqa: PLC0415 - see `plan`

    return profiled_later(
        plan(project, progress=progress),
        found,
        manifest,
        ranges={name: table.ranges for name, table in project.settings.tables.items()},
        memory=project.settings.sample.memory,
        progress=progress,
    )


def _pulled(project: Project, progress: Progress) -> tuple[Sample | None, str | None]:
    from sandbox.project.sharing import pull_requested  # noqa: PLC0415 - pyarrow is slow to import

    try:
        shared = pull_requested(project, _store(project), progress)
    except StoreError as error:
        hint = f"{error.hint}\nto draw a sample of your own: sandbox sample --refresh".lstrip()
        raise StoreError(error.message, hint=hint) from error
    return (shared.sample, shared.store) if shared else (None, None)


def _draw(project: Project, progress: Progress, *, whole: bool) -> Sample:
    from sandbox.sampler.draw.draw import draw  # noqa: PLC0415 - see `plan`

    return draw(project, _planned(project, progress), home=home(), whole=whole, progress=progress)


def _planned(project: Project, progress: Progress) -> Plan:
    from sandbox.sources.checks import personal_columns  # noqa: PLC0415 - see `plan`

    planned = plan(project, progress=progress)
    personal_columns.refuse(planned.suspects, project.settings)  # before the warnings, which say the same
    for warning in planned.warnings:
        progress.say(f"warning: {warning}")
    return planned


def _found(project: Project) -> tuple[Sample, SampleManifest] | None:
    try:
        return catalog.found(project, home())
    except StoreError as error:
        raise StoreError(
            error.message, hint="draw it again from the source: sandbox sample --refresh"
        ) from error
