"""The frame: what narrows it, units of several rows, and strata that come from other tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.errors import ConfigError, DataRuleError

if TYPE_CHECKING:
    from sandbox.sampler.plan.plan import SamplePlan
    from tests.integration.plan.conftest import PlannedProject

SECTIONS = """
[sample]
salt = "s"
unit = "customers"
strata = [STRATA]
rate = 0.4
min_per_stratum = 0
[tables.customers]
key = ["id"]
"""
CUSTOMERS = "select range as id, range % 5 as region, 'n' || range % 3 as name, range % 2 = 0 as flag from range(400)"


def sections(strata: str, more: str = "") -> str:
    return SECTIONS.replace("STRATA", strata) + more


def found(plan: SamplePlan) -> dict[Any, int]:
    unit = plan.units["customers"]
    return {
        tuple(str(v) if isinstance(v, dict) else v for v in unit.describe_stratum(one).values()): one.population
        for one in unit.strata
    }


def check_consistent(place: PlannedProject, plan: SamplePlan) -> None:
    rows = place.inside(plan, "customers", "id")
    populations = [one.population for one in plan.units["customers"].strata]
    assert Counter(row[1] for row in rows) == dict(enumerate(populations))
    assert set(place.selected(plan, "customers", "id")) < set(rows)


def test_rows_for_which_where_is_false_or_null_are_outside(place: PlannedProject) -> None:
    place.copy("customers.parquet", f"select *, case when id < 100 then id end as score from ({CUSTOMERS})")
    plan = place.plan(sections('"flag"', 'where = "score >= 50 -- the better ones"\n'))
    unit = plan.units["customers"]
    assert (unit.population, unit.outside, unit.null_keys) == (50, 350, 0)
    assert {row[0] for row in place.inside(plan, "customers", "id")} == set(range(50, 100))
    check_consistent(place, plan)


def test_null_keys_are_counted_within_the_frame(place: PlannedProject) -> None:
    place.copy(
        "customers.parquet",
        "select case when range % 10 = 0 then null else range end as id, range % 2 as half from range(100)",
    )
    unit = place.plan(sections("", 'where = "half = 0"\n')).units["customers"]
    assert (unit.population, unit.null_keys, unit.outside) == (40, 10, 50)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("id >", "cannot be read"),
        ("id > 1; drop table customers", "not one condition"),
        ("select true", "a statement, not a condition"),
        ("nope > 1", "no column nope"),
        ("id", "gives BIGINT"),
        ("random() < 0.5", r"random\(\), which does not depend on the row alone"),
        ("now() > timestamp '2024-01-01'", r"now\(\), which does not depend"),
        ("current_date > date '2024-01-01'", "CURRENT_DATE, which does not depend"),
        ("id in (select 1)", "has a subquery"),
        ("sum(id) > 1", r"the aggregate sum\(\)"),
        ("row_number() over () = 1", "has a window"),
        ("id = ?", "has a parameter"),
        ("getvariable('x') = 1", r"getvariable\(\), which does not depend"),
        ("id < 0", "where holds for none of its 400 rows"),
    ],
)
def test_conditions_that_are_none_are_refused(place: PlannedProject, where: str, message: str) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    with pytest.raises(DataRuleError, match=message):
        place.plan(sections("", f'where = "{where}"\n'))


@pytest.mark.parametrize(
    "where",
    [
        '\\"we \\"\\"ird\\" = \'it\'\'s\' or \\"select\\"',
        "coalesce(len(name), 0) between 1 and 3 and name similar to 'n.' and not flag",
        "case when flag then name like 'n%' else region in (1, 2) end",
        "date_trunc('month', day) = date '2024-01-01' and day + interval 1 day > date '2024-01-02'",
    ],
)
def test_a_condition_means_what_the_engine_takes_it_for(place: PlannedProject, where: str) -> None:
    rows = (
        f"select *, 'it''s' as \"we \"\"ird\", false as \"select\", date '2024-01-01' + (id % 60)::int as day "
        f"from ({CUSTOMERS})"
    )
    place.copy("customers.parquet", rows)
    plain = where.replace('\\"', '"')
    place.copy("expected.parquet", f"select * from ({rows}) where {plain}")
    more = f'where = "{where}"\n'
    inside = {row[0] for row in place.inside(place.plan(sections("", more)), "customers", "id")}
    everything = place.plan(sections("").replace("customers", "expected"))
    assert inside == {row[0] for row in place.inside(everything, "expected", "id")}


REGIONS = (
    'references = { region = "regions.id" }\n[tables.regions]\nreferences = { zone = "zones.id" }\n[tables.zones]\n'
)


def with_regions(place: PlannedProject) -> None:
    place.copy("customers.parquet", f"select *, 'r' || region as code from ({CUSTOMERS})")
    place.copy(
        "regions.parquet",
        "select range as id, 'r' || range as code, range % 2 as half, range % 4 as zone from range(4)",
    )
    place.copy("zones.csv", "select range as id, 'z' || range as title from range(2)")


def test_strata_follow_references_and_what_names_nothing_is_null(place: PlannedProject) -> None:
    with_regions(place)
    plan = place.plan(sections('"regions.half", "zones.title"', REGIONS))
    assert found(plan) == {(0, "z0"): 80, (0, None): 80, (1, "z1"): 80, (1, None): 80, (None, None): 80}
    check_consistent(place, plan)


def test_a_reference_may_lead_from_text_to_number_and_to_another_column_than_the_key(place: PlannedProject) -> None:
    with_regions(place)
    place.copy("customers.parquet", f"select *, region::varchar as text from ({CUSTOMERS})")
    text = 'references = { text = "regions.id" }\n[tables.regions]\n'
    plan = place.plan(sections('{column = "regions.half", bins = [1]}', text))
    assert set(found(plan).values()) == {160, 80}
    check_consistent(place, plan)


def test_a_reference_may_be_composite(place: PlannedProject) -> None:
    with_regions(place)
    place.copy(
        "customers.parquet",
        f"select *, case when id % 8 = 0 then null else 'r' || region end as code from ({CUSTOMERS})",
    )
    more = '[[tables.customers.reference]]\ncolumns = ["region", "code"]\ntable = "regions"\nkey = ["id", "code"]\n[tables.regions]\n'
    plan = place.plan(sections('"regions.half"', more))
    assert found(plan) == {(0,): 140, (1,): 140, (None,): 120}
    check_consistent(place, plan)


def test_a_polymorphic_reference_holds_for_its_own_rows_only(place: PlannedProject) -> None:
    with_regions(place)
    more = (
        '[[tables.customers.reference]]\ncolumns = ["region"]\ntable = "regions"\nkey = ["id"]\n'
        'when = { name = "n1", flag = true }\n[tables.regions]\n'
    )
    plan = place.plan(sections('"regions.half"', more))
    counted = found(plan)
    assert counted[(None,)] == 400 - counted[(0,)] - counted[(1,)]
    assert counted[(0,)] + counted[(1,)] == sum(n % 6 == 4 and n % 5 < 4 for n in range(400))
    check_consistent(place, plan)


def test_a_value_of_when_that_never_equals_its_column_is_refused(place: PlannedProject) -> None:
    with_regions(place)
    more = (
        '[[tables.customers.reference]]\ncolumns = ["region"]\ntable = "regions"\nkey = ["id"]\n'
        "when = { name = 1 }\n[tables.regions]\n"
    )
    with pytest.raises(DataRuleError, match=r"customers\.name is VARCHAR and never equals 1"):
        place.plan(sections("", more))


def test_a_referenced_key_may_repeat_as_long_as_it_says_one_stratum(place: PlannedProject) -> None:
    with_regions(place)
    place.copy("regions.parquet", "select unnest([0, 0, 1]) as id, unnest(['a', 'a', 'b']) as name, 0 as zone")
    plan = place.plan(sections('"regions.name"', REGIONS))
    assert found(plan) == {("a",): 80, ("b",): 80, (None,): 240}
    check_consistent(place, plan)
    place.copy("regions.parquet", "select unnest([0, 0, 1]) as id, unnest(['a', 'c', 'b']) as name, 0 as zone")
    with pytest.raises(DataRuleError, match="rows of regions with id = 0 have a and c"):
        place.plan(sections('"regions.name"', REGIONS))


def test_a_table_that_is_not_referred_to_or_in_two_ways_makes_no_strata(place: PlannedProject) -> None:
    with_regions(place)
    with pytest.raises(DataRuleError, match="no reference leads from customers to zones"):
        place.plan(sections('"zones.title"', "[tables.zones]\n"))
    twice = 'references = { region = "regions.id", code = "regions.code" }\n[tables.regions]\n'
    with pytest.raises(DataRuleError, match="customers refers to it by region and code"):
        place.plan(sections('"regions.half"', twice))
    with pytest.raises(DataRuleError, match="regions has no column nope"):
        place.plan(sections('"regions.nope"', REGIONS))


VISITS = "select range // 3 as id, range % 3 as visit, 'c' || (range // 3) % 4 as city, (range // 3) % 7 as kind from range(900)"


def test_rows_that_share_a_key_are_one_unit(place: PlannedProject) -> None:
    place.copy("customers.parquet", VISITS)
    with pytest.raises(DataRuleError, match="300 keys"):
        place.plan(sections('"city"'))
    plan = place.plan(sections('"city", {column = "kind", quantiles = 2}', 'duplicates = "unit"\n'))
    unit = plan.units["customers"]
    assert unit.population == 300
    assert sum(found(plan).values()) == 300
    drawn = Counter(row[0] for row in place.selected(plan, "customers", "id"))
    assert set(drawn.values()) == {3}
    inside = place.inside(plan, "customers", "id")
    strata = {row[0]: row[1] for row in inside}
    assert Counter(strata.values()) == dict(enumerate(one.population for one in unit.strata))


def test_rows_that_share_a_key_must_share_a_stratum(place: PlannedProject) -> None:
    place.copy("customers.parquet", VISITS)
    with pytest.raises(DataRuleError, match=r"those with id = 0 lie in 0 \| 1") as raised:
        place.plan(sections('"visit"', 'duplicates = "unit"\n'))
    assert "take out of strata" in raised.value.hint
    # Merged, the values are one stratum.
    plan = place.plan(sections('{column = "visit", rare_below = 1000}', 'duplicates = "unit"\n'))
    assert found(plan) == {({"rare_below": 1000}["rare_below"],): 300} or len(plan.units["customers"].strata) == 1
    assert plan.units["customers"].population == 300


def test_rare_values_of_shared_keys_are_counted_by_unit(place: PlannedProject) -> None:
    place.copy("customers.parquet", f"{VISITS} where id <> 4 or visit = 0")
    plan = place.plan(sections('{column = "kind", rare_below = 43}', 'duplicates = "unit"\n'))
    unit = plan.units["customers"]
    assert [unit.describe_stratum(one)["kind"] for one in unit.strata] == [
        0,
        1,
        2,
        3,
        4,
        5,
        {"rare_below": 43},
    ]


def test_several_units_have_a_draw_each(place: PlannedProject) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    place.copy("products.parquet", "select range as id, range % 3 as class from range(300)")
    place.copy(
        "orders.parquet",
        "select range as id, range % 400 as customer, range % 300 as product from range(2000)",
    )
    also = '[sample.also.products]\nstrata = ["class"]\nunits = 90\nmin_per_stratum = 5\n'
    tables = '[tables.products]\nkey = ["id"]\n[tables.orders]\nreferences = { customer = "customers.id", product = "products.id" }\n'
    with pytest.raises(ConfigError, match="lead to customers and products; say which one"):
        place.plan(sections("", tables + also))
    plan = place.plan(sections("", tables + 'belongs_to = "products"\n' + also))
    assert list(plan.units) == ["customers", "products"]
    assert plan.units["products"].expected_units == pytest.approx(90, abs=0.01)
    assert [(one.table, one.unit, one.role) for one in plan.steps] == [
        ("customers", "customers", "unit"), ("products", "products", "unit"), ("orders", "products", "child")
    ]  # fmt: skip
    assert plan.expected_sizes["orders"].rows == pytest.approx(2000 * 90 / 300, abs=1)
    assert len(place.selected(plan, "products", "id")) == pytest.approx(90, abs=40)
    assert plan.units["customers"].coefficients != plan.units["products"].coefficients


def test_a_further_unit_has_the_salt_of_the_first_unless_it_has_its_own(place: PlannedProject) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    place.copy("products.parquet", "select range as id from range(300)")
    tables = '[tables.products]\nkey = ["id"]\n'

    def drawn(extra: str) -> list[Any]:
        return place.selected(
            place.plan(sections("", f"{tables}[sample.also.products]\nrate = 0.3\n{extra}")), "products", "id"
        )

    assert drawn("") == drawn('salt = "s"\n')
    assert drawn("") != drawn('salt = "t"\n')
    assert drawn('salt = ""\n') not in (drawn(""), drawn('salt = "t"\n'))
