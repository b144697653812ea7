"""Statuses over draws by the real rule: a twentieth of ``make coverage``, on the heaviest tail."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "estimate"
DRAWS = 50


@pytest.fixture(scope="module")
def study() -> Any:
    """Give the module of the study, which imports its neighbour by name."""
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("statuses", FOLDER / "statuses.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["statuses"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(FOLDER))


def test_intervals_and_limits_of_a_heavy_tail_hold_as_often_as_they_say(study: Any) -> None:
    population = next(each for each in study.build_populations() if each.name == "Pareto 1.1")
    shares = []
    for design in study.build_designs(population, 1_100):
        cells = list(study.study_design(design, DRAWS).values())
        draws = {status: sum(cell.draws[status] for cell in cells) for status in study.STATUSES}
        held = {status: sum(cell.held[status] for cell in cells) for status in study.STATUSES}
        for status in ("estimated", "lower_bound"):
            assert held[status] >= 0.93 * draws[status]
        shares.append(draws["estimated"] / sum(draws.values()))
    assert shares[0] < 0.1, "without strata by size hardly any change is estimated"
    assert shares[1] > 0.4
