"""The verdict: what the gate makes of the differences. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.compare.data_tests.queries import evaluate_data_tests
from sandbox.compare.gate_limits import (
    LIMIT_TOLERANCE,
    evaluate_total_change,
    format_percent,
    has_uncounted_differences,
    render_accept_line,
    render_accepted_share,
    split_output_column,
)
from sandbox.compare.gate_rules import (
    evaluate_artifacts,
    evaluate_classification,
    evaluate_nondeterministic,
    evaluate_not_compared,
    evaluate_rule_changes,
    evaluate_unexpected,
    get_limit,
)
from sandbox.compare.tolerance_proposals import propose_tolerances
from sandbox.manifest.diff import GateResult, OutputDiff, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.config.sections.outputs import GateSection
    from sandbox.manifest.diff import ArtifactDiff, DataTestResult, NotCompared, RuleChange
    from sandbox.manifest.why.expected_columns import ExpectedColumns


@dataclass(frozen=True, kw_only=True)
class GateEvidence:
    """The evidence of a gate.

    Attributes:
        outputs: The comparison of each output.
        tests: The data tests on both sides.
        artifacts: The comparison of each other file.
        not_compared: Everything of the runs without a comparison.
        rule_changes: The changes of the rules; None without a file to compare with.
        rules_limit: The value of ``rules`` in the baseline commit's file.
        expected_columns: The columns of outputs by whether the change leads to them.
    """

    outputs: Mapping[str, OutputDiff]
    tests: Sequence[DataTestResult] = ()
    artifacts: Mapping[str, ArtifactDiff] = field(default_factory=dict)
    not_compared: Sequence[NotCompared] = ()
    rule_changes: Sequence[RuleChange] | None = None
    rules_limit: str = "same"
    expected_columns: Mapping[str, ExpectedColumns] = field(default_factory=dict)


def evaluate_gate(
    evidence: GateEvidence, gate: GateSection, per_output: Mapping[str, GateSection]
) -> tuple[Verdict, list[GateResult]]:
    """Judge the differences.

    Every rule is judged for every output, by the output's own limit where it has one. The worst result decides. A rule that
    cannot be evaluated is not held.

    Returns:
        The verdict, and one result for each rule and output, in the outputs' order.
    """
    outputs = evidence.outputs
    results: list[GateResult] = []
    for name, output in outputs.items():
        own = per_output.get(name)
        results += _evaluate_output(name, output, gate, own)
        results += [
            evaluate_total_change(name, column, limit, outputs, own=True)
            for column, limit in (own.total_change.items() if own else ())
        ]
    for name, own in per_output.items():
        if name not in outputs:
            results += _evaluate_missing_output(name, own, outputs)
    results += [
        evaluate_total_change(*split_output_column(named, outputs), limit, outputs)
        for named, limit in gate.total_change.items()
    ]
    results += evaluate_data_tests(evidence.tests, gate)
    results += evaluate_artifacts(evidence.artifacts, gate)
    results += evaluate_classification(evidence.artifacts, gate, per_output)
    results += evaluate_not_compared(evidence.not_compared, gate, per_output)
    results += evaluate_unexpected(evidence.expected_columns, gate)
    results += evaluate_rule_changes(evidence.rule_changes, evidence.rules_limit)
    if not all(result.held for result in results):
        return "outside_gate", results
    return ("same" if _is_same(evidence) else "within_gate"), results


def _is_same(evidence: GateEvidence) -> bool:
    return (
        all(output.is_literally_same for output in evidence.outputs.values())
        and all(artifact.status == "same" for artifact in evidence.artifacts.values())
        and not evidence.not_compared
    )


def _evaluate_output(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> Iterator[GateResult]:
    """Judge one output; of one that only one side has, nothing but that."""
    if output.status == "compared":
        yield _evaluate_changed_rows(name, output, gate, own)
        yield _evaluate_schema(name, output, gate, own)
        if output.tainted:
            yield evaluate_nondeterministic(name, output, gate, own)
        return
    limit = get_limit(output.status, gate, own)
    held = limit == "any"
    yield GateResult(
        rule=output.status,
        output=name,
        limit=str(limit),
        held=held,
        found=f"output {output.status}",
        accept=None if held else render_accept_line(output.status, "any", output=name),
    )


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
        yield evaluate_total_change(name, column, share, outputs, own=True)


def _evaluate_changed_rows(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> GateResult:
    limit = float(get_limit("changed_rows", gate, own))
    rounding = output.rows.rounding if get_limit("rounding", gate, own) == "accept" else 0
    accepted = output.rows.noise + rounding
    weighted = find_weighted_share(output, accepted)
    share = output.rows.compute_share(accepted) if weighted is None else weighted
    held = share <= limit * (1 + LIMIT_TOLERANCE)
    return GateResult(
        rule="changed_rows",
        output=name,
        limit=format_percent(limit),
        held=held,
        found=format_percent(share) + ("" if weighted is None else ", weighted to production,"),
        accept=None if held else render_accept_line("changed_rows", render_accepted_share(share), output=name),
        tolerance=None if held else propose_tolerances(name, output),
    )


def find_weighted_share(output: OutputDiff, accepted: int) -> float | None:
    """Return the estimated share of production's rows that differ; None where the sample's own share must do.

    It must where nothing is estimated, where a difference is in rows that the estimate leaves out, and where only accepted
    rows of the sample differ: no weight may make a difference vanish.
    """
    estimate = output.estimate
    share = output.rows.compute_share(accepted)
    if has_uncounted_differences(output) or not estimate.share.estimate or share == 0:
        return None
    return estimate.share.estimate


def _evaluate_schema(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> GateResult:
    limit = str(get_limit("schema", gate, own))
    changes = output.schema_
    counts = {
        "added": len(changes.added),
        "removed": len(changes.removed),
        "type changed": len(changes.type_changed),
    }
    found = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "same"
    held = limit == "any" or found == "same"
    return GateResult(
        rule="schema",
        output=name,
        limit=limit,
        held=held,
        found=found,
        accept=None if held else render_accept_line("schema", "any", output=name),
    )
