"""Sizes of units: recorded exactly in any layout, without personal columns; strata by size."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from sandbox.errors import DataRuleError
from sandbox.manifest.sample import SampleManifest
from sandbox.model import SilentProgress
from sandbox.report.terminal.samples import render_plan
from sandbox.sampler.plan.warehouse_sql import compile_plan
from sandbox.samples.catalog import MANIFEST_FILE
from sandbox.samples.verify import verify_sample

if TYPE_CHECKING:
    from tests.projects import SourceProject

CUSTOMERS = "select 'c' || range as id, ['DE', 'FR'][1 + range % 2] as country, range % 50 as points from range(600)"
ORDERS = "select range as order_id, 'c' || range * 7919 % 630 as customer, range % 5 as rank from range(2400)"
ITEMS = (
    "select range as item_id, range * 31 % 2500 as order_id, exp(sin(range) * 4)::double as price, "
    "(range % 97)::decimal(9, 2) / 4 as weight, range % 3 as secret from range(6000)"
)
TABLES = """
[tables.customers]
key = ["id"]
[tables.orders]
key = ["order_id"]
references = { customer = "customers.id" }
[tables.items]
key = ["item_id"]
references = { order_id = "orders.order_id" }
mask = { secret = "null" }
"""
SETTINGS = f"""
[sample]
salt = "s"
unit = "customers"
strata = ["country"]
rate = 0.2
min_per_stratum = 5
{TABLES}
"""


def write_tables(place: SourceProject, order: str = "1") -> None:
    for name, select in (("customers", CUSTOMERS), ("orders", ORDERS), ("items", ITEMS)):
        place.copy(f"{name}.parquet", f"select * from ({select}) order by {order}")


def sum_by_customer(value: str) -> dict[str, Fraction]:
    """Sum an expression over each customer's items, exactly."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select c.id, {value} from ({CUSTOMERS}) c join ({ORDERS}) o on o.customer = c.id "
            f"join ({ITEMS}) i on i.order_id = o.order_id"
        ).fetchall()
    totals: dict[str, Fraction] = {}
    for key, part in rows:
        totals[key] = totals.get(key, Fraction(0)) + Fraction(str(part))
    return totals


def test_moments_are_those_of_all_units_in_any_order_of_rows(place: SourceProject) -> None:
    write_tables(place)
    _, manifest = place.draw(SETTINGS)
    records = {size.name.removeprefix("size of "): size for size in manifest.sizes["customers"]}
    assert set(records) == {"customers.points", "orders", "orders.rank", "items", "items.price", "items.weight"}
    strata = [stratum.values["country"] for stratum in manifest.units["customers"].strata]
    with duckdb.connect() as connection:
        country = dict(connection.execute(f"select id, country from ({CUSTOMERS})").fetchall())
    for name, value in {"items.price": "round(price, 6)::decimal(38, 6)", "items.weight": "weight"}.items():
        totals = sum_by_customer(value)
        for index, stratum in enumerate(strata):
            xs = [total for key, total in totals.items() if country[key] == stratum]
            for power, found in zip((1, 1, 2, 3, 4), records[name].moments[index], strict=True):
                assert found == pytest.approx(float(sum(x**power for x in xs)), rel=1e-12)
    other = type(place)(root=place.root / "other")
    write_tables(other, "hash(#1)")
    assert other.draw(SETTINGS)[1].sizes == manifest.sizes


def test_weights_have_the_sizes_of_drawn_units_and_the_manifest_the_largest_others(place: SourceProject) -> None:
    write_tables(place)
    sample, manifest = place.draw(SETTINGS)
    weights = pq.ParquetFile(sample.path / manifest.weights["customers"].path).read()
    drawn = dict(zip(weights["id"].to_pylist(), weights["size of items.weight"].to_pylist(), strict=True))
    totals = sum_by_customer("weight")
    assert drawn == {key: float(totals.get(key, 0)) for key in drawn}
    unseen = sorted((float(total) for key, total in totals.items() if key not in drawn), reverse=True)[:10]
    size = next(size for size in manifest.sizes["customers"] if size.column == "weight")
    assert size.unseen == [float(f"{x:.3g}") for x in unseen]
    assert not verify_sample(sample.path, SilentProgress())


