"""Documents of earlier versions are read as those of this one."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.errors import StoreError
from sandbox.manifest.diff import DiffDocument
from sandbox.manifest.output_estimate import OutputEstimate, upgrade_estimate


def figure(status: str, **limits: Any) -> dict[str, Any]:
    return {"status": status, "estimate": 5.0} | limits


FIRST: dict[str, Any] = {
    "status": "estimated",
    "reason": None,
    "unit": "customers",
    "units_affected": figure("bounded", estimate=0.0, low=0.0, high=298.0) | {"sample": 0},
    "rows_added": figure("bounded", low=0.0, high=None),
    "rows_removed": figure("bounded", low=1.0, high=9.0),
    "totals": {
        "value": {
            "baseline": figure("exact", low=5.0, high=5.0),
            "candidate": figure("estimated", low=4.0, high=6.0),
            "change": figure("probably_too_narrow", low=4.0, high=6.0),
        }
    },
    "outside": {"orders": 7},
}


def test_statuses_of_the_first_version_become_those_of_the_second() -> None:
    found = OutputEstimate.model_validate(upgrade_estimate(FIRST))
    assert found.units_affected is not None
    assert (found.units_affected.status, found.units_affected.high) == ("estimated", 298.0)
    assert (found.rows_added.status, found.rows_added.low) == ("bounded", None)
    assert (found.rows_removed.status, found.rows_removed.high) == ("estimated", 9.0)
    total = found.totals["value"]
    assert (total.baseline.status, total.candidate.status) == ("exact", "estimated")
    assert (total.change.status, total.change.low, total.change.high) == ("bounded", None, None)
    assert found.outside == {"orders": 7}


def test_figures_of_the_second_version_stay_as_they_are() -> None:
    second = OutputEstimate.model_validate(
        {"status": "estimated", "reason": None, "totals": {"v": {"change": figure("lower_bound", low=3.0)}}}
    )
    assert OutputEstimate.model_validate(second.model_dump()) == second


@pytest.mark.parametrize("version", ["0", "3", "true", "null", '"2"'])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(StoreError, match="this sandbox reads 1 and 2"):
        DiffDocument.parse(f'{{"format_version": {version}}}', origin="here")
