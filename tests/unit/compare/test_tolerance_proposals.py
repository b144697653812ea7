"""Which differences look like rounding, and the lines that accept them."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.compare.tolerance_proposals import propose_tolerances
from sandbox.manifest.diff import (
    ColumnChanges,
    ColumnProfile,
    ColumnSummary,
    OutputDiff,
    RowCounts,
    RowKey,
)
from sandbox.manifest.output_estimate import OutputEstimate


def build_output(added: int = 0, **columns: dict[str, Any]) -> OutputDiff:
    summary = ColumnSummary(rows=9, nulls=0, distinct=9, min=-5.0, max=1000.0)
    return OutputDiff(
        status="compared",
        identical=False,
        key=RowKey(columns=["id"], source="declared"),
        rows=RowCounts(baseline=9, candidate=9, added=added, removed=0, changed=3, unchanged=6),
        columns={name: ColumnChanges(changed=3, match_rate=0.5, **changes) for name, changes in columns.items()},
        profiles={name: ColumnProfile(baseline=summary, candidate=summary, one_in=1, exact=True) for name in columns},
        estimate=OutputEstimate(status="not_estimated", reason=None),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_relative_change": 3.2e-11, "max_change": 1e-9}, "{ rel = 4e-11 }"),
        ({"max_relative_change": 1.0, "max_change": -7e-12}, "{ abs = 7e-12 }"),
        ({"max_relative_change": 0.5, "max_change": 0.01}, "{ abs = 0.01 }"),
        ({"max_relative_change": None, "max_change": 0.01}, "{ abs = 0.01 }"),
        ({"max_relative_change": 0.5, "max_change": 0.013}, None),
        ({"max_relative_change": None, "max_change": 10.0}, None),
        ({"max_relative_change": 1.0, "max_change": 7e-12, "to_null": 1}, None),
        ({"max_relative_change": None, "max_change": 0.01, "change_in": "seconds"}, None),
        ({}, None),
    ],
)
def test_a_difference_that_looks_like_rounding_gets_a_line(changes: dict[str, Any], expected: str | None) -> None:
    proposed = propose_tolerances("value", build_output(v=changes))
    assert proposed == (None if expected is None else f"[outputs.value.tolerance] v = {expected}")


def test_nothing_is_proposed_where_it_would_not_suffice() -> None:
    small = {"max_relative_change": 1e-11, "max_change": 1e-9}
    assert propose_tolerances("value", build_output(v=small, w={"max_change": 3.0})) is None
    assert propose_tolerances("value", build_output(added=1, v=small)) is None
    assert propose_tolerances("a b", build_output(v=small)) == '[outputs."a b".tolerance] v = { rel = 1e-11 }'
