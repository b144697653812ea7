"""What there is to say about a comparison, in the order of its weight; the same words in every report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import change, cut, many, number, share, span, value
from sandbox.model import WORKING_TREE
from sandbox.report import estimates

if TYPE_CHECKING:
    from sandbox.manifest.diff import (
        ColumnChanges,
        DataTest,
        DiffDocument,
        GateResult,
        Key,
        OutputDiff,
        SchemaChanges,
        Segment,
        Side,
        Slice,
        TestOutcome,
        Verdict,
    )

_NAMED = 3  # so many further outputs are named in the headline, and so many columns of a kind
_LONGEST = 60  # characters of a name

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
        said = f"{many(len(ordered), 'output')}, nothing differs"
        return ", but ".join([said, *not_held(document)[:1]])
    name, output = differing[0]
    said = f"{cut(name, _LONGEST)}: {', '.join(statements(output))}"
    others = [f"{cut(other, _LONGEST)} ({_briefly(found)})" for other, found in differing[1 : 1 + _NAMED]]
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


def schema(changes: SchemaChanges, *, most: int = _NAMED) -> list[str]:
    """Give what happened to the columns, one phrase each kind; of many the first are named."""
    said = []
    for what, names in (("added", changes.added), ("removed", changes.removed)):
        if names:
            said.append(f"column{'s' * (len(names) > 1)} {listed(names, most=most)} {what}")
    for name, types in list(changes.type_changed.items())[:most]:
        uncompared = "" if types.compared else ", values cannot be compared"
        kinds = f"{cut(types.candidate, _LONGEST)} instead of {cut(types.baseline, _LONGEST)}"
        said.append(f"{cut(name, _LONGEST)} is {kinds}{uncompared}")
    if len(changes.type_changed) > most:
        said.append(f"{many(len(changes.type_changed) - most, 'more column')} of another type")
    if changes.reordered:
        said.append("columns in another order")
    return said


def listed(names: list[str], *, most: int = _NAMED) -> str:
    """Give some names, as many and as much of each as anybody reads in a line.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    left = len(names) - most
    said = ", ".join(cut(name, _LONGEST) for name in names[:most])
    return said + (f" and {number(left)} more" if left > 0 else "")


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


def segment(found: Segment) -> str:
    """Give where the differences lie.

    >>> from sandbox.manifest.diff import Segment, Slice
    >>> one = Slice(column="country", values=["DE", None])
    >>> segment(Segment(slices=[one], covered=0.98, rows=0.12, differing=0.5, score=0.9))
    '98.0 % of the rows that differ have country DE or NULL (12.0 % of all rows do, and 50.0 % of these differ)'
    """
    return (
        f"{share(found.covered)} of the rows that differ {'lie in' if _hidden(found) else 'have'} {slices(found)} "
        f"({share(found.rows)} of all rows do, and {share(found.differing)} of these differ)"
    )


def slices(found: Segment) -> str:
    """Give which rows a segment holds; the columns alone where values are hidden."""
    if _hidden(found):
        return f"one slice of {' and '.join(one.column for one in found.slices)}"
    return " and ".join(_slice(one) for one in found.slices)


def _hidden(found: Segment) -> bool:
    return any(not one.values and one.low is None and one.high is None for one in found.slices)


def _slice(one: Slice) -> str:
    if one.values:
        return f"{one.column} {' or '.join(value(found) for found in one.values)}"
    if one.low is None:
        return f"{one.column} up to {value(one.high)}"
    if one.high is None:
        return f"{one.column} from {value(one.low)}"
    return f"{one.column} from {value(one.low)} to {value(one.high)}"


def noise(output: OutputDiff) -> list[str]:
    """Give what differs between two runs of the same code, and what follows from that."""
    said = []
    if output.tainted:
        verb = "differs" if len(output.tainted) == 1 else "differ"
        said.append(
            f"{listed(output.tainted)} {verb} between two runs of the same code: nothing is judged there"
        )
    for tolerance in sorted(set(output.rounding.values())):
        names = [name for name, one in output.rounding.items() if one == tolerance]
        said.append(
            f"the last digits of {listed(names)} differ between two runs: up to {tolerance:g} of a value does not count"
        )
    if output.flickering:
        said.append(f"{many(output.flickering, 'row')} come and go between two runs of the same code")
    if output.rows.noise:
        verb = "is" if output.rows.noise == 1 else "are"
        said.append(
            f"{number(output.rows.noise)} of the {many(output.rows.different, 'differing row')} {verb} noise"
        )
    return said


