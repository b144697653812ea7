"""Describe the findings of a comparison in order of importance, with the same wording in every report."""

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
from sandbox.report.figures import get_unit_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.diff import (
        ColumnChanges,
        ColumnSlice,
        DataTestOutcome,
        DataTestResult,
        DiffDocument,
        GateResult,
        OutputDiff,
        RowKey,
        RowSegment,
        SchemaChanges,
        Verdict,
    )
    from sandbox.manifest.diff_sides import DiffSide

_MAX_NAMES = 3  # maximum number of further outputs in the headline, and of columns of one kind
NO_DIFFERENCE = "no difference in what is compared"
WEIGHTED_SUFFIX = ", weighted to production,"
_MAX_NAME_LENGTH = 60  # characters of a name

VERDICT_TEXTS: dict[Verdict, str] = {
    "same": "same",
    "within_gate": "within the gate",
    "outside_gate": "outside the gate",
}


def summarize_diff(document: DiffDocument, details: Sequence[str] = ()) -> str:
    """Return the finding in one line, without the verdict's name.

    It names everything excluded from the verdict. ``details`` follow what is said of the most important output.
    """
    return "; ".join([_summarize_outputs(document, details), *reservations.summarize_reservations(document)])


def _summarize_outputs(document: DiffDocument, details: Sequence[str]) -> str:
    ordered = sort_outputs(document)
    if not ordered:
        return f"{format_count(len(document.artifacts), 'artifact')}" if document.artifacts else "no output to compare"
    differing = [(name, output) for name, output in ordered if not output.is_same]
    if not differing:
        summary = f"{format_count(len(ordered), 'output')}, {_describe_equality(document)}"
        return ", but ".join([summary, *describe_gate_failures(document, accept=False)[:1]])
    name, output = differing[0]
    summary = "; ".join([f"{truncate_text(name, _MAX_NAME_LENGTH)}: {', '.join(describe_output(output))}", *details])
    others = [
        f"{truncate_text(other, _MAX_NAME_LENGTH)} ({_summarize_output(other_output)})"
        for other, other_output in differing[1 : 1 + _MAX_NAMES]
    ]
    left = len(differing) - 1 - len(others)
    if left:
        others.append(f"{format_number(left)} more")
    return summary + (f"; also {', '.join(others)}" if others else "")


def _describe_equality(document: DiffDocument) -> str:
    """Return the text for outputs without differences."""
    artifacts_differ = any(artifact.status != "same" for artifact in document.artifacts.values())
    if artifacts_differ or document.not_compared:
        return NO_DIFFERENCE
    texts = {describe_equal_output(output) for output in document.outputs.values()}
    return texts.pop() if len(texts) == 1 else NO_DIFFERENCE


def describe_equal_output(output: OutputDiff) -> str:
    """Return the text for an output without differences: "nothing differs" only if that is literally true."""
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
    """Return the changes of one output, rows first; empty if there are none."""
    rows = output.rows
    accepted = reservations.describe_accepted_rows(output)
    if accepted is not None:
        return [accepted, *describe_schema_changes(output.schema_)]
    if output.status == "added":
        return [f"only the candidate makes it ({format_count(rows.candidate, 'row')})"]
    if output.status == "removed":
        return [f"the candidate does not make it any more ({format_count(rows.baseline, 'row')})"]
    phrases = []
    inside = [(rows.changed, "changed"), (rows.removed, "removed")]
    present = [f"{format_number(count)} {what}" for count, what in inside if count]
    if present:
        of = f" of {format_count(rows.baseline, 'row')}"
        lone = f"{present[0].replace(' ', f'{of} ', 1)}"
        parts = [lone if len(present) == 1 else ", ".join(present) + of]
        parts += [f"{format_number(rows.added)} added"] if rows.added else []
        phrases.append(f"{', '.join(parts)} ({format_share(rows.differing_share)})")
    elif rows.added:
        phrases.append(
            f"{format_count(rows.added, 'row')} added to {format_number(rows.baseline)} ({format_share(rows.differing_share)})"
        )
    units = describe_affected_units(output)
    return [*phrases, *([units] if units is not None else []), *describe_schema_changes(output.schema_)]


