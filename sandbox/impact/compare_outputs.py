"""Provide the common parts of all comparisons of a project's outputs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox import compare
from sandbox.compare.data_tests.declared_rules import list_declared_tests
from sandbox.compare.units.sampled_units import build_unit_draws
from sandbox.config.toml_quoting import quote_key
from sandbox.errors import ConfigError, PipelineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sandbox.compare import OutputRules, TableOrigin
    from sandbox.compare.rows.row_files import RowFileOptions
    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.config import Project
    from sandbox.manifest.diff import DataTestResult, OutputDiff
    from sandbox.manifest.run import RunOutput
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, Sample, TableFiles
    from sandbox.runner.run import Run


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """The options of a comparison of outputs.

    Attributes:
        rules: The declared rules of each output.
        units: The key of each unit table, the most important table first.
        draws: The draw of each unit table, for estimates; None describes the sample alone.
        details: Whether to include examples, distributions and segments.
        row_files: Where to write all differing rows; None writes none.
    """

    rules: Mapping[str, OutputRules]
    units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    draws: Mapping[str, UnitTableDraw] | None = None
    details: bool = True
    row_files: RowFileOptions | None = None


def compare_tables(
    baseline: Mapping[str, TableFiles],
    candidate: Mapping[str, TableFiles],
    terms: ComparisonOptions,
    *,
    progress: Progress,
    identical: Collection[str] = (),
    origin: TableOrigin = "project",
) -> dict[str, OutputDiff]:
    """Compare two sets of tables within this machine's memory (see `sandbox.compare.compare`)."""
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
        row_files=terms.row_files,
    )


def run_data_tests(
    project: Project,
    baseline: Mapping[str, TableFiles],
    candidate: Mapping[str, TableFiles],
    sample: Sample,
    *,
    progress: Progress,
) -> list[DataTestResult]:
    """Run the project's data tests, and those of declared rules, on both sides' outputs."""
    declared = list_declared_tests(project.settings.outputs, keys=False)
    return compare.run_data_tests(
        [*declared, *(test for test in project.settings.tests if "diff" in test.on)],
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
    """Build the options from the declared rules and the sample's units; for estimates, with their draws."""
    called = {name: table.called for name, table in project.settings.tables.items() if table.called is not None}
    return ComparisonOptions(
        rules={name: compare.build_output_rules(section) for name, section in project.settings.outputs.items()},
        units={unit: tuple(draw.key) for unit, draw in manifest.units.items()},
        draws=build_unit_draws(manifest, estimating.path, called) if estimating else None,
    )


def check_declared_outputs(project: Project, outputs: Iterable[str]) -> None:
    """Check that every declared output was made by one side.

    Raises:
        PipelineError: An output is missing on both sides.
    """
    known = sorted(outputs)
    for name in project.settings.outputs:
        if name not in known:
            raise PipelineError(
                f"[outputs.{name}]: neither version made this output",
                hint=f"both together made {', '.join(known)}; correct the name in {project.file.name}, or the pipeline",
            )


def check_csv_settings(project: Project, *sides: Mapping[str, TableFiles]) -> None:
    """Check that outputs with ``csv`` in the settings are CSV files, on one side at least.

    Raises:
        ConfigError: An output is not.
    """
    for name in project.settings.output_csv:
        tables = [side[name] for side in sides if name in side]
        if tables and all(table.format != "csv" for table in tables):
            raise ConfigError(
                f"[outputs.{quote_key(name)}] csv has no effect: its files are {tables[0].format}",
                hint=f"leave it out of {project.file.name}",
            )


def find_differing_outputs(first: Run, second: Run) -> set[str]:
    """Return the outputs of both runs with different files, byte for byte."""
    outputs = first.record.outputs, second.record.outputs
    return {
        name
        for name in outputs[0].keys() & outputs[1].keys()
        if _describe_content(outputs[0][name]) != _describe_content(outputs[1][name])
    }


def has_differences(first: Run, second: Run) -> bool:
    """Return whether a file of an output or an artifact of both runs differs, byte for byte."""
    artifacts = [{path: file.sha256 for path, file in run.record.artifacts.items()} for run in (first, second)]
    return artifacts[0] != artifacts[1] or bool(find_differing_outputs(first, second))


def find_identical_outputs(first: Run, second: Run, rules: Mapping[str, OutputRules]) -> list[str]:
    """Return the outputs with the same files, except databases, whose file holds several outputs."""
    differing = find_differing_outputs(first, second)
    return [
        name
        for name, output in first.record.outputs.items()
        if name in second.record.outputs
        and name not in differing
        and output.member is None
        and not (name in rules and rules[name].rename)
    ]


def compute_memory_limit() -> int:
    """Compute the memory limit of a comparison in bytes: half of this machine's memory, at most 4 GB."""
    return min(4 * 10**9, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def _describe_content(output: RunOutput) -> tuple[object, ...]:
    """Return everything that determines the content of an output's files.

    File names count if they determine the format, and in folders, because they name partitions.
    """
    files = [
        (file.sha256, file.path if output.folder is not None else PurePosixPath(file.path).suffixes)
        for file in output.files
    ]
    return output.format, output.member, output.database_schema, files