def test_a_manifest_of_the_first_version_is_still_read(place: SourceProject) -> None:
    write_tables(place)
    sample, manifest = place.draw(SETTINGS)
    fields: dict[str, Any] = json.loads((sample.path / MANIFEST_FILE).read_text("utf-8"))
    del fields["sizes"]
    first = SampleManifest.parse(json.dumps(fields | {"format_version": 1}), origin="here")
    assert (first.fingerprint, first.sizes) == (manifest.fingerprint, {})


BY_SIZE = SETTINGS.replace('["country"]', '["country", { sum = "items.price", groups = 3, always = 4 }]').replace(
    "rate = 0.2", "rate = 0.4"
)


def test_strata_by_size_draw_the_largest_units_and_the_rest_by_their_spread(place: SourceProject) -> None:
    write_tables(place)
    sample, manifest = place.draw(BY_SIZE)
    totals = sum_by_customer("round(price, 6)::decimal(38, 6)")
    strata = manifest.units["customers"].strata
    assert sum(stratum.population for stratum in strata) == 600
    assert sum(stratum.population * stratum.probability for stratum in strata) == pytest.approx(240, rel=1e-6)
    largest = [
        stratum for stratum in strata if stratum.values["sum of items.price"] == {"from": edge_of(totals), "to": None}
    ]
    assert [(stratum.population, stratum.probability, stratum.values["country"]) for stratum in largest] == [
        (4, 1.0, {"any_of": 2})
    ]
    drawn = set(pq.ParquetFile(sample.path / manifest.weights["customers"].path).read()["id"].to_pylist())
    assert {key for key, total in totals.items() if total >= Fraction(edge_of(totals))} <= drawn
    # The spread of a lognormal grows with its size, and so do the rates; at least half of the overall one, floors aside.
    rates = [stratum.probability for stratum in strata]
    assert min(rates) >= 0.2 * (1 - 1e-6)
    assert len({(str(s.values["sum of items.price"]), s.threshold) for s in strata}) == len(strata)
    assert not verify_sample(sample.path, SilentProgress())


def edge_of(totals: dict[str, Fraction]) -> str:
    """Give the fourth largest total as the manifest writes it."""
    return f"{float(sorted(totals.values())[-4]):.6f}"


@pytest.mark.parametrize("settings", [SETTINGS, BY_SIZE])
def test_a_plan_says_how_well_named_totals_will_be_known(place: SourceProject, settings: str) -> None:
    """The figures of a plan are those of all units: 1.96 √(Σ N (1/π − 1) S²) over the strata, and K."""
    write_tables(place)
    named = settings.replace("min_per", 'totals = ["items.price", "points", "items.weight"]\nmin_per')
    plan = place.plan(named)
    unit = plan.units["customers"]
    assert set(unit.total_precisions) == {"sum of items.price", "sum of points", "sum of items.weight"}
    drawn, manifest = place.draw(named)
    record = next(size for size in manifest.sizes["customers"] if size.column == "weight")
    variance = squares = fourths = 0.0
    for stratum, (first, _, second, _, fourth) in zip(unit.strata, record.moments, strict=True):
        gap = (1 - stratum.probability) / stratum.probability
        spread = (second - first**2 / stratum.population) / (stratum.population - 1)
        variance += stratum.population * gap * spread
        squares, fourths = squares + gap * second, fourths + gap**3 * fourth
    total = float(sum(sum_by_customer("weight").values()))
    found = unit.total_precisions["sum of items.weight"]
    assert found.half_width_95 == pytest.approx(1.96 * variance**0.5 / total, rel=1e-9)
    assert found.effective_units == pytest.approx(squares**2 / fourths, rel=1e-9)
    assert unit.to_dict()["total_half_width_95"]["sum of items.weight"] == found.half_width_95
    assert unit.to_dict()["totals_without_interval"] == []
    assert not verify_sample(drawn.path, SilentProgress())


