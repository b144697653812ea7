from __future__ import annotations

import tomllib
from typing import Any

import pytest

from sandbox.compare import evaluate_gate
from sandbox.compare.gate import GateEvidence
from sandbox.config.sections.outputs import GateSection
from sandbox.manifest.diff import (
    AppliedTolerance,
    ArtifactDiff,
    DataTestResult,
    NotCompared,
    OutputDiff,
    RowCounts,
    RowKey,
    SchemaChanges,
)
from sandbox.manifest.output_estimate import OutputEstimate
from sandbox.manifest.why.expected_columns import ExpectedColumns


def output(
    baseline: int = 100, status: Any = "compared", schema: SchemaChanges | None = None, **counts: int
) -> OutputDiff:
    rows = RowCounts(
        baseline=baseline,
        candidate=baseline,
        **{"added": 0, "removed": 0, "changed": 0, "unchanged": 0, **counts},
    )
    return OutputDiff(
        status=status,
        identical=False,
        key=RowKey(columns=[], source="none"),
        schema_=schema or SchemaChanges(),
        rows=rows,
        estimate=OutputEstimate(status="not_estimated", reason=None),
    )


def gate(**rules: Any) -> GateSection:
    return GateSection.model_validate(rules)


def test_nothing_different_is_the_same() -> None:
    verdict, results = evaluate_gate(GateEvidence(outputs={"a": output(), "b": output()}), gate(), {})
    assert verdict == "same"
    assert [(one.rule, one.output, one.held) for one in results] == [
        ("changed_rows", "a", True),
        ("schema", "a", True),
        ("changed_rows", "b", True),
        ("schema", "b", True),
    ]
    assert evaluate_gate(GateEvidence(outputs={}), gate(), {}) == ("same", [])


def test_by_default_no_row_may_differ() -> None:
    for differing in (output(added=1), output(removed=1), output(changed=1)):
        assert evaluate_gate(GateEvidence(outputs={"a": differing}), gate(), {})[0] == "outside_gate"


def test_a_share_at_the_limit_is_within() -> None:
    for percent in ("0.7%", "7%", "0.1%"):
        limit = gate(changed_rows=percent)
        at = round(float(percent[:-1]) * 1000)
        assert (
            evaluate_gate(GateEvidence(outputs={"a": output(baseline=100_000, changed=at)}), limit, {})[0]
            == "within_gate"
        )
        assert (
            evaluate_gate(GateEvidence(outputs={"a": output(baseline=100_000, changed=at + 1)}), limit, {})[0]
            == "outside_gate"
        )


def test_added_removed_and_changed_rows_count_together_and_noise_does_not() -> None:
    limit = gate(changed_rows="3%")
    assert (
        evaluate_gate(GateEvidence(outputs={"a": output(added=1, removed=1, changed=1)}), limit, {})[0] == "within_gate"
    )
    assert (
        evaluate_gate(GateEvidence(outputs={"a": output(added=1, removed=1, changed=2)}), limit, {})[0]
        == "outside_gate"
    )
    assert (
        evaluate_gate(GateEvidence(outputs={"a": output(added=1, removed=1, changed=2, noise=1)}), limit, {})[0]
        == "within_gate"
    )


def test_any_difference_to_no_rows_is_everything() -> None:
    assert (
        evaluate_gate(GateEvidence(outputs={"a": output(baseline=0, added=1)}), gate(changed_rows="99%"), {})[0]
        == "outside_gate"
    )
    assert (
        evaluate_gate(GateEvidence(outputs={"a": output(baseline=0, added=1)}), gate(changed_rows="100%"), {})[0]
        == "within_gate"
    )
    assert evaluate_gate(GateEvidence(outputs={"a": output(baseline=0)}), gate(), {})[0] == "same"


def test_the_worst_output_decides_by_its_own_limit_if_it_has_one() -> None:
    outputs = {"a": output(changed=10), "b": output(changed=1)}
    verdict, results = evaluate_gate(GateEvidence(outputs=outputs), gate(changed_rows="5%"), {})
    assert verdict == "outside_gate"
    assert [one.output for one in results if not one.held] == ["a"]
    assert (
        evaluate_gate(GateEvidence(outputs=outputs), gate(changed_rows="5%"), {"a": gate(changed_rows="10%")})[0]
        == "within_gate"
    )
    assert (
        evaluate_gate(GateEvidence(outputs=outputs), gate(changed_rows="100%"), {"b": gate(changed_rows="0%")})[0]
        == "outside_gate"
    )


