"""Targets and allocations on real files: sizes, spreads, and that no layout of the source changes them."""

from __future__ import annotations

import io
import math
import statistics
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from rich.console import Console

from sandbox.errors import DataRuleError
from sandbox.report.terminal import samples

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.sampler.plan.plan import SamplePlan
    from tests.integration.plan.conftest import PlannedProject

SECTIONS = """
[sample]
salt = "s"
unit = "customers"
strata = ["country"]
TARGET
[tables.customers]
key = ["id"]
[tables.orders]
references = { customer = "customers.id", product = "products.id" }
[tables.products]
[tables.rates]
"""
# Customers in DE have four times the orders of those elsewhere.
CUSTOMERS = (
    "select range as id, ['DE', 'FR', null][1 + range % 3] as country, md5(range::varchar) as code, "
    "case when range % 3 = 1 then 5.0 when range % 11 = 0 then 'nan'::double when range % 13 = 0 then null "
    "else (range % 50)::double end as amount from range(6000)"
)
ORDERS = (
    "select row_number() over (order by id, n) as order_id, id as customer, (id * 7 + n) % 120000 as product, "
    "md5(id || '/' || n) as note from range(6000) t(id), range(8) s(n) where id % 3 = 0 or n < 2"
)
RATES = "select range as day, md5('r' || range) as rate from range(3000)"
PRODUCTS = "select range as id, 'product ' || range as title from range(120000)"


def source(place: PlannedProject) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    place.copy("orders.parquet", ORDERS)
    place.copy("products.parquet", PRODUCTS)
    place.copy("rates.parquet", RATES, "(format parquet, compression zstd)")


def split(place: PlannedProject) -> None:
    for name in ("customers", "orders", "products"):
        path = str(place.source / f"{name}.parquet").replace("'", "''")
        for part in range(3):
            rows = f"select * from '{path}' where hash(#1) % 3 = {part} order by hash(#1 + 5)"
            place.copy(f"{name}/{part}.parquet", rows, "(row_group_size 2048)")
        (place.source / f"{name}.parquet").unlink()


def planned(place: PlannedProject, target: str, threads: int = 2) -> SamplePlan:
    return place.plan(SECTIONS.replace("TARGET", target), threads=threads)


def written(place: PlannedProject, plan: SamplePlan) -> dict[str, int]:
    """Give what the selected units take with their orders and products, written by the engine."""
    ids = [row[0] for row in place.selected(plan, "customers", "id")]
    chosen = {
        "customers": f"from ({CUSTOMERS}) where id in (select unnest(?))",
        "orders": f"from ({ORDERS}) where customer in (select unnest(?))",
        "products": f"from ({PRODUCTS}) where id in (select product from ({ORDERS}) where customer in (select unnest(?)))",
    }
    sizes = {}
    with duckdb.connect() as connection:
        for name, select in chosen.items():
            target = place.root / f"{name}.parquet"
            quoted = str(target).replace("'", "''")
            connection.execute(f"copy ({select}) to '{quoted}' (format parquet, compression zstd)", [ids])
            sizes[name] = target.stat().st_size
    return sizes | {"rates": (place.source / "rates.parquet").stat().st_size}


def test_a_size_is_that_of_what_is_written_with_children_and_lookups(place: PlannedProject) -> None:
    source(place)
    plan = planned(place, 'size = "700kB"\nmin_per_stratum = 5')
    assert plan.warnings == ()
    assert plan.expected_bytes == pytest.approx(700_000, rel=0.001)
    taken = written(place, plan)
    assert sum(taken.values()) == pytest.approx(700_000, rel=0.15)
    for name in ("customers", "orders", "rates"):
        assert plan.expected_sizes[name].bytes == pytest.approx(taken[name], rel=0.2)
    assert set(plan.measured_tables) == {"customers", "orders", "products", "rates"}
    assert plan.expected_sizes["orders"].rows == pytest.approx(plan.units["customers"].expected_units * 4, rel=0.05)


def test_a_size_that_all_or_nothing_reaches_says_so(place: PlannedProject) -> None:
    source(place)
    most = planned(place, 'size = "1GB"')
    assert "size = 1,000,000,000 is more than all there is; every unit comes" in most.warnings[0]
    assert all(one.probability == 1 for one in most.units["customers"].strata)
    least = planned(place, 'size = "100kB"\nmin_per_stratum = 300')
    assert "min_per_stratum = 300 alone takes about" in least.warnings[0]
    assert "bytes, more than size = 100,000" in least.warnings[0]
    none = planned(place, 'size = "2kB"')
    assert "less than the tables that come whole" in none.warnings[0]


@pytest.mark.parametrize(
    "target",
    ['size = "700kB"', 'units = 900\nallocation = "neyman:amount"', 'rate = 0.2\nallocation = "power"'],
)
def test_no_layout_of_the_source_changes_a_threshold(place: PlannedProject, target: str) -> None:
    source(place)
    before = planned(place, target).units
    split(place)
    assert planned(place, target, threads=1).units == before


def spreads() -> dict[Any, float]:
    with duckdb.connect() as connection:
        rows = connection.execute(f"select country, amount from ({CUSTOMERS}) where isfinite(amount)").fetchall()
    return {
        country: statistics.stdev(amount for one, amount in rows if one == country) for country in ("DE", "FR", None)
    }


def test_neyman_allocation_follows_the_spread_of_each_stratum(place: PlannedProject) -> None:
    source(place)
    unit = planned(place, 'units = 900\nmin_per_stratum = 0\nallocation = "neyman:amount"').units["customers"]
    found = {unit.describe_stratum(one)["country"]: one.probability for one in unit.strata}
    expected = spreads()
    assert expected["FR"] == 0  # all its values are equal, so it counts with the smallest spread of the others
    expected["FR"] = min(one for one in expected.values() if one > 0)
    for country, spread in expected.items():
        assert found[country] / found["DE"] == pytest.approx(spread / expected["DE"], rel=1e-6)
    assert unit.expected_units == pytest.approx(900, abs=0.01)


