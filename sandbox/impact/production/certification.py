"""Certify models translated from a warehouse's SQL by production's outputs, and name those without a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.dbt.certificates import compute_identities, list_affected_outputs
from sandbox.errors import ConfigError
from sandbox.formatting import format_count
from sandbox.impact.check_records import read_record, write_record
from sandbox.manifest.comparison import CertificateRecord
from sandbox.manifest.diff import NotCompared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config import Project
    from sandbox.manifest.diff import OutputDiff
    from sandbox.runner.run import Run

CERTIFY_COMMAND = "sandbox diff --certify --baseline-output PATH"
MAX_NAMED = 20


def check_dialect(project: Project, ref: str | None) -> None:
    """Check that a version's models are translated.

    Raises:
        ConfigError: They are not.
    """
    if project.settings.pipeline.dialect is None:
        raise ConfigError(
            f"--certify: no model is translated at {ref}",
            hint='it goes with dialect = "snowflake" or alike in [pipeline]',
        )


def certify_models(project: Project, run: Run, outputs: Mapping[str, OutputDiff]) -> str:
    """Write a certificate for each model with exactly production's rows, and describe the result.

    Args:
        project: The project.
        run: The run of production's code on the sample.
        outputs: Its comparison with production's outputs.
    """
    dialect = project.settings.pipeline.dialect
    assert dialect is not None
    identities = compute_identities(run, dialect)
    left = {}
    for name, identity in identities.items():
        problem = _find_difference(outputs.get(name))
        if problem is not None:
            left[name] = problem
            continue
        certificate = CertificateRecord(
            identity=identity,
            model=name,
            dialect=dialect,
            commit=run.version.commit,
            sample=run.record.sample,
            rows=outputs[name].rows.candidate,
        )
        write_record(project.state_folder, certificate)
    text = f"{len(identities) - len(left)} of {format_count(len(identities), 'model is', 'models are')} certified"
    if not left:
        return text
    named = [f"{name} ({problem})" for name, problem in sorted(left.items())]
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return f"{text}; not certified: {', '.join(named[:MAX_NAMED])}{more}"


def list_uncertified_models(
    project: Project, baseline: Run, candidate: Run, outputs: Mapping[str, OutputDiff]
) -> list[NotCompared]:
    """Return the models that a change affects and whose translation in the baseline has no certificate."""
    dialect = project.settings.pipeline.dialect
    if dialect is None:
        return []
    identities = compute_identities(baseline, dialect)
    differing = {name for name, output in outputs.items() if not output.is_same}
    return [
        NotCompared(
            name=name,
            output=name,
            reason=f"its translation from {dialect} is not certified by what production made: {CERTIFY_COMMAND}",
        )
        for name in list_affected_outputs(baseline, candidate, differing)
        if name in identities
        and name in outputs
        and outputs[name].status == "compared"
        and read_record(CertificateRecord, project.state_folder, identities[name]) is None
    ]


def _find_difference(output: OutputDiff | None) -> str | None:
    """Return why an output does not certify its model."""
    if output is None:
        return "not compared"
    if output.status != "compared":
        return "made by one side alone"
    lost = [*output.schema_.added, *output.schema_.removed]
    if lost:
        return f"its {', '.join(sorted(lost))} is on one side alone"
    if output.ignored:
        return f"its {', '.join(sorted(output.ignored))} is ignored"
    if output.rows.different:
        return f"{format_count(output.rows.different, 'row differs', 'rows differ')}"
    return None if output.rows.candidate else "it has no row in the sample"