def in_production(document: DiffDocument) -> list[str]:
    """Give the estimates in a sentence an output; where the worst output has none, why."""
    ordered = worst_first(document)
    said = estimates.lines(document, ordered)
    if said or not document.sample or not ordered or ordered[0][1].same:
        return said
    name, worst = ordered[0]
    why = estimates.reason(worst)
    return [f"{listed([name])}: not estimated for production: {why}"] if why else []


def where(document: DiffDocument) -> list[str]:
    """Give where the differences lie, an output a line."""
    return [
        f"{listed([name])}: {segment(one.segments[0])}" for name, one in worst_first(document) if one.segments
    ]


def unpassed(document: DiffDocument) -> list[DataTest]:
    """Give the data tests that did not just pass, those that a change is to blame for first."""
    order: tuple[TestOutcome, ...] = ("newly_failing", "not_evaluated", "failed", "fixed")
    some = [test for test in document.tests if test.outcome != "passed"]
    return sorted(some, key=lambda test: order.index(test.outcome))


def data_test(found: DataTest) -> str:
    """Give what became of a data test.

    >>> from sandbox.manifest.diff import DataTest
    >>> data_test(DataTest(name="no debts", baseline_failures=0, candidate_failures=3, outcome="newly_failing"))
    'no debts: newly failing, 3 rows break it, 0 in the baseline'
    """
    if found.candidate_failures is None:
        return f"{found.name}: {outcome(found)}, {found.problems.get('candidate', '')}"
    before = found.baseline_failures
    there = (
        "it could not be carried out on the baseline"
        if before is None
        else f"{number(before)} in the baseline"
    )
    rows = many(found.candidate_failures, "row breaks it", "rows break it")
    return f"{found.name}: {outcome(found)}, {rows}, {there}"


def outcome(found: DataTest) -> str:
    """Give the outcome of a data test in words."""
    return "still failing" if found.outcome == "failed" else found.outcome.replace("_", " ")


def not_held(document: DiffDocument) -> list[str]:
    """Give what breaks the gate, an output a line."""
    given = []
    for name in [*(name for name, _ in worst_first(document)), None]:
        rules = [rule(result) for result in document.gate if result.output == name and not result.held]
        if rules:
            given.append(f"{listed([name])}: {'; '.join(rules)}" if name is not None else "; ".join(rules))
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
    said = f"{found.source} key {', '.join(cut(name, _LONGEST) for name in found.columns)}"
    for what, counts in (
        ("duplicate", (found.baseline_duplicates, found.candidate_duplicates)),
        ("null", (found.baseline_nulls, found.candidate_nulls)),
    ):
        if any(counts):
            said += f"; rows with a {what} key: {number(counts[0])} in the baseline, {number(counts[1])} in the candidate"
    return said


def keys(document: DiffDocument) -> list[str]:
    """Give how the rows of outputs that differ were told apart, where that was not just by a declared key."""
    said: dict[str, list[str]] = {}
    for name, output in worst_first(document):
        plain = output.key.source == "declared" and not _repeated(output.key)
        if output.status == "compared" and not output.same and not plain:
            said.setdefault(key(output), []).append(name)
    return [f"{listed(names)}: {text}" for text, names in said.items()]


def _repeated(found: Key) -> bool:
    return any(
        (found.baseline_duplicates, found.candidate_duplicates, found.baseline_nulls, found.candidate_nulls)
    )


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


def amount(column: ColumnChanges, found: float | None) -> str:
    """Give a change of a column, times as spans.

    >>> from sandbox.manifest.diff import ColumnChanges
    >>> amount(ColumnChanges(changed=1, match_rate=0.5, change_in="seconds"), -180000.0)
    '−2.1 days'
    """
    return span(found) if column.change_in == "seconds" else change(found)
