"""The verdict: what the gate makes of the differences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.data_tests import evaluate_data_tests
from sandbox.compare.gate_limits import (
    LIMIT_TOLERANCE,
    evaluate_total_change,
    format_percent,
    has_uncounted_differences,
    split_output_column,
)
from sandbox.manifest.diff import GateResult, OutputDiff, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.config.settings import GateSection
    from sandbox.manifest.diff import DataTestResult

DEFAULT_CHANGED_ROWS_LIMIT = 0.0
DEFAULT_SCHEMA_LIMIT = "same"


def evaluate_gate(
    outputs: Mapping[str, OutputDiff],
    gate: GateSection,
    per_output: Mapping[str, GateSection],
    tests: Sequence[DataTestResult] = (),
) -> tuple[Verdict, list[GateResult]]:
    """Judge the differences.

    Every rule is judged for every output, by the output's own limit where it has one; one that is not held decides.
    A rule that cannot be evaluated is not held.

    Returns:
        The verdict, and one result for each rule and output, in the outputs' order.
    """
    results = []
    for name, output in outputs.items():
        own = per_output.get(name)
        results += [
            _evaluate_changed_rows(name, output, gate, own),
            _evaluate_schema(name, output, gate, own),
        ]
        results += [
            evaluate_total_change(name, column, limit, outputs)
            for column, limit in (own.total_change.items() if own else ())
        ]
    for name, own in per_output.items():
        if name not in outputs:
            results += _evaluate_missing_output(name, own, outputs)
    results += [
        evaluate_total_change(*split_output_column(named, outputs), limit, outputs)
        for named, limit in gate.total_change.items()
    ]
    results += evaluate_data_tests(tests, gate)
    if not all(result.held for result in results):
        return "outside_gate", results
    same = all(output.is_same for output in outputs.values())
    return ("same" if same else "within_gate"), results


def _evaluate_missing_output(name: str, own: GateSection, outputs: Mapping[str, OutputDiff]) -> Iterator[GateResult]:
    """Judge an output that was left out of the comparison: none of its own rules is held."""
    limits = {
        "changed_rows": None if own.changed_rows is None else format_percent(own.changed_rows),
        "schema": own.schema_,
    }
    for rule, limit in limits.items():
        if limit is not None:
            yield GateResult(rule=f"{rule} {name}", output=None, limit=limit, held=False, found="not compared")
    for column, share in own.total_change.items():
        yield evaluate_total_change(name, column, share, outputs)


def _evaluate_changed_rows(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> GateResult:
    limit = next(
        (section.changed_rows for section in (own, gate) if section and section.changed_rows is not None),
        DEFAULT_CHANGED_ROWS_LIMIT,
    )
    weighted = find_weighted_share(output)
    found = output.rows.differing_share if weighted is None else weighted
    return GateResult(
        rule="changed_rows",
        output=name,
        limit=format_percent(limit),
        held=found <= limit * (1 + LIMIT_TOLERANCE),
        found=format_percent(found) + ("" if weighted is None else ", weighted to production,"),
    )


def find_weighted_share(output: OutputDiff) -> float | None:
    """Give the estimated share of production's rows that differ; None where the sample's own share must do.

    It must where nothing is estimated, and where a difference is in rows that the estimate leaves out, or the sample
    shows none: no weight may make a difference vanish.
    """
    estimate = output.estimate
    if has_uncounted_differences(output) or not estimate.share.estimate or output.rows.differing_share == 0:
        return None
    return estimate.share.estimate


def _evaluate_schema(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> GateResult:
    limit = next(
        (section.schema_ for section in (own, gate) if section and section.schema_ is not None),
        DEFAULT_SCHEMA_LIMIT,
    )
    if output.status != "compared":
        found = f"output {output.status}"
    else:
        changes = output.schema_
        counts = {
            "added": len(changes.added),
            "removed": len(changes.removed),
            "type changed": len(changes.type_changed),
        }
        found = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "same"
    return GateResult(rule="schema", output=name, limit=limit, held=limit == "any" or found == "same", found=found)
