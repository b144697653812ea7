"""List changes of a dbt project that the comparison of outputs does not judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.dbt import runs, seeds
from sandbox.impact.production.certification import list_uncertified_models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.impact.sides import RunnableSide
    from sandbox.manifest.diff import NotCompared, OutputDiff
    from sandbox.runner.run import Run


def list_unjudged_changes(
    baseline: RunnableSide, candidate: RunnableSide, sides: tuple[Run, Run], outputs: Mapping[str, OutputDiff]
) -> list[NotCompared]:
    """Return the edited seeds of the source, and the affected models whose translation has no certificate."""
    project = baseline.context.project
    if not runs.is_dbt_project(project):
        return []
    manifest = baseline.context.sample.manifest
    return [
        *seeds.list_changed_seeds(project, manifest, baseline.request.code, candidate.request.code),
        *list_uncertified_models(project, *sides, outputs),
    ]