def test_a_total_that_few_units_carry_is_named_with_what_to_write(place: SourceProject) -> None:
    write_tables(place)
    place.copy(
        "customers.parquet", f"select *, case when id = 'c7' then 1e9 else 1 end::double as worth from ({CUSTOMERS})"
    )
    plan = place.plan(SETTINGS.replace("min_per", 'totals = ["worth"]\nmin_per'))
    assert plan.to_dict()["units"]["customers"]["totals_without_interval"] == ["sum of worth"]
    console = Console(width=400, file=io.StringIO(), record=True)
    console.print(render_plan(plan))
    shown = console.export_text()
    assert (
        "few large customers carry it, so that its changes get one limit at most; "
        'to draw by size, add to strata: { sum = "worth" }'
    ) in shown


def test_strata_by_size_are_the_same_in_every_layout(place: SourceProject) -> None:
    write_tables(place)
    _, manifest = place.draw(BY_SIZE)
    other = type(place)(root=place.root / "other")
    for name, select in (("customers", CUSTOMERS), ("orders", ORDERS), ("items", ITEMS)):
        for part in range(2):
            other.copy(
                f"{name}/{part}.parquet", f"select * from ({select}) where hash(#1) % 2 = {part} order by hash(#1)"
            )
    assert other.draw(BY_SIZE)[1].units == manifest.units
    assert other.draw(BY_SIZE)[1].fingerprint == manifest.fingerprint


def test_a_larger_rate_keeps_every_unit_of_strata_by_size(place: SourceProject) -> None:
    write_tables(place)
    drawn = []
    for rate in (0.4, 0.6):
        sample, manifest = place.draw(BY_SIZE.replace("rate = 0.4", f"rate = {rate}"))
        drawn.append(set(pq.ParquetFile(sample.path / manifest.weights["customers"].path).read()["id"].to_pylist()))
    assert drawn[0] < drawn[1]


def test_counts_make_strata_too_and_no_other_database_compiles_them(place: SourceProject) -> None:
    write_tables(place)
    settings = BY_SIZE.replace('sum = "items.price"', 'count = "orders"')
    plan = place.plan(settings)
    labels = [plan.units["customers"].describe_stratum(stratum) for stratum in plan.units["customers"].strata]
    assert {"from": "3", "to": "4"} in [label["number of orders"] for label in labels]
    with pytest.raises(DataRuleError, match="strata by the number of orders are not compiled"):
        compile_plan(plan, "snowflake")


@pytest.mark.parametrize(
    ("stratum", "said"),
    [
        ('{ sum = "products.price" }', "has no column products.price"),
        ('{ sum = "orders.customer" }', "cannot be summed: orders.customer is VARCHAR"),
        ('{ count = "customers" }', "counts no rows of a unit"),
    ],
)
def test_what_makes_no_size_is_refused(place: SourceProject, stratum: str, said: str) -> None:
    write_tables(place)
    with pytest.raises(DataRuleError, match=said):
        place.plan(SETTINGS.replace('"country"', stratum))


def test_sizes_are_those_of_a_key_that_was_not_checked(place: SourceProject) -> None:
    write_tables(place)
    lost = "select * from ({}) union all select 9999, null, 3 union all select 10000, 'c77777', 4"
    place.copy("orders.parquet", lost.format(ORDERS))
    _, checked = place.draw(SETTINGS)
    _, unchecked = place.draw(SETTINGS.replace('key = ["id"]', 'key = ["id"]\nduplicates = "unit"'))
    assert checked.sizes["customers"]
    assert checked.sizes == unchecked.sizes
