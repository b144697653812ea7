"""What reports say of an estimate."""

from __future__ import annotations

import doctest
import io
from typing import Any

import pytest
from rich.console import Console

from sandbox.manifest.diff import ColumnChanges, OutputDiff, RowCounts, RowKey
from sandbox.manifest.output_estimate import (
    AffectedUnits,
    EstimatedFigure,
    FigureChange,
    OutputEstimate,
    RowsWithoutUnit,
    TotalChange,
)
from sandbox.report import estimates, figures
from sandbox.report.terminal.diff import render_diff
from tests.unit.report.test_reports import document

AFFECTED = AffectedUnits(status="estimated", estimate=41283.0, low=37_200.0, high=45_600.0, sample=413)
FALL = TotalChange(
    baseline=EstimatedFigure(status="estimated", estimate=9e7, low=8e7, high=1e8),
    change=EstimatedFigure(status="estimated", estimate=-182_345.6, low=-203_332.6, high=-161_358.6),
    relative=EstimatedFigure(status="estimated", estimate=-0.002, low=-0.003, high=-0.001),
)


def output(columns: tuple[str, ...] = ("lifetime_value",), *, rows: Any = None, **estimate: Any) -> OutputDiff:
    given = {
        "status": "estimated",
        "reason": None,
        "unit": "customers",
        "population": 1_200_000,
        "units_affected": AFFECTED,
        "totals": {"lifetime_value": FALL},
    }
    return OutputDiff(
        status="compared",
        identical=False,
        key=RowKey(columns=["customer_id"], source="declared"),
        rows=rows or RowCounts(baseline=9, candidate=9, added=0, removed=0, changed=3, unchanged=6),
        columns={name: ColumnChanges(changed=3, match_rate=0.5) for name in columns},
        estimate=OutputEstimate.model_validate(given | estimate),
    )


def rows(**counts: int) -> RowCounts:
    return RowCounts.model_validate(
        {"baseline": 9, "candidate": 9, "added": 0, "removed": 0, "changed": 0, "unchanged": 9} | counts
    )


def test_the_examples_in_the_documentation_hold() -> None:
    failures, attempted = doctest.testmod(figures)
    assert attempted
    assert not failures


def test_the_sentence_that_a_person_needs() -> None:
    assert estimates.describe_estimate(output()) == (
        "In production about 41,300 of 1,200,000 customers (3.4 %, 95 %: 3.1 to 3.8 %) would get another lifetime value; "
        "the total falls by 0.20 % (0.10 to 0.30 %), that is by 182,000 (161,000 to 203,000)."
    )


def test_several_of_something_are_other_ones() -> None:
    assert "would get other order items;" in str(estimates.describe_estimate(output(("order_items",))))


def test_several_columns_are_told_apart_by_name() -> None:
    said = str(estimates.describe_estimate(output(("orders", "lifetime_value"))))
    assert "would get other rows; the total of lifetime_value falls by" in said


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"removed": 3}, "would lose rows"),
        ({"added": 3}, "would get further rows"),
        ({"added": 3, "removed": 3}, "would get other rows"),
    ],
)
def test_rows_that_come_and_go(counts: dict[str, int], said: str) -> None:
    assert said in str(estimates.describe_estimate(output((), rows=rows(**counts), totals={})))


def figure(status: str, estimate: float, **limits: float) -> EstimatedFigure:
    return EstimatedFigure.model_validate({"status": status, "estimate": estimate, **limits})


UNKNOWN = EstimatedFigure(status="bounded", estimate=-0.002)


