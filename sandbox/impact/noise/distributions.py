"""Judge nondeterministic columns of all outputs by their distribution."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules, RunPeriod, judge_columns
from sandbox.impact.compare_outputs import compute_memory_limit
from sandbox.manifest.diff import NondeterministicColumn
from sandbox.runner.output_records import list_output_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.compare import ColumnTest
    from sandbox.manifest.diff import OutputDiff
    from sandbox.runner.run import Run

LEVEL = 0.01
"""The probability that a diff without a change fails by any of its nondeterministic columns."""


def judge_distributions(
    outputs: Mapping[str, OutputDiff], runs: tuple[Run, Run, Run], rules: Mapping[str, OutputRules]
) -> dict[str, OutputDiff]:
    """Return the outputs with nondeterministic columns, with the test of each.

    Args:
        outputs: The differences of each output.
        runs: The baseline's run, the noise run, the candidate's run.
        rules: The declared rules of each output.
    """
    tables = [list_output_tables(run.output_folder, run.record.outputs) for run in runs]
    tests = {
        name: judge_columns(
            [side[name] for side in tables],
            [_measure_period(run) for run in runs],
            output.tainted,
            rules.get(name, OutputRules()),
            key=output.key.columns,
            memory=compute_memory_limit(),
        )
        for name, output in outputs.items()
        if output.tainted
    }
    if not tests:
        return {}
    from sandbox.estimate.distribution_tests import adjust_p_values  # noqa: PLC0415 - numpy is slow to import

    adjusted = iter(adjust_p_values([test.p_value for some in tests.values() for test in some]))
    return {
        name: outputs[name].model_copy(
            update={"nondeterministic": {test.name: _describe_test(test, next(adjusted)) for test in some}}
        )
        for name, some in tests.items()
    }


def _describe_test(test: ColumnTest, p_value: float) -> NondeterministicColumn:
    is_alike = p_value > LEVEL
    return NondeterministicColumn(
        kind=test.kind, p_value=p_value, is_alike=is_alike, finding="" if is_alike else test.finding
    )


def _measure_period(run: Run) -> RunPeriod:
    start = dt.datetime.fromisoformat(run.record.started).timestamp()
    return RunPeriod(start=start, end=start + run.record.wall_seconds)
