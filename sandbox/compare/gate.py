"""The verdict: what the gate makes of the differences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.data_tests import judge_tests
from sandbox.compare.gate_limits import ROUNDING, apart, parted, percent, total_change
from sandbox.manifest.diff import GateResult, OutputDiff, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.config.settings import GateSection
    from sandbox.manifest.diff import DataTest

DEFAULT_CHANGED_ROWS = 0.0
DEFAULT_SCHEMA = "same"


def judge(
    outputs: Mapping[str, OutputDiff],
    gate: GateSection,
    per_output: Mapping[str, GateSection],
    tests: Sequence[DataTest] = (),
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
        results += [_changed_rows(name, output, gate, own), _schema(name, output, gate, own)]
        results += [
            total_change(name, column, limit, outputs)
            for column, limit in (own.total_change.items() if own else ())
        ]
    for name, own in per_output.items():
        if name not in outputs:
            results += _not_compared(name, own, outputs)
    results += [
        total_change(*parted(named, outputs), limit, outputs) for named, limit in gate.total_change.items()
    ]
    results += judge_tests(tests, gate)
    if not all(result.held for result in results):
        return "outside_gate", results
    same = all(output.same for output in outputs.values())
    return ("same" if same else "within_gate"), results


def _not_compared(name: str, own: GateSection, outputs: Mapping[str, OutputDiff]) -> Iterator[GateResult]:
    """Judge an output that was left out of the comparison: none of its own rules is held."""
    limits = {
        "changed_rows": None if own.changed_rows is None else percent(own.changed_rows),
        "schema": own.schema_,
    }
    for rule, limit in limits.items():
        if limit is not None:
            yield GateResult(
                rule=f"{rule} {name}", output=None, limit=limit, held=False, found="not compared"
            )
    for column, share in own.total_change.items():
        yield total_change(name, column, share, outputs)


def _changed_rows(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> GateResult:
    limit = next(
        (section.changed_rows for section in (own, gate) if section and section.changed_rows is not None),
        DEFAULT_CHANGED_ROWS,
    )
    weighted = weighted_share(output)
    found = output.rows.share if weighted is None else weighted
    return GateResult(
        rule="changed_rows",
        output=name,
        limit=percent(limit),
        held=found <= limit * (1 + ROUNDING),
        found=percent(found) + ("" if weighted is None else ", weighted to production,"),
    )


def weighted_share(output: OutputDiff) -> float | None:
    """Give the estimated share of production's rows that differ; None where the sample's own share must do.

    It must where nothing is estimated, and where a difference is in rows that the estimate leaves out, or the sample
    shows none: no weight may make a difference vanish.
    """
    estimate = output.estimate
    if apart(output) or not estimate.share.estimate or output.rows.share == 0:
        return None
    return estimate.share.estimate


def _schema(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> GateResult:
    limit = next(
        (section.schema_ for section in (own, gate) if section and section.schema_ is not None),
        DEFAULT_SCHEMA,
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
    return GateResult(
        rule="schema", output=name, limit=limit, held=limit == "any" or found == "same", found=found
    )