@pytest.mark.parametrize(
    ("change", "relative", "said"),
    [
        (
            figure("estimated", 1e5, low=-90_412.0, high=290_358.0),
            figure("estimated", 0.001, low=-0.0009, high=0.0029),
            "the total has no clear direction (−0.09 to +0.29 %; −90,000 to +290,000).",
        ),
        (
            figure("lower_bound", -182_345.6, high=-120_345.6),
            UNKNOWN,
            "the total falls by at least 120,000.",
        ),
        (
            figure("lower_bound", 182_345.6, low=120_000.0),
            figure("estimated", 0.01, low=0.01, high=0.01),
            "the total rises by 1 %, that is by at least 120,000.",
        ),
        (
            figure("bounded", -5.0),
            UNKNOWN,
            "too few of them were drawn to say how far the total moves; direction unclear.",
        ),
        (
            figure("exact", -1234.5, low=-1234.5, high=-1234.5),
            figure("exact", -0.01, low=-0.01, high=-0.01),
            "the total falls by 1 %, that is by 1,234.5.",
        ),
        (
            figure("estimated", -180_000.0, low=-200_000.0, high=-160_000.0, unseen_change=45_000.0),
            UNKNOWN,
            "the total falls by 180,000 (160,000 to 200,000); if the ten largest customers not drawn changed too, up to 45,000 more.",
        ),
    ],
)
def test_each_status_has_its_sentence(change: EstimatedFigure, relative: EstimatedFigure, said: str) -> None:
    total = FALL.model_copy(update={"change": change, "relative": relative})
    assert str(estimates.describe_estimate(output(totals={"lifetime_value": total}))).endswith(said)


def test_units_and_truth_values_have_their_own_words() -> None:
    share = FigureChange(
        baseline=EstimatedFigure(status="estimated", estimate=0.4, low=0.38, high=0.42),
        change=EstimatedFigure(status="estimated", estimate=0.031, low=0.021, high=0.041),
    )
    given = output(("loyal",), called="buyers", totals={"loyal": FALL}, means={"loyal": share}, truth_columns=["loyal"])
    said = str(estimates.describe_estimate(given))
    assert "of 1,200,000 buyers" in said
    assert "the number of rows with loyal falls by" in said
    lines = {line.label: line for line in figures.build_figure_rows(given.estimate)}
    assert lines["share of loyal"].value == "+3.1 percentage points of 40.0 %"
    assert lines["share of loyal"].interval == "2.1 to 4.1 percentage points"


def test_reasons_name_every_output_without_an_estimate() -> None:
    none = [(name, output(status="not_estimated", reason="why")) for name in ("a", "b")]
    assert estimates.explain_missing_estimates([*none, ("c", output())]) == ["a, b: not estimated for production: why"]


def test_the_reason_of_many_outputs_is_not_cut_off() -> None:
    reason = "no column of this output names a sampling unit"
    outputs = {f"{'n' * 55}{number:02}": output(status="not_estimated", reason=reason) for number in range(40)}
    console = Console(width=2_000, file=io.StringIO(), record=True)
    console.print(render_diff(document(outputs)))
    (line,) = [line for line in console.export_text().splitlines() if line.startswith("estimate:")]
    assert line.endswith(f"04 and 35 more outputs: not estimated for production: {reason}")


def test_a_total_that_is_known_exactly_is_not_rounded() -> None:
    known = EstimatedFigure(status="exact", estimate=1_234_567.25, low=1_234_567.25, high=1_234_567.25)
    for before, said in ((known, "1,234,567.25"), (known.model_copy(update={"status": "estimated"}), "1.23 M")):
        total = FALL.model_copy(update={"baseline": before})
        lines = figures.build_figure_rows(output(totals={"lifetime_value": total}).estimate)
        assert lines[2].value == f"−182,000 of {said}"


def test_nothing_found_says_what_would_have_been_seen() -> None:
    none = AffectedUnits(status="estimated", estimate=0.0, low=0.0, high=298.0, sample=0)
    same = output((), rows=rows(), units_affected=none, totals={})
    assert estimates.describe_estimate(same) == (
        "No difference; a change that affects more than 298 customers would have been seen with 95 % probability."
    )
    every = none.model_copy(update={"status": "exact", "high": 0.0})
    assert estimates.describe_estimate(output((), rows=rows(), units_affected=every, totals={})) == (
        "No difference, in all 1,200,000 customers."
    )
    elsewhere = output(units_affected=none, totals={}, left_out=RowsWithoutUnit(baseline=4, candidate=4, different=3))
    assert str(estimates.describe_estimate(elsewhere)).startswith(
        "No difference in rows of the customers that were drawn;"
    )


