"""What every comparison of a project's outputs has in common."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox import compare
from sandbox.compare.units.sampled_units import build_unit_draws
from sandbox.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sandbox.compare import OutputRules, TableOrigin
    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.config import Project
    from sandbox.manifest.diff import DataTestResult, OutputDiff
    from sandbox.manifest.run import RunOutput
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, Sample, TableFiles
    from sandbox.runner.run import Run


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """By what outputs are compared.

    Attributes:
        rules: What is declared about an output.
        units: Each unit table to its key, the most important first.
        draws: The draw of each unit table, to estimate by; None counts the sample alone.
        details: Whether examples, distributions and segments are wanted too.
    """

    rules: Mapping[str, OutputRules]
    units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    draws: Mapping[str, UnitTableDraw] | None = None
    details: bool = True


def compare_tables(
    baseline: Mapping[str, TableFiles],
    candidate: Mapping[str, TableFiles],
    terms: ComparisonOptions,
    *,
    progress: Progress,
    identical: Collection[str] = (),
    origin: TableOrigin = "project",
) -> dict[str, OutputDiff]:
    """Compare two sets of tables within this machine's means (see `sandbox.compare.compare`)."""
    if not baseline and not candidate:
        return {}
    return compare.compare_tables(
        baseline,
        candidate,
        rules=terms.rules,
        units=terms.units,
        draws=terms.draws,
        identical=identical,
        memory=compute_memory_limit(),
        threads=None,
        progress=progress,
        origin=origin,
        details=terms.details,
    )


def run_data_tests(
    project: Project,
    baseline: Mapping[str, TableFiles],
    candidate: Mapping[str, TableFiles],
    sample: Sample,
    *,
    progress: Progress,
) -> list[DataTestResult]:
    """Carry out the project's data tests on both sides' outputs."""
    return compare.run_data_tests(
        project.settings.tests,
        baseline,
        candidate,
        sample=sample.tables,
        memory=compute_memory_limit(),
        seconds=project.settings.stack.limits.timeout,
        progress=progress,
    )


def build_comparison_options(
    project: Project, manifest: SampleManifest, *, estimating: Sample | None = None
) -> ComparisonOptions:
    """Give what the project's file declares about outputs, and the units of the sample; to estimate by, their draws."""
    return ComparisonOptions(
        rules={name: compare.build_output_rules(section) for name, section in project.settings.outputs.items()},
        units={unit: tuple(draw.key) for unit, draw in manifest.units.items()},
        draws=build_unit_draws(manifest, estimating.path) if estimating else None,
    )


def check_declared_outputs(project: Project, made: Iterable[str]) -> None:
    """Make sure that every declared output was made by one side.

    Raises:
        PipelineError: One was not.
    """
    known = sorted(made)
    for name in project.settings.outputs:
        if name not in known:
            raise PipelineError(
                f"[outputs.{name}]: neither version made this output",
                hint=f"both together made {', '.join(known)}; correct the name in {project.file.name}, or the pipeline",
            )


def find_differing_outputs(one: Run, other: Run) -> set[str]:
    """Return the outputs of both runs whose files are not the same, byte for byte."""
    outputs = one.record.outputs, other.record.outputs
    return {
        name
        for name in outputs[0].keys() & outputs[1].keys()
        if _describe_content(outputs[0][name]) != _describe_content(outputs[1][name])
    }


def has_differences(one: Run, other: Run) -> bool:
    """Return whether a file of an output or an artifact of both runs is not the same, byte for byte."""
    artifacts = [{path: file.sha256 for path, file in run.record.artifacts.items()} for run in (one, other)]
    return artifacts[0] != artifacts[1] or bool(find_differing_outputs(one, other))


def find_identical_outputs(one: Run, other: Run, rules: Mapping[str, OutputRules]) -> list[str]:
    """Return the outputs that need no comparison: the same files, but not of a database, which holds several in one file."""
    differing = find_differing_outputs(one, other)
    return [
        name
        for name, output in one.record.outputs.items()
        if name in other.record.outputs
        and name not in differing
        and output.member is None
        and not (name in rules and rules[name].rename)
    ]


def compute_memory_limit() -> int:
    """Give the bytes that comparing may hold: half of this machine's, at most 4 GB."""
    return min(4 * 10**9, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def _describe_content(output: RunOutput) -> tuple[object, ...]:
    """Return everything that decides what an output's files hold.

    The names of files count where they say how to read them, and in folders, whose names are partitions.
    """
    files = [
        (file.sha256, file.path if output.folder is not None else PurePosixPath(file.path).suffixes)
        for file in output.files
    ]
    return output.format, output.member, output.database_schema, files
