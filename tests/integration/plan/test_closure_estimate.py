"""The plan says how many rows come by reference only, and `follow` bounds them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from sandbox.errors import DataRuleError
from sandbox.report.terminal import samples
from sandbox.sampler.plan.closure_estimate import ReferenceCounts, compute_closure
from sandbox.sampler.plan.warehouse_sql import compile_plan

if TYPE_CHECKING:
    from tests.integration.plan.conftest import PlannedProject

CHAIN = """
[sample]
salt = "s"
unit = "a0"
rate = 0.01
min_per_stratum = 0
[tables.a0]
key = ["id"]
[[tables.a0.reference]]
columns = ["best"]
table = "a3"
key = ["id"]
FOLLOW
[tables.a1]
references = { parent = "a0.id" }
[tables.a2]
references = { parent = "a1.id", owner = "a0.id" }
belongs_to = "parent"
[tables.a3]
references = { parent = "a2.id" }
"""


def write_chain(place: PlannedProject) -> None:
    """Write a0.best → a3 → a2 → a1 → a0; owners stay in their unit."""
    place.copy("a0.parquet", "select range as id, (hash(range) % 20000)::bigint as best from range(20000)")
    place.copy("a1.parquet", "select range as id, range % 20000 as parent from range(20000)")
    place.copy("a2.parquet", "select range as id, range as parent, range as owner from range(20000)")
    place.copy("a3.parquet", "select range as id, (range * 7) % 20000 as parent from range(20000)")


@pytest.mark.parametrize("follow", ["", "follow = 1", "follow = false"])
def test_the_plan_knows_the_rows_that_come_by_reference(place: PlannedProject, follow: str) -> None:
    write_chain(place)
    settings = CHAIN.replace("FOLLOW", follow)
    plan = place.plan(settings)
    _, manifest = place.draw(settings)
    drawn = plan.units["a0"].expected_units
    for name in ("a0", "a1", "a2", "a3"):
        size = plan.expected_sizes[name]
        assert size.rows == pytest.approx(manifest.tables[name].rows, rel=0.25)
        assert size.by_reference == pytest.approx(size.rows - drawn, abs=2)
        assert plan.to_dict()["tables"][name]["expected_by_reference"] == size.by_reference
    shown = io.StringIO()
    Console(file=shown, width=1000).print(samples.render_plan(plan))
    assert ("only because other rows refer to them" in shown.getvalue()) is (follow != "follow = false")
    if not follow:
        assert plan.expected_sizes["a0"].rows > 5 * drawn
        assert "with follow = false at a0 (best) → a3 about 0, with follow = 1 about " in shown.getvalue()
        with pytest.raises(DataRuleError, match="circle"):
            compile_plan(plan, "duckdb")
    elif follow == "follow = 1":
        with pytest.raises(DataRuleError, match="a0 → a3 is followed for 1 level"):
            compile_plan(plan, "duckdb")
    else:
        compile_plan(plan, "duckdb")
    [best] = manifest.tables["a0"].references
    assert best.holds_in_sample is (not follow)


def test_a_permutation_is_followed_to_its_end_and_null_references_add_nothing() -> None:
    rows, drawn = {"a": 1000}, {"a": 10.0}

    def count(**changed: float) -> float:
        given = {"rows": 1000, "keys": 1000, "leaving_share": 1.0, "levels": None} | changed
        return compute_closure([ReferenceCounts(table="a", target="a", **given)], drawn, rows)["a"]  # type: ignore[arg-type]

    assert count() == pytest.approx(990, abs=5)
    assert count(keys=1) == pytest.approx(0.99, abs=0.01)
    assert count(leaving_share=0.0) == 0
    assert count(rows=0, keys=0) == 0
    assert count(levels=1) == pytest.approx(9.9)