def test_every_unit_seen_needs_no_about() -> None:
    exact = AffectedUnits(status="exact", estimate=3.0, low=3.0, high=3.0, sample=3)
    said = str(estimates.describe_estimate(output(units_affected=exact, population=400)))
    assert said.startswith("In production 3 of 400 customers (0.8 %) would")


def test_what_is_not_estimated_has_no_sentence_but_a_reason() -> None:
    none = output(status="not_estimated", reason="no column names a unit")
    assert estimates.describe_estimate(none) is None
    assert estimates.explain_missing_estimate(none) == "no column names a unit"
    assert figures.build_figure_rows(none.estimate) == []
    assert estimates.describe_exclusions(none) == []


def test_notes_say_what_no_figure_counts() -> None:
    noted = output(
        left_out=RowsWithoutUnit(baseline=12, candidate=13, different=2),
        outside={"orders": 3400, "payments": None},
    )
    assert estimates.describe_exclusions(noted) == [
        (
            "left out: 12 rows of the baseline and 13 of the candidate, 2 of which differ, which name none of the "
            "customers that were drawn"
        ),
        (
            "no figure counts production's rows that belong to none of the customers: 3,400 of orders, an unknown number of "
            "payments"
        ),
    ]


def test_figures_are_those_that_move_with_a_picture_each() -> None:
    mean = FigureChange(
        baseline=EstimatedFigure(status="estimated", estimate=75.0, low=70.0, high=80.0),
        change=EstimatedFigure(status="estimated", estimate=-0.15, low=-0.2, high=-0.1),
    )
    unmoved = TotalChange(change=EstimatedFigure(status="exact", estimate=0.0, low=0.0, high=0.0))
    shown = output(totals={"lifetime_value": FALL, "other": unmoved}, means={"lifetime_value": mean})
    lines = figures.build_figure_rows(shown.estimate)
    assert [line.label for line in lines] == [
        "customers affected",
        "total of lifetime_value, relative",
        "total of lifetime_value",
        "mean of lifetime_value",
    ]
    assert lines[0].interval == "37,200 to 45,600"
    assert (lines[1].value, lines[1].interval) == ("−0.20 %", "−0.30 to −0.10 %")
    assert (lines[2].value, lines[2].interval) == ("−182,000 of 90 M", "−203,000 to −161,000")
    assert (lines[3].value, lines[3].interval) == ("−0.150 of 75", "−0.200 to −0.100")
    for line in lines:
        assert line.chart is not None
        places = [line.chart.low, line.chart.estimate, line.chart.high]
        assert places == sorted(places)
        assert all(0 <= place <= 100 for place in (*places, line.chart.zero))


def test_an_interval_across_zero_has_its_zero_inside() -> None:
    drawn = figures.build_interval_chart(EstimatedFigure(status="estimated", estimate=1.0, low=-1.0, high=3.0))
    assert drawn is not None
    assert drawn.low < drawn.zero < drawn.estimate < drawn.high


@pytest.mark.parametrize(
    "figure",
    [
        EstimatedFigure(status="bounded", estimate=1.0, low=1.0),
        EstimatedFigure(status="exact", estimate=1.0, low=1.0, high=1.0),
    ],
)
def test_what_is_no_interval_has_no_picture(figure: EstimatedFigure) -> None:
    assert figures.build_interval_chart(figure) is None


def test_equal_outputs_share_what_is_said_of_them() -> None:
    none = AffectedUnits(status="estimated", estimate=0.0, low=0.0, high=298.0, sample=0)
    same = output((), rows=rows(), units_affected=none, totals={})
    other = output((), rows=rows(), status="not_estimated", reason="why")
    said = estimates.describe_equal_outputs([("a", same), ("b", same), ("c", other)])
    assert said[0].startswith("a, b: No difference;")
    assert said[1] == "c: Not estimated for production: why."