def test_the_value_of_a_unit_of_several_rows_is_their_sum(place: PlannedProject) -> None:
    place.copy(
        "customers.parquet",
        "select range // 2 as id, range // 2 % 2 as half, (range % 4)::decimal(9,2) as v from range(800)",
    )
    plan = place.plan(
        '[sample]\nunit = "customers"\nstrata = ["half"]\nunits = 60\nmin_per_stratum = 0\nallocation = "neyman:v"\n'
        '[tables.customers]\nkey = ["id"]\nduplicates = "unit"\n'
    )
    # Each unit of the one half sums to 1, of the other to 5: no spread anywhere.
    assert [one.probability for one in plan.units["customers"].strata] == pytest.approx([0.15, 0.15], rel=1e-6)


def test_a_column_that_is_no_number_has_no_spread(place: PlannedProject) -> None:
    source(place)
    with pytest.raises(DataRuleError, match="code is VARCHAR"):
        planned(place, 'rate = 0.1\nallocation = "neyman:code"')
    with pytest.raises(DataRuleError, match="customers has no column nme, which allocation"):
        planned(place, 'rate = 0.1\nallocation = "neyman:nme"')


def test_power_allocation_goes_with_the_root_of_the_population(place: PlannedProject) -> None:
    place.copy("customers.parquet", "select range as id, range < 900 as large from range(1000)")
    plan = place.plan(
        '[sample]\nunit = "customers"\nstrata = ["large"]\nunits = 80\nmin_per_stratum = 0\nallocation = "power"\n'
        '[tables.customers]\nkey = ["id"]\n'
    )
    expected = [one.expected_units for one in plan.units["customers"].strata]
    assert expected[1] / expected[0] == pytest.approx(math.sqrt(900 / 100), rel=1e-6)
    assert sum(expected) == pytest.approx(80, abs=0.001)


BASEBALL = """
[sample]
salt = "spring"
unit = "People"
strata = [{column = "debut", bins = [1950-01-01, 2000-01-01]}, {column = "weight", quantiles = 3}]
rate = 0.1
min_per_stratum = 5
[sample.also.Teams]
strata = ["TeamsFranchises.active"]
units = 300
[tables.People]
key = ["playerID"]
where = "birthYear >= 1900"
[tables.Teams]
key = ["yearID", "lgID", "teamID"]
references = { franchID = "TeamsFranchises.franchID" }
[tables.TeamsFranchises]
key = ["franchID"]
[tables.BattingPost]
belongs_to = "People"
references = { playerID = "People.playerID" }
[[tables.BattingPost.reference]]
columns = ["yearID", "lgID", "teamID"]
table = "Teams"
key = ["yearID", "lgID", "teamID"]
[tables.AwardsPlayers]
references = { playerID = "People.playerID" }
"""


def test_real_tables_with_two_units_bins_quantiles_and_a_frame(place: PlannedProject, baseball: Path) -> None:
    place.source.rmdir()
    place.source.symlink_to(baseball)
    plan = place.plan(BASEBALL)
    people, teams = plan.units["People"], plan.units["Teams"]
    with duckdb.connect() as connection:
        connection.execute("create table p as from read_csv(?, all_varchar = true)", [str(baseball / "People.csv")])
        outside = connection.execute("select count(*) from p where coalesce(birthYear::int, 0) < 1900").fetchall()
        weights = [int(e) for e in people.columns[1].edges or ()]
        inside = connection.execute(
            "select (debut >= '1950-01-01')::int + (debut >= '2000-01-01')::int as d, "
            "(weight::int >= $1)::int + (weight::int >= $2)::int as w, count(*) from p where birthYear::int >= 1900 "
            "group by all order by d nulls last, w nulls last",
            weights,
        ).fetchall()
        connection.execute("create table t as from read_csv(?, all_varchar = true)", [str(baseball / "Teams.csv")])
        active = connection.execute(
            "select active, count(*) from t left join read_csv($1, all_varchar = true) f using (franchID) "
            "group by 1 order by 1",
            [str(baseball / "TeamsFranchises.csv")],
        ).fetchall()
    assert people.outside == outside[0][0]
    assert [one.population for one in people.strata] == [row[2] for row in inside]
    assert [(teams.describe_stratum(one)["TeamsFranchises.active"], one.population) for one in teams.strata] == active
    assert teams.expected_units == pytest.approx(300, abs=0.01)
    families = {one.table: one.unit for one in plan.steps}
    assert families["BattingPost"] == families["AwardsPlayers"] == "People"
    assert families["TeamsFranchises"] is None


def test_the_plan_shows_on_one_screen_what_a_sample_takes(place: PlannedProject, baseball: Path) -> None:
    place.source.rmdir()
    place.source.symlink_to(baseball)
    plan = place.plan(BASEBALL)
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(samples.render_plan(plan))
    text = console.export_text()
    assert len(text.splitlines()) <= 40
    for part in (
        "outside the frame",
        "[1950-01-01, 2000-01-01)",
        "child of People",
        "Teams: about 300 of",
        "± ",
    ):
        assert part in text
    fields = plan.to_dict()
    assert fields["units"]["People"]["outside_frame"] == plan.units["People"].outside
    assert fields["tables"]["BattingPost"]["unit"] == "People"
    assert fields["units"]["People"]["strata"][0]["values"]["debut"] == {"from": None, "to": "1950-01-01"}
