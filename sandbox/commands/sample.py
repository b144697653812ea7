"""``sandbox sample`` and ``sandbox plan``: draw the project's sample, or say what that would take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError
from sandbox.sampler.kept import drawn, load
from sandbox.store.places import home

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, Sample
    from sandbox.sampler.plan import Plan


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """The project's sample; ``drawn`` says whether it was drawn just now."""

    sample: Sample
    manifest: SampleManifest
    drawn: bool

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
            "path": str(self.sample.path),
            "drawn": self.drawn,
            "tables": tables,
            "strata": strata,
        }


def plan(project: Project, *, progress: Progress) -> Plan:
    """Say what a sample would take; extracts nothing."""
    from sandbox.sampler.survey import survey  # noqa: PLC0415 - Ibis is slow to import, and often not needed

    return survey(project, progress=progress)


def sample(project: Project, *, refresh: bool = False, progress: Progress) -> SampleResult:
    """Give the project's sample, drawing it if it is not drawn yet, or if ``refresh`` asks for the source as it is now.

    A stored sample that is damaged is drawn again from the source only when ``refresh`` asks for it.
    """
    found = None if refresh else _found(project)
    fresh = found is None
    if found is None:
        found = _draw(project, progress)
    _, manifest = load(home(), found.fingerprint)
    return SampleResult(sample=found, manifest=manifest, drawn=fresh)


def _draw(project: Project, progress: Progress) -> Sample:
    from sandbox.sampler.draw import draw  # noqa: PLC0415 - see `plan`

    planned = plan(project, progress=progress)
    for warning in planned.warnings:
        progress.say(f"warning: {warning}")
    return draw(project, planned, home=home(), progress=progress)


def _found(project: Project) -> Sample | None:
    try:
        return drawn(project, home())
    except StoreError as error:
        raise StoreError(
            error.message, hint="draw it again from the source: sandbox sample --refresh"
        ) from error
