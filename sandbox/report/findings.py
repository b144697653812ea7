"""What there is to say about a comparison, in the order of its weight; the same words in every report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.model import WORKING_TREE
from sandbox.report.words import change, many, number, share

if TYPE_CHECKING:
    from sandbox.manifest.diff import (
        ColumnChanges,
        DiffDocument,
        GateResult,
        OutputDiff,
        SchemaChanges,
        Side,
        Verdict,
    )

_NAMED = 3  # so many further outputs are named in the headline

VERDICTS: dict[Verdict, str] = {
    "same": "same",
    "within_gate": "within the gate",
    "outside_gate": "outside the gate",
}


def headline(document: DiffDocument) -> str:
    """Give the finding in one line, without the verdict's name."""
    ordered = worst_first(document)
    if not ordered:
        return "there was nothing to compare"
    differing = [(name, output) for name, output in ordered if not output.same]
    if not differing:
        return f"{many(len(ordered), 'output')}, nothing differs"
    name, output = differing[0]
    said = f"{name}: {', '.join(statements(output))}"
    others = [f"{other} ({_briefly(found)})" for other, found in differing[1 : 1 + _NAMED]]
    left = len(differing) - 1 - len(others)
    if left:
        others.append(f"{number(left)} more")
    return said + (f"; also {', '.join(others)}" if others else "")


def _briefly(output: OutputDiff) -> str:
    if output.status != "compared":
        return "new" if output.status == "added" else "gone"
    return share(output.rows.share) if output.rows.different else "schema"


def statements(output: OutputDiff) -> list[str]:
    """Give what happened to one output, the rows first; empty where nothing did."""
    rows = output.rows
    if output.status == "added":
        return [f"only the candidate makes it ({many(rows.candidate, 'row')})"]
    if output.status == "removed":
        return [f"the candidate does not make it any more ({many(rows.baseline, 'row')})"]
    said = []
    counts = {"changed": rows.changed, "added": rows.added, "removed": rows.removed}
    present = [(count, what) for what, count in counts.items() if count]
    of = f" of {many(rows.baseline, 'row')}"
    if present:
        first, what = present[0]
        rest = "".join(f", {number(count)} {other}" for count, other in present[1:])
        lone = f"{number(first)}{of} {what}"
        listed = f"{number(first)} {what}{rest}{of}"
        said.append(f"{lone if len(present) == 1 else listed} ({share(rows.share)})")
    units = affected(output)
    return [*said, *([units] if units is not None else []), *schema(output.schema_)]


def schema(changes: SchemaChanges) -> list[str]:
    """Give what happened to the columns, one phrase each kind."""
    said = []
    for what, names in (("added", changes.added), ("removed", changes.removed)):
        if names:
            said.append(f"column{'s' * (len(names) > 1)} {', '.join(names)} {what}")
    for name, types in changes.type_changed.items():
        uncompared = "" if types.compared else ", values cannot be compared"
        said.append(f"{name} is {types.candidate} instead of {types.baseline}{uncompared}")
    return said


def affected(output: OutputDiff) -> str | None:
    """Give how many units of the sample are affected; None where that is not known, or none is."""
    estimate = output.estimate
    if estimate.units_affected is None or not estimate.units_affected.sample:
        return None
    return f"{number(estimate.units_affected.sample)} {estimate.unit or 'units'} affected in the sample"


def worst_first(document: DiffDocument) -> list[tuple[str, OutputDiff]]:
    """Give the outputs by weight.

    Those that break the gate come before those that differ, these before the others; then by how many units of the
    sample are affected, because a few rows of totals are soon all changed; then by the share of rows.
    """

    def weight(item: tuple[str, OutputDiff]) -> tuple[bool, bool, int, float, str]:
        name, output = item
        units = output.estimate.units_affected
        return (
            not broken(document, name),
            output.same,
            -(units.sample if units else 0),
            -output.rows.share,
            name,
        )

    return sorted(document.outputs.items(), key=weight)


def broken(document: DiffDocument, output: str) -> list[GateResult]:
    """Give the rules that an output does not keep."""
    return [result for result in document.gate if result.output == output and not result.held]


def rule(result: GateResult) -> str:
    """Give what one rule of the gate found."""
    if result.rule == "changed_rows":
        return f"{result.found} of the rows differ, {result.limit} may"
    if result.rule == "schema":
        return f"schema: {result.found}, it must be the {result.limit}"
    return f"{result.rule.replace('_', ' ')}: {result.found}, accepted: {result.limit}"


def not_held(document: DiffDocument) -> list[str]:
    """Give what breaks the gate, an output a line."""
    given = []
    for name in [*(name for name, _ in worst_first(document)), None]:
        rules = [rule(result) for result in document.gate if result.output == name and not result.held]
        if rules:
            given.append(f"{name}: {'; '.join(rules)}" if name is not None else "; ".join(rules))
    return given


def changed_columns(output: OutputDiff) -> list[tuple[str, ColumnChanges]]:
    """Give the columns that changed, the most changed first."""
    changed = [(name, column) for name, column in output.columns.items() if column.changed]
    return sorted(changed, key=lambda item: -item[1].changed)


def key(output: OutputDiff) -> str:
    """Give how rows were told apart."""
    found = output.key
    if found.source == "none":
        return (
            "without a key: rows were compared as a multiset" if not output.identical else "identical files"
        )
    said = f"{found.source} key {', '.join(found.columns)}"
    for what, counts in (
        ("duplicate", (found.baseline_duplicates, found.candidate_duplicates)),
        ("null", (found.baseline_nulls, found.candidate_nulls)),
    ):
        if any(counts):
            said += f"; rows with a {what} key: {number(counts[0])} in the baseline, {number(counts[1])} in the candidate"
    return said


def warnings(document: DiffDocument) -> list[str]:
    """Give the warnings; that a run was not isolated is always one of them."""
    said = list(document.warnings)
    environment = document.environment
    if environment and not environment.isolated and not any("isolat" in warning for warning in said):
        said.append(
            f"the {environment.runtime} runtime does not isolate: the code could reach the network and this machine's files"
        )
    return said


def side(found: Side) -> str:
    """Give what one side was."""
    if not found.commit or found.commit.startswith(found.ref):
        return found.ref
    return f"{found.ref} ({'on ' if found.ref == WORKING_TREE else ''}{found.commit[:10]})"


def in_numbers(column: ColumnChanges) -> str:
    """Give the change of a numeric column in a phrase; empty for other columns."""
    if column.mean_change is None:
        return ""
    return f"{change(column.mean_change)} on average, {change(column.max_change)} at most"
