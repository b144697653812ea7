"""What there is to say about a comparison, in the order of its weight; the same words in every report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import (
    format_change,
    format_count,
    format_number,
    format_share,
    format_time_change,
    format_value,
    truncate_text,
)
from sandbox.model import WORKING_TREE
from sandbox.report import estimates, reservations

if TYPE_CHECKING:
    from sandbox.manifest.diff import (
        ColumnChanges,
        ColumnSlice,
        DataTestOutcome,
        DataTestResult,
        DiffDocument,
        DiffSide,
        GateResult,
        OutputDiff,
        RowKey,
        RowSegment,
        SchemaChanges,
        Verdict,
    )

_MAX_NAMES = 3  # so many further outputs are named in the headline, and so many columns of a kind
NO_DIFFERENCE = "no difference in what is compared"
_MAX_NAME_LENGTH = 60  # characters of a name

VERDICT_TEXTS: dict[Verdict, str] = {
    "same": "same",
    "within_gate": "within the gate",
    "outside_gate": "outside the gate",
}


def summarize_diff(document: DiffDocument) -> str:
    """Return the finding in one line, without the verdict's name.

    It names everything that the verdict does not rest on.
    """
    return "; ".join([_summarize_outputs(document), *reservations.summarize_reservations(document)])


def _summarize_outputs(document: DiffDocument) -> str:
    ordered = sort_outputs(document)
    if not ordered:
        return f"{format_count(len(document.artifacts), 'artifact')}" if document.artifacts else "no output to compare"
    differing = [(name, output) for name, output in ordered if not output.is_same]
    if not differing:
        summary = f"{format_count(len(ordered), 'output')}, {_describe_equality(document)}"
        return ", but ".join([summary, *describe_gate_failures(document, accept=False)[:1]])
    name, output = differing[0]
    summary = f"{truncate_text(name, _MAX_NAME_LENGTH)}: {', '.join(describe_output(output))}"
    others = [
        f"{truncate_text(other, _MAX_NAME_LENGTH)} ({_summarize_output(other_output)})"
        for other, other_output in differing[1 : 1 + _MAX_NAMES]
    ]
    left = len(differing) - 1 - len(others)
    if left:
        others.append(f"{format_number(left)} more")
    return summary + (f"; also {', '.join(others)}" if others else "")


def _describe_equality(document: DiffDocument) -> str:
    """Return the words for outputs of which none differs."""
    artifacts_differ = any(artifact.status != "same" for artifact in document.artifacts.values())
    if artifacts_differ or document.not_compared:
        return NO_DIFFERENCE
    texts = {describe_equal_output(output) for output in document.outputs.values()}
    return texts.pop() if len(texts) == 1 else NO_DIFFERENCE


def describe_equal_output(output: OutputDiff) -> str:
    """Return the words for an output that does not differ: "nothing differs" only where that is literally so."""
    if output.is_literally_same:
        return "nothing differs"
    return "the same values, columns in another order" if output.schema_.reordered else NO_DIFFERENCE


def _summarize_output(output: OutputDiff) -> str:
    if output.status != "compared":
        return "new" if output.status == "added" else "gone"
    if reservations.describe_accepted_rows(output) is not None:
        return "noise or rounding"
    return format_share(output.rows.differing_share) if output.rows.different else "schema"


def describe_output(output: OutputDiff) -> list[str]:
    """Give what happened to one output, the rows first; empty where nothing did."""
    rows = output.rows
    accepted = reservations.describe_accepted_rows(output)
    if accepted is not None:
        return [accepted, *describe_schema_changes(output.schema_)]
    if output.status == "added":
        return [f"only the candidate makes it ({format_count(rows.candidate, 'row')})"]
    if output.status == "removed":
        return [f"the candidate does not make it any more ({format_count(rows.baseline, 'row')})"]
    said = []
    counts = {"changed": rows.changed, "added": rows.added, "removed": rows.removed}
    present = [(count, what) for what, count in counts.items() if count]
    of = f" of {format_count(rows.baseline, 'row')}"
    if present:
        first, what = present[0]
        rest = "".join(f", {format_number(count)} {other}" for count, other in present[1:])
        lone = f"{format_number(first)}{of} {what}"
        listed = f"{format_number(first)} {what}{rest}{of}"
        said.append(f"{lone if len(present) == 1 else listed} ({format_share(rows.differing_share)})")
    units = describe_affected_units(output)
    return [*said, *([units] if units is not None else []), *describe_schema_changes(output.schema_)]


def describe_schema_changes(changes: SchemaChanges, *, most: int = _MAX_NAMES) -> list[str]:
    """Give what happened to the columns, one phrase each kind; of many the first are named."""
    said = []
    for what, names in (("added", changes.added), ("removed", changes.removed)):
        if names:
            said.append(f"column{'s' * (len(names) > 1)} {join_names(names, most=most)} {what}")
    for name, types in list(changes.type_changed.items())[:most]:
        uncompared = "" if types.compared else ", values cannot be compared"
        kinds = f"{truncate_text(types.candidate, _MAX_NAME_LENGTH)} instead of {truncate_text(types.baseline, _MAX_NAME_LENGTH)}"
        said.append(f"{truncate_text(name, _MAX_NAME_LENGTH)} is {kinds}{uncompared}")
    if len(changes.type_changed) > most:
        said.append(f"{format_count(len(changes.type_changed) - most, 'more column')} of another type")
    if changes.reordered:
        said.append("columns in another order")
    return said


def join_names(names: list[str], *, most: int = _MAX_NAMES) -> str:
    """Give some names, as many and as much of each as anybody reads in a line.

    >>> join_names(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    left = len(names) - most
    said = ", ".join(truncate_text(name, _MAX_NAME_LENGTH) for name in names[:most])
    return said + (f" and {format_number(left)} more" if left > 0 else "")


def describe_affected_units(output: OutputDiff) -> str | None:
    """Give how many units of the sample are affected; None where that is not known, or none is."""
    estimate = output.estimate
    if estimate.units_affected is None or not estimate.units_affected.sample:
        return None
    return f"{format_number(estimate.units_affected.sample)} {estimate.unit or 'units'} affected in the sample"


def sort_outputs(document: DiffDocument) -> list[tuple[str, OutputDiff]]:
    """Give the outputs by weight.

    Those that break the gate come before those that differ, these before the others; then by how many units of the
    sample are affected, because a few rows of totals are soon all changed; then by the share of rows.
    """

    def sort_key(item: tuple[str, OutputDiff]) -> tuple[bool, bool, int, float, str]:
        name, output = item
        units = output.estimate.units_affected
        return (
            not find_failed_rules(document, name),
            output.is_same,
            -(units.sample if units else 0),
            -output.rows.differing_share,
            name,
        )

    return sorted(document.outputs.items(), key=sort_key)


def find_failed_rules(document: DiffDocument, output: str) -> list[GateResult]:
    """Give the rules that an output does not keep."""
    return [result for result in document.gate if result.output == output and not result.held]


def describe_rule(result: GateResult) -> str:
    """Give what one rule of the gate found."""
    if result.rule == "changed_rows":
        return f"{result.found} of the rows differ, {result.limit} may"
    if result.rule == "schema":
        return f"schema: {result.found}, it must be the {result.limit}"
    return f"{result.rule.replace('_', ' ')}: {result.found}, accepted: {result.limit}"


def describe_segment(found: RowSegment) -> str:
    """Give where the differences lie.

    >>> from sandbox.manifest.diff import RowSegment, ColumnSlice
    >>> one = ColumnSlice(column="country", values=["DE", None])
    >>> describe_segment(RowSegment(slices=[one], covered=0.98, rows=0.12, differing=0.5, score=0.9))
    '98.0 % of the rows that differ have country DE or NULL (12.0 % of all rows do, and 50.0 % of these differ)'
    """
    return (
        f"{format_share(found.covered)} of the rows that differ {'lie in' if _has_hidden_values(found) else 'have'} {describe_slices(found)} "
        f"({format_share(found.rows)} of all rows do, and {format_share(found.differing)} of these differ)"
    )


def describe_slices(found: RowSegment) -> str:
    """Give which rows a segment holds; the columns alone where values are hidden."""
    if _has_hidden_values(found):
        return f"one slice of {' and '.join(one.column for one in found.slices)}"
    return " and ".join(_describe_slice(one) for one in found.slices)


def _has_hidden_values(found: RowSegment) -> bool:
    return any(not one.values and one.low is None and one.high is None for one in found.slices)


def _describe_slice(one: ColumnSlice) -> str:
    if one.values:
        return f"{one.column} {' or '.join(format_value(found) for found in one.values)}"
    if one.low is None:
        return f"{one.column} up to {format_value(one.high)}"
    if one.high is None:
        return f"{one.column} from {format_value(one.low)}"
    return f"{one.column} from {format_value(one.low)} to {format_value(one.high)}"


def describe_noise(output: OutputDiff) -> list[str]:
    """Give what differs between two runs of the same code, and what follows from that."""
    said = []
    if output.tainted:
        verb = "differs" if len(output.tainted) == 1 else "differ"
        said.append(f"{join_names(output.tainted)} {verb} between two runs of the same code: nothing is judged there")
    for tolerance in sorted(set(output.rounding.values())):
        names = [name for name, one in output.rounding.items() if one == tolerance]
        said.append(
            f"the last digits of {join_names(names)} differ between two runs: up to {tolerance:g} of a value does not count"
        )
    if output.flickering:
        said.append(f"{format_count(output.flickering, 'row')} come and go between two runs of the same code")
    if output.rows.noise:
        verb = "is" if output.rows.noise == 1 else "are"
        said.append(
            f"{format_number(output.rows.noise)} of the {format_count(output.rows.different, 'differing row')} {verb} noise"
        )
    return said


def describe_estimates(document: DiffDocument) -> list[str]:
    """Give the estimates in a sentence an output; where the worst output has none, why."""
    ordered = sort_outputs(document)
    said = estimates.describe_worst_outputs(document, ordered)
    if said or not document.sample or not ordered or ordered[0][1].is_same:
        return said
    name, worst = ordered[0]
    why = estimates.explain_missing_estimate(worst)
    return [f"{join_names([name])}: not estimated for production: {why}"] if why else []


def locate_differences(document: DiffDocument) -> list[str]:
    """Give where the differences lie, an output a line."""
    return [
        f"{join_names([name])}: {describe_segment(one.segments[0])}"
        for name, one in sort_outputs(document)
        if one.segments
    ]


def list_notable_tests(document: DiffDocument) -> list[DataTestResult]:
    """Give the data tests that did not just pass, those that a change is to blame for first."""
    order: tuple[DataTestOutcome, ...] = ("newly_failing", "not_evaluated", "failed", "fixed")
    some = [test for test in document.tests if test.outcome != "passed"]
    return sorted(some, key=lambda test: order.index(test.outcome))


def describe_test(found: DataTestResult) -> str:
    """Give what became of a data test.

    >>> from sandbox.manifest.diff import DataTestResult
    >>> describe_test(DataTestResult(name="no debts", baseline_failures=0, candidate_failures=3, outcome="newly_failing"))
    'no debts: newly failing, 3 rows break it, 0 in the baseline'
    """
    if found.candidate_failures is None:
        return f"{found.name}: {describe_test_outcome(found)}, {found.problems.get('candidate', '')}"
    before = found.baseline_failures
    there = (
        "it could not be carried out on the baseline" if before is None else f"{format_number(before)} in the baseline"
    )
    rows = format_count(found.candidate_failures, "row breaks it", "rows break it")
    return f"{found.name}: {describe_test_outcome(found)}, {rows}, {there}"


def describe_test_outcome(found: DataTestResult) -> str:
    """Give the outcome of a data test in words."""
    return "still failing" if found.outcome == "failed" else found.outcome.replace("_", " ")


def describe_gate_failures(document: DiffDocument, *, accept: bool = True) -> list[str]:
    """Return what breaks the gate, an output a line; ``accept`` adds what to write to accept it."""
    lines = []
    for name in [*(name for name, _ in sort_outputs(document)), None]:
        broken = [result for result in document.gate if result.output == name and not result.held]
        if broken:
            rules = "; ".join(describe_rule(result) for result in broken)
            line = f"{join_names([name])}: {rules}" if name is not None else rules
            ways = " and ".join(result.accept for result in broken if result.accept is not None) if accept else ""
            lines.append(line + (f"; to accept it: {ways}" if ways else ""))
    return lines


def list_changed_columns(output: OutputDiff) -> list[tuple[str, ColumnChanges]]:
    """Give the columns that changed, the most changed first."""
    changed = [(name, column) for name, column in output.columns.items() if column.changed]
    return sorted(changed, key=lambda item: -item[1].changed)


def describe_key(output: OutputDiff) -> str:
    """Give how rows were told apart."""
    found = output.key
    if found.source == "none":
        return "without a key: rows were compared as a multiset" if not output.identical else "identical files"
    said = f"{found.source} key {', '.join(truncate_text(name, _MAX_NAME_LENGTH) for name in found.columns)}"
    for what, counts in (
        ("duplicate", (found.baseline_duplicates, found.candidate_duplicates)),
        ("null", (found.baseline_nulls, found.candidate_nulls)),
    ):
        if any(counts):
            said += f"; rows with a {what} key: {format_number(counts[0])} in the baseline, {format_number(counts[1])} in the candidate"
    return said


def describe_unusual_keys(document: DiffDocument) -> list[str]:
    """Give how the rows of outputs that differ were told apart, where that was not just by a declared key."""
    said: dict[str, list[str]] = {}
    for name, output in sort_outputs(document):
        plain = output.key.source == "declared" and not _has_ambiguous_rows(output.key)
        if output.status == "compared" and not output.is_same and not plain:
            said.setdefault(describe_key(output), []).append(name)
    return [f"{join_names(names)}: {text}" for text, names in said.items()]


def _has_ambiguous_rows(found: RowKey) -> bool:
    return any((found.baseline_duplicates, found.candidate_duplicates, found.baseline_nulls, found.candidate_nulls))


def list_warnings(document: DiffDocument) -> list[str]:
    """Give the warnings; that a run was not isolated is always one of them."""
    said = list(document.warnings)
    environment = document.environment
    if environment and not environment.isolated and not any("isolat" in warning for warning in said):
        said.append(
            f"the {environment.runtime} runtime does not isolate: the code could reach the network and this machine's files"
        )
    return said


def describe_side(found: DiffSide) -> str:
    """Give what one side was."""
    if not found.commit or found.commit.startswith(found.ref):
        return found.ref
    return f"{found.ref} ({'on ' if found.ref == WORKING_TREE else ''}{found.commit[:10]})"


def format_column_change(column: ColumnChanges, found: float | None) -> str:
    """Give a change of a column, times as spans.

    >>> from sandbox.manifest.diff import ColumnChanges
    >>> format_column_change(ColumnChanges(changed=1, match_rate=0.5, change_in="seconds"), -180000.0)
    '−2.1 days'
    """
    return format_time_change(found) if column.change_in == "seconds" else format_change(found)