@pytest.mark.parametrize("changes", [{"added": ["x"]}, {"removed": ["x"]}])
def test_another_schema_breaks_the_gate_unless_any_is_accepted(changes: dict[str, Any]) -> None:
    outputs = {"a": output(schema=SchemaChanges(**changes))}
    assert evaluate_gate(GateEvidence(outputs=outputs), gate(), {})[0] == "outside_gate"
    assert evaluate_gate(GateEvidence(outputs=outputs), gate(schema="any"), {})[0] == "within_gate"
    assert evaluate_gate(GateEvidence(outputs=outputs), gate(), {"a": gate(schema="any")})[0] == "within_gate"


@pytest.mark.parametrize("changes", [{"renamed": {"a": "b"}}, {"reordered": True}])
def test_another_order_and_a_declared_renaming_are_accepted_and_not_the_same(changes: dict[str, Any]) -> None:
    outputs = {"a": output(schema=SchemaChanges(**changes))}
    assert evaluate_gate(GateEvidence(outputs=outputs), gate(), {})[0] == "within_gate"


def test_only_what_no_rule_could_hide_is_the_same() -> None:
    def judge(**fields: Any) -> str:
        return evaluate_gate(GateEvidence(outputs={"a": output().model_copy(update=fields)}), gate(), {})[0]

    assert judge() == "same"
    assert judge(ignored=["x"]) == "within_gate"
    assert judge(tolerances={"x": AppliedTolerance(abs=1)}) == "within_gate"
    assert judge(ignored=["x"], identical=True) == "same"
    assert judge(rows=RowCounts(baseline=9, candidate=9, added=0, removed=0, changed=2, unchanged=7, noise=2)) == (
        "within_gate"
    )


@pytest.mark.parametrize(("status", "lenient"), [("added", True), ("removed", False)])
def test_an_output_of_one_side_is_judged_by_a_rule_of_its_own_and_never_as_rows(status: str, lenient: bool) -> None:
    found = GateEvidence(outputs={"a": output(baseline=0, added=5, status=status)})
    verdict, [result] = evaluate_gate(found, gate(), {})
    assert (result.rule, result.output, result.held) == (status, "a", lenient)
    assert verdict == ("within_gate" if lenient else "outside_gate")
    assert evaluate_gate(found, gate(**{status: "any", "changed_rows": "0%"}), {})[0] == "within_gate"
    assert evaluate_gate(found, gate(**{status: "any"}), {"a": gate(**{status: "fail"})})[0] == "outside_gate"


def test_artifacts_are_judged_by_their_digests_and_those_that_change_by_themselves_are_not() -> None:
    def judge(status: Any, **rules: Any) -> tuple[str, list[str]]:
        artifacts = {"model.pkl": ArtifactDiff(status=status), "plot.png": ArtifactDiff(status="same")}
        verdict, results = evaluate_gate(GateEvidence(outputs={}, artifacts=artifacts), gate(**rules), {})
        return verdict, [result.rule for result in results if not result.held]

    assert judge("same") == ("same", [])
    assert judge("nondeterministic") == ("within_gate", [])
    assert judge("changed") == ("outside_gate", ["artifacts"])
    assert judge("changed", artifacts="any") == ("within_gate", [])
    assert judge("added") == ("within_gate", [])
    assert judge("added", added="fail") == ("outside_gate", ["added"])
    assert judge("removed") == ("outside_gate", ["removed"])


def test_what_was_not_compared_fails_unless_the_gate_or_the_outputs_own_accepts_it() -> None:
    found = GateEvidence(
        outputs={"a": output()},
        not_compared=[NotCompared(name="a.v", reason="a view", output="a"), NotCompared(name="x", reason="no table")],
    )
    verdict, results = evaluate_gate(found, gate(), {"a": gate(not_compared="any")})
    assert verdict == "outside_gate"
    assert [(one.found, one.held) for one in results if one.rule == "not_compared"] == [
        ("1: a.v (a view)", True),
        ("1: x (no table)", False),
    ]
    assert evaluate_gate(found, gate(not_compared="any"), {})[0] == "within_gate"


