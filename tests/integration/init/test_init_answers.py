"""``sandbox init`` on the generated sources of the benchmark: what a person who knows them would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.init.measure import Result, combine_scores, measure_generated

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    folder: Path = tmp_path_factory.mktemp("known")
    return measure_generated(folder)


def test_keys_and_units_are_right(results: dict[str, Result]) -> None:
    assert combine_scores(result.keys for result in results.values()) == (1.0, 1.0)
    assert [result.unit for result in results.values() if not result.is_unit_right] == []


@pytest.mark.parametrize(("kind", "precision", "recall"), [("references", 0.97, 0.9), ("personal", 0.9, 0.95)])
def test_references_and_personal_columns_are_found_without_false_alarms(
    results: dict[str, Result], kind: str, precision: float, recall: float
) -> None:
    found = combine_scores(getattr(result, kind) for result in results.values())
    assert found[0] >= precision, [getattr(result, kind).wrong for result in results.values()]
    assert found[1] >= recall, [getattr(result, kind).missed for result in results.values()]