def describe_schema_changes(changes: SchemaChanges, *, most: int = _MAX_NAMES) -> list[str]:
    """Return the schema changes, one phrase for each kind; only the first columns of a long list are named."""
    phrases = []
    for what, names in (("added", changes.added), ("removed", changes.removed)):
        if names:
            phrases.append(f"column{'s' * (len(names) > 1)} {join_names(names, most=most)} {what}")
    for name, types in list(changes.type_changed.items())[:most]:
        uncompared = "" if types.compared else ", values cannot be compared"
        kinds = f"{truncate_text(types.candidate, _MAX_NAME_LENGTH)} instead of {truncate_text(types.baseline, _MAX_NAME_LENGTH)}"
        phrases.append(f"{truncate_text(name, _MAX_NAME_LENGTH)} is {kinds}{uncompared}")
    if len(changes.type_changed) > most:
        phrases.append(f"{format_count(len(changes.type_changed) - most, 'more column')} of another type")
    if changes.reordered:
        phrases.append("columns in another order")
    return phrases


def join_names(names: list[str], *, most: int = _MAX_NAMES) -> str:
    """Join names into one readable line, limiting their number and length.

    >>> join_names(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    left = len(names) - most
    joined = ", ".join(truncate_text(name, _MAX_NAME_LENGTH) for name in names[:most])
    return joined + (f" and {format_number(left)} more" if left > 0 else "")


def describe_affected_units(output: OutputDiff) -> str | None:
    """Return the number of affected units in the sample; None if it is unknown or zero."""
    estimate = output.estimate
    if estimate.units_affected is None or not estimate.units_affected.sample:
        return None
    return f"{format_number(estimate.units_affected.sample)} {get_unit_name(estimate)} affected in the sample"


def sort_outputs(document: DiffDocument) -> list[tuple[str, OutputDiff]]:
    """Return the outputs by importance.

    Outputs that fail the gate come first, then other differing outputs, then the rest. Within each group the order is
    by affected units of the sample, then by share of rows: every row of a small table of totals easily changes. Models of
    dbt come in the order of their lineage instead: changed ones, what follows from them, the rest.
    """
    lineage = {name: place for place, name in enumerate(document.dbt.order)} if document.dbt else {}

    def sort_key(item: tuple[str, OutputDiff]) -> tuple[int, bool, bool, int, float, str]:
        name, output = item
        units = output.estimate.units_affected
        return (
            lineage.get(name, len(lineage)),
            not find_failed_rules(document, name),
            output.is_same,
            -(units.sample if units else 0),
            -output.rows.differing_share,
            name,
        )

    return sorted(document.outputs.items(), key=sort_key)


def find_failed_rules(document: DiffDocument, output: str) -> list[GateResult]:
    """Return the gate rules that an output fails."""
    return [result for result in document.gate if result.output == output and not result.held]


def describe_rule(result: GateResult) -> str:
    """Return the result of one gate rule as text."""
    found = result.found
    if result.rule == "changed_rows":
        share, weighted, _ = found.partition(WEIGHTED_SUFFIX)
        found = f"{share} of production's rows (weighted)" if weighted else f"{share} of the rows"
    return f"{result.rule}: {found}, limit {result.limit}"


def describe_segment(segment: RowSegment, *, shares: bool = True) -> str:
    """Return the description of a segment of differing rows, with its shares of all rows if wanted.

    >>> from sandbox.manifest.diff import RowSegment, ColumnSlice
    >>> country = ColumnSlice(column="country", values=["DE", None])
    >>> describe_segment(RowSegment(slices=[country], covered=0.98, rows=0.12, differing=0.5, score=0.9))
    '98.0 % of differing rows have country DE or NULL (12.0 % of all rows; 50.0 % of those differ)'
    """
    part = "all" if segment.covered == 1 else f"{format_share(segment.covered)} of"
    text = f"{part} differing rows {'lie in' if _has_hidden_values(segment) else 'have'} {describe_slices(segment)}"
    if not shares:
        return text
    return f"{text} ({format_share(segment.rows)} of all rows; {format_share(segment.differing)} of those differ)"


def describe_slices(segment: RowSegment) -> str:
    """Return the column values of a segment; only the columns if values are hidden."""
    if _has_hidden_values(segment):
        return f"one slice of {' and '.join(slice_.column for slice_ in segment.slices)}"
    return " and ".join(_describe_slice(slice_) for slice_ in segment.slices)


def _has_hidden_values(segment: RowSegment) -> bool:
    return any(not slice_.values and slice_.low is None and slice_.high is None for slice_ in segment.slices)


def _describe_slice(slice_: ColumnSlice) -> str:
    if slice_.values:
        return f"{slice_.column} {' or '.join(format_value(value) for value in slice_.values)}"
    if slice_.low is None:
        return f"{slice_.column} up to {format_value(slice_.high)}"
    if slice_.high is None:
        return f"{slice_.column} from {format_value(slice_.low)}"
    return f"{slice_.column} from {format_value(slice_.low)} to {format_value(slice_.high)}"


def describe_noise(output: OutputDiff) -> list[str]:
    """Return the differences between two runs of the same code, and their consequences."""
    phrases = []
    if output.tainted:
        verb = "differs" if len(output.tainted) == 1 else "differ"
        judged = (
            "only the distribution of values is judged there" if output.nondeterministic else "nothing is judged there"
        )
        phrases.append(f"{join_names(output.tainted)} {verb} between two runs of the same code: {judged}")
    for tolerance in sorted(set(output.noise_tolerances.values())):
        names = [name for name, limit in output.noise_tolerances.items() if limit == tolerance]
        phrases.append(
            f"the last digits of {join_names(names)} differ between two runs: up to {tolerance:g} of a value does not count"
        )
    if output.flickering:
        phrases.append(f"{format_count(output.flickering, 'row')} come and go between two runs of the same code")
    if output.rows.noise:
        verb = "is" if output.rows.noise == 1 else "are"
        phrases.append(
            f"{format_number(output.rows.noise)} of the {format_count(output.rows.different, 'differing row')} {verb} noise"
        )
    return phrases


def describe_estimates(document: DiffDocument) -> list[str]:
    """Return the estimates, one sentence per output, then why outputs have none."""
    ordered = sort_outputs(document)
    sentences = estimates.describe_worst_outputs(document, ordered)
    return sentences + (estimates.explain_missing_estimates(ordered) if document.sample else [])


def describe_null_columns(document: DiffDocument) -> list[str]:
    """Return the columns that are NULL in every row, one line per output; what becomes so comes first."""
    lines = {"candidate": "becomes NULL in every row", "both": "is NULL in every row, on both sides"}
    found = []
    for sides, what in lines.items():
        for name, output in sort_outputs(document):
            columns = [column for column, where in output.null_columns.items() if where == sides]
            if columns:
                verb = what if len(columns) == 1 else what.replace("becomes", "become").replace("is ", "are ", 1)
                found.append(f"{join_names([name])}: {join_names(columns)} {verb}")
    return found


def locate_differences(document: DiffDocument, *, beside: str | None = None) -> list[str]:
    """Return the segments of differing rows, one line per output, without the output ``beside``."""
    return [
        f"{join_names([name])}: {describe_segment(output.segments[0])}"
        for name, output in sort_outputs(document)
        if output.segments and name != beside
    ]


def list_notable_tests(document: DiffDocument) -> list[DataTestResult]:
    """Return the data tests that did not simply pass, those caused by the change first."""
    order: tuple[DataTestOutcome, ...] = (
        "newly_failing",
        "not_evaluated",
        "failed",
        "warned",
        "removed",
        "skipped",
        "fixed",
    )
    some = [test for test in document.tests if test.outcome != "passed"]
    return sorted(some, key=lambda test: order.index(test.outcome))


def describe_test(result: DataTestResult) -> str:
    """Return the name, outcome and failing rows of a data test as text.

    >>> from sandbox.manifest.diff import DataTestResult
    >>> describe_test(DataTestResult(name="no debts", baseline_failures=0, candidate_failures=3, outcome="newly_failing"))
    'no debts: newly failing, 3 rows break it, 0 in the baseline'
    """
    before = result.baseline_failures
    if result.outcome == "removed":
        had = "" if before is None else f", {format_count(before, 'row', 'rows')} broke it in the baseline"
        return f"{result.name}: removed{had}"
    if result.candidate_failures is None:
        return f"{result.name}: {describe_test_outcome(result)}, {result.problems.get('candidate', '')}"
    if result.added:
        there = "it is new"
    elif before is None:
        there = "it could not be run on the baseline"
    else:
        there = f"{format_number(before)} in the baseline"
    rows = format_count(result.candidate_failures, "row breaks it", "rows break it")
    return f"{result.name}: {describe_test_outcome(result)}, {rows}, {there}"


def describe_production_test(result: DataTestResult) -> str:
    """Return the name, outcome and failing rows of a data test of production's own outputs as text.

    >>> from sandbox.manifest.diff import DataTestResult
    >>> describe_production_test(DataTestResult(name="no debts", baseline_failures=None, candidate_failures=3, outcome="failed"))
    'no debts: failing, 3 rows break it'
    """
    outcome = "failing" if result.outcome == "failed" else describe_test_outcome(result)
    if result.candidate_failures is None:
        return f"{result.name}: {outcome}, {result.problems.get('candidate', '')}"
    rows = format_count(result.candidate_failures, "row breaks it", "rows break it")
    return f"{result.name}: {outcome}" + (f", {rows}" if result.candidate_failures else "")


def describe_test_outcome(result: DataTestResult) -> str:
    """Return the outcome of a data test in words."""
    if result.outcome == "warned":
        return "warns (severity or threshold of dbt)"
    return "still failing" if result.outcome == "failed" else result.outcome.replace("_", " ")


def describe_gate_failures(document: DiffDocument, *, accept: bool = True) -> list[str]:
    """Return the gate failures, one line per output; ``accept`` adds the setting that accepts each."""
    lines = []
    for name in [*(name for name, _ in sort_outputs(document)), None]:
        failed = [result for result in document.gate if result.output == name and not result.held]
        if failed:
            rules = "; ".join(f"{'FAIL ' if accept else ''}{describe_rule(result)}" for result in failed)
            line = f"{join_names([name])}: {rules}" if name is not None else rules
            ways = " and ".join(result.accept for result in failed if result.accept is not None) if accept else ""
            rounding = (
                " and ".join(result.tolerance for result in failed if result.tolerance is not None) if accept else ""
            )
            line += f"; to accept it: {ways}" if ways else ""
            lines.append(line + (f"; if it is rounding: {rounding}" if rounding else ""))
    return lines


def list_changed_columns(output: OutputDiff) -> list[tuple[str, ColumnChanges]]:
    """Return the changed columns, the most changed first."""
    changed = [(name, column) for name, column in output.columns.items() if column.changed]
    return sorted(changed, key=lambda item: -item[1].changed)


def describe_key(output: OutputDiff) -> str:
    """Return how rows were matched."""
    key = output.key
    if key.source == "none":
        return (
            "without a key no row can be paired with another: rounding and changed values count as rows added and removed"
            if not output.identical
            else "identical files"
        )
    text = f"{key.source} key {', '.join(truncate_text(name, _MAX_NAME_LENGTH) for name in key.columns)}"
    for what, counts in (
        ("duplicate", (key.baseline_duplicates, key.candidate_duplicates)),
        ("null", (key.baseline_nulls, key.candidate_nulls)),
    ):
        if any(counts):
            text += f"; rows with a {what} key: {format_number(counts[0])} in the baseline, {format_number(counts[1])} in the candidate"
    return text


def describe_unusual_keys(document: DiffDocument) -> list[str]:
    """Return how rows of differing outputs were matched, except by a declared key alone."""
    outputs_by_key: dict[str, list[str]] = {}
    for name, output in sort_outputs(document):
        plain = output.key.source == "declared" and not _has_ambiguous_rows(output.key)
        if output.status == "compared" and not output.is_same and not plain:
            outputs_by_key.setdefault(describe_key(output), []).append(name)
    return [f"{join_names(names)}: {text}" for text, names in outputs_by_key.items()]


def _has_ambiguous_rows(key: RowKey) -> bool:
    return any((key.baseline_duplicates, key.candidate_duplicates, key.baseline_nulls, key.candidate_nulls))


def list_warnings(document: DiffDocument) -> list[str]:
    """Return the warnings, always including one for a run without isolation."""
    warnings = list(document.warnings)
    environment = document.environment
    if environment and not environment.isolated and not any("isolat" in warning for warning in warnings):
        warnings.append(
            f"the {environment.runtime} runtime does not isolate: the code could reach the network and this machine's files"
        )
    return warnings


def describe_side(side: DiffSide) -> str:
    """Return a description of one side."""
    if not side.commit or side.commit.startswith(side.ref):
        return side.ref
    return f"{side.ref} ({'on ' if side.ref == WORKING_TREE else ''}{side.commit[:10]})"


def format_column_change(column: ColumnChanges, change: float | None) -> str:
    """Return a change of a column as text, times as durations.

    >>> from sandbox.manifest.diff import ColumnChanges
    >>> format_column_change(ColumnChanges(changed=1, match_rate=0.5, change_in="seconds"), -180000.0)
    '−2.1 days'
    """
    return format_time_change(change) if column.change_in == "seconds" else format_change(change)
