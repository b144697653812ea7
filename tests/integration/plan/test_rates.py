"""A rate as a share, and a plan that explains why more units come than asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.plan.conftest import PlannedProject

SECTIONS = """
[sample]
salt = "s"
unit = "customers"
strata = ["country"]
rate = "50%"
MINIMUM
[tables.customers]
key = ["id"]
"""


def test_a_rate_that_small_strata_raise_is_explained_with_what_to_write(place: PlannedProject) -> None:
    place.copy("customers.parquet", "select range as id, range % 40 as country from range(4000)")
    raised = place.plan(SECTIONS.replace("MINIMUM", "min_per_stratum = 60"))
    [warning] = [line for line in raised.warnings if "min_per_stratum" in line]
    assert "customers: rate = 0.5, and about 0.88 of the units come: min_per_stratum = 60 raises" in warning
    minimum = int(warning.partition("write min_per_stratum = ")[2].partition(",")[0])
    mended = place.plan(SECTIONS.replace("MINIMUM", f"min_per_stratum = {minimum}"))
    assert not any("min_per_stratum" in line for line in mended.warnings)
    assert 0.5 <= mended.units["customers"].expected_units / 4000 <= 0.625