def test_what_nothing_leads_to_fails_only_if_the_gate_says_so() -> None:
    expected = {
        "a": ExpectedColumns(changed=["x"], unexpected=["y"], unexpected_rows=2, unknown=["z"], reason="it is Python")
    }
    found = GateEvidence(outputs={"a": output()}, expected_columns=expected)
    verdict, results = evaluate_gate(found, gate(unexpected="fail"), {})
    assert verdict == "outside_gate"
    [result] = [result for result in results if result.rule == "unexpected"]
    assert result.found == "2 changed though nothing leads there: a.y, rows of a"
    assert result.accept == '[gate] unexpected = "any"'
    assert evaluate_gate(found, gate(), {})[0] == "same"


def test_rounding_is_taken_off_unless_it_is_to_be_counted() -> None:
    found = GateEvidence(outputs={"a": output(changed=10, rounding=10)})
    assert evaluate_gate(found, gate(), {})[0] == "within_gate"
    assert evaluate_gate(found, gate(rounding="count"), {})[0] == "outside_gate"
    assert evaluate_gate(GateEvidence(outputs={"a": output(changed=11, rounding=10)}), gate(), {})[0] == "outside_gate"


def test_a_broken_rule_names_the_line_that_accepts_it_and_that_line_does() -> None:
    outputs = {
        "a": output(changed=10),
        "b c": output(baseline=3, changed=1, schema=SchemaChanges(added=["x"])),
        "d": output(status="removed"),
    }
    found = GateEvidence(
        outputs=outputs,
        artifacts={"m": ArtifactDiff(status="changed")},
        not_compared=[NotCompared(name="x", reason="a view")],
        tests=[DataTestResult(name="t", baseline_failures=0, candidate_failures=1, outcome="newly_failing")],
    )
    _, results = evaluate_gate(found, gate(), {})
    lines = [str(result.accept) for result in results if not result.held]
    assert len(lines) == 7
    written = tomllib.loads("\n".join(_merge_tables(lines)))
    own = {name: GateSection.model_validate(section["gate"]) for name, section in written["outputs"].items()}
    assert evaluate_gate(found, GateSection.model_validate(written["gate"]), own)[0] == "within_gate"


def _merge_tables(lines: list[str]) -> list[str]:
    """Write lines such as ``[gate] tests = "any"`` as a file, each table once."""
    tables: dict[str, list[str]] = {}
    for line in lines:
        table, _, assignment = line.partition("] ")
        tables.setdefault(f"{table}]", []).append(assignment)
    return [line for table, assignments in tables.items() for line in (table, *assignments)]


def test_a_rule_that_cannot_be_evaluated_is_not_held() -> None:
    verdict, results = evaluate_gate(GateEvidence(outputs={"a": output()}), gate(total_change={"a.x": "5%"}), {})
    assert verdict == "outside_gate"
    assert results[-1].found == "not estimated: there is no such column to compare"


def test_an_outputs_own_rules_are_not_held_where_it_was_not_compared() -> None:
    own = gate(changed_rows="1%", total_change={"x": "5%"})
    verdict, results = evaluate_gate(
        GateEvidence(outputs={"a": output()}), gate(), {"a": gate(), "b": own, "c": gate()}
    )
    assert verdict == "outside_gate"
    assert [(one.rule, one.found) for one in results if not one.held] == [
        ("changed_rows b", "not compared"),
        ("total_change b.x", "not estimated: there is no such output"),
    ]
    assert evaluate_gate(GateEvidence(outputs={"a": output()}), gate(), {"b": gate()})[0] == "same"


def test_tiny_shares_are_not_said_to_be_nothing() -> None:
    _, results = evaluate_gate(GateEvidence(outputs={"a": output(baseline=10**9, changed=1)}), gate(), {})
    assert results[0].found == "0.0000001 %"
    assert not results[0].held
