"""The gate's limits on totals in production, and rows weighted to production."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.compare import evaluate_gate
from sandbox.compare.gate import GateEvidence
from sandbox.config.sections.outputs import GateSection
from sandbox.manifest.diff import ColumnChanges, GateResult, OutputDiff, RowCounts, RowKey
from sandbox.manifest.output_estimate import EstimatedFigure, OutputEstimate, RowsWithoutUnit, TotalChange

NARROW = EstimatedFigure(status="estimated", estimate=-0.01, low=-0.015, high=-0.005)


def output(relative: EstimatedFigure | None = None, **update: Any) -> OutputDiff:
    estimate = OutputEstimate(
        status="estimated",
        reason=None,
        unit="customers",
        share=EstimatedFigure(status="estimated", estimate=0.02, low=0.01, high=0.03),
        totals={"value": TotalChange(relative=relative or NARROW)},
    )
    made = OutputDiff(
        status="compared",
        identical=False,
        key=RowKey(columns=["id"], source="declared"),
        rows=RowCounts(baseline=100, candidate=100, added=0, removed=0, changed=5, unchanged=95),
        columns={
            "value": ColumnChanges(changed=5, match_rate=0.95),
            "name": ColumnChanges(changed=5, match_rate=0.95),
            "other": ColumnChanges(changed=0, match_rate=1.0),
        },
        estimate=estimate,
    )
    return made.model_copy(update=update)


def gate(limit: str, named: str = "t.value") -> GateSection:
    return GateSection.model_validate({"changed_rows": "100%", "total_change": {named: limit}})


def judged(found: OutputDiff, limit: str, named: str = "t.value") -> GateResult:
    _, results = evaluate_gate(GateEvidence(outputs={"t": found}), gate(limit, named), {})
    return results[-1]


@pytest.mark.parametrize(("limit", "held"), [("1.5%", True), ("1.4%", False), ("1%", False), ("2%", True)])
def test_the_whole_interval_must_lie_within_the_limit(limit: str, held: bool) -> None:
    result = judged(output(), limit)
    assert (result.rule, result.output, result.held) == ("total_change t.value", "t", held)
    assert result.found == "−1 % (95 %: −1.5 % to −0.5 %)"


def test_an_interval_that_reaches_beyond_on_the_other_side_does_not_hold() -> None:
    wide = EstimatedFigure(status="estimated", estimate=0.0, low=-0.001, high=0.03)
    assert not judged(output(wide), "2%").held


def test_one_limit_is_not_enough() -> None:
    least = EstimatedFigure(status="lower_bound", estimate=0.001, low=0.0005)
    result = judged(output(least), "50%")
    assert (result.held, result.accept) == (False, None)
    assert result.found == "+0.05 % at least, and nothing is known of the most"


def test_an_exact_change_is_judged_as_it_is() -> None:
    exact = EstimatedFigure(status="exact", estimate=0.01, low=0.01, high=0.01)
    assert judged(output(exact), "1%").held
    assert judged(output(exact), "0.9%").found == "+1 %"


@pytest.mark.parametrize(
    ("found", "named", "said"),
    [
        (output(EstimatedFigure(status="bounded", estimate=0.0001)), "t.value", "too few units"),
        (output(EstimatedFigure(status="not_estimated")), "t.value", "not estimated"),
        (output(), "u.value", "no such output"),
        (output(), "t.valeu", "no such column"),
        (output(), "t.name", "no numbers"),
        (output(tainted=["value"]), "t.value", "from run to run"),
        (output(status="removed"), "t.value", "output removed"),
        (
            output(estimate=OutputEstimate(status="not_estimated", reason="units depend on each other")),
            "t.value",
            "units depend on each other",
        ),
    ],
)
def test_what_changed_and_cannot_be_evaluated_does_not_hold(found: OutputDiff, named: str, said: str) -> None:
    result = judged(found, "100%", named)
    assert not result.held
    assert said in result.found


def test_a_total_of_which_no_value_changed_holds() -> None:
    none = OutputEstimate(status="not_estimated", reason="no unit")
    assert judged(output(estimate=none), "0%", "t.other").held
    same = RowCounts(baseline=100, candidate=100, added=0, removed=0, changed=0, unchanged=100)
    assert judged(output(rows=same, estimate=none), "0%").found == "no change in the sample"
    more = RowCounts(baseline=100, candidate=101, added=1, removed=0, changed=0, unchanged=100)
    assert not judged(output(rows=more, estimate=none), "0%", "t.other").held


def test_an_outputs_own_limit_names_the_column_alone() -> None:
    own = GateSection.model_validate({"changed_rows": "100%", "total_change": {"value": "1%"}})
    verdict, results = evaluate_gate(GateEvidence(outputs={"t": output()}), GateSection(), {"t": own})
    assert verdict == "outside_gate"
    assert [one.rule for one in results] == ["changed_rows", "schema", "total_change t.value"]


def test_names_with_dots_are_told_apart() -> None:
    found = output()
    _, results = evaluate_gate(GateEvidence(outputs={"main.t": found, "main": found}), gate("2%", "main.t.value"), {})
    assert (results[-1].output, results[-1].held) == ("main.t", True)


def test_changed_rows_are_weighted_to_production_and_said_so() -> None:
    _, [rows, *_] = evaluate_gate(GateEvidence(outputs={"t": output()}), GateSection(changed_rows=0.02), {})
    assert (rows.held, rows.found) == (True, "2 %, weighted to production,")


@pytest.mark.parametrize(
    "estimate",
    [
        OutputEstimate(status="not_estimated", reason="none"),
        output().estimate.model_copy(update={"left_out": RowsWithoutUnit(baseline=3, candidate=3, different=1)}),
        output().estimate.model_copy(update={"share": EstimatedFigure(status="bounded", estimate=0.0)}),
    ],
)
def test_no_weight_makes_a_difference_vanish(estimate: OutputEstimate) -> None:
    _, [rows, *_] = evaluate_gate(
        GateEvidence(outputs={"t": output(estimate=estimate)}), GateSection(changed_rows=0.02), {}
    )
    assert (rows.held, rows.found) == (False, "5 %")
