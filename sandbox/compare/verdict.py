"""The verdict: what the gate makes of the differences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.diff import GateResult, OutputDiff, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import GateSection

DEFAULT_CHANGED_ROWS = 0.0
DEFAULT_SCHEMA = "same"
_ROUNDING = 1e-12  # 0.7 / 100 is a little less than 7 / 1000


def judge(
    outputs: Mapping[str, OutputDiff], gate: GateSection, per_output: Mapping[str, GateSection]
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
        results += _total_changes(name, own)
    results += _total_changes(None, gate)
    if not all(result.held for result in results):
        return "outside_gate", results
    same = all(output.same for output in outputs.values())
    return ("same" if same else "within_gate"), results


def _changed_rows(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> GateResult:
    limit = next(
        (section.changed_rows for section in (own, gate) if section and section.changed_rows is not None),
        DEFAULT_CHANGED_ROWS,
    )
    found = output.rows.share
    return GateResult(
        rule="changed_rows",
        output=name,
        limit=percent(limit),
        held=found <= limit * (1 + _ROUNDING),
        found=percent(found),
    )


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


def _total_changes(name: str | None, gate: GateSection | None) -> list[GateResult]:
    """Totals in production are not estimated, so a limit on one does not hold."""
    return [
        GateResult(
            rule=f"total_change {total}", output=name, limit=percent(limit), held=False, found="not estimated"
        )
        for total, limit in (gate.total_change if gate else {}).items()
    ]


def percent(part: float) -> str:
    """Give a share as a percentage that is never rounded down to nothing or up to all.

    >>> percent(0.02), percent(1 / 3), percent(1e-9), percent(0.99999)
    ('2 %', '33.33 %', '0.0000001 %', '99.999 %')
    """
    digits = 2
    while 0 < part < 1 and digits < 12 and float(f"{part * 100:.{digits}f}") in {0.0, 100.0}:
        digits += 1
    text = f"{part * 100:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"
