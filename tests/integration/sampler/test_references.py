"""Closure: whatever a drawn row refers to is there, as far as the source has it, and nothing else is called sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from tests.integration.sampler.conftest import Read
    from tests.projects import SourceProject

UNIT = """
[sample]
salt = "s"
unit = "customers"
rate = 0.2
min_per_stratum = 0
[tables.customers]
key = ["id"]
"""


def selected_units(sample: Sample, manifest: SampleManifest) -> set[int]:
    weights = pq.read_table(sample.path / manifest.weights["customers"].path)
    return set(weights["id"].to_pylist())


def test_children_of_children_come_with_their_unit(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id from range(1000)")
    place.copy("orders.csv", "select range as id, range % 1000 as customer from range(5000)")
    place.copy("items.parquet", "select range as id, range % 5500 as order_id from range(20000)")
    place.copy("notes.jsonl", "select range % 20000 as item, 'n' || range as text from range(30000)")
    sample, manifest = place.draw(
        UNIT
        + '[tables.notes]\nreferences = { item = "items.id" }\n'
        + '[tables.items]\nreferences = { order_id = "orders.id" }\n'
        + '[tables.orders]\nreferences = { customer = "customers.id" }\n'
    )
    customers = {row[0] for row in read(sample, "customers")}
    orders = {order for order in range(5000) if order % 1000 in customers}
    items = {item for item in range(20000) if item % 5500 in orders}
    assert {row[0] for row in read(sample, "orders")} == orders
    assert {row[0] for row in read(sample, "items")} == items
    assert {row[1] for row in read(sample, "notes")} == {f"n{n}" for n in range(30000) if n % 20000 in items}
    lost = [item for item in range(20000) if item % 5500 >= 5000]
    assert manifest.tables["items"].outside_frame == len(lost)
    assert manifest.tables["notes"].outside_frame == sum(n % 20000 in set(lost) for n in range(30000))


def test_a_null_or_dangling_or_keyless_parent_is_outside_the_frame(place: SourceProject, read: Read) -> None:
    place.write("customers.csv", "id,code\n1,a\n2,b\n,c\n")
    place.write("orders.csv", "code,n\na,1\nb,2\nc,3\nz,4\n,5\n")
    sample, manifest = place.draw(
        UNIT.replace("0.2", "1.0") + '[tables.orders]\nreferences = { code = "customers.code" }\n'
    )
    assert sorted(read(sample, "orders", "n")) == [(1,), (2,)]
    orders = manifest.tables["orders"]
    assert orders.outside_frame == 3
    assert (orders.references[0].dangling, orders.references[0].nulls) == (1, 1)
    assert orders.references[0].examples == [["z"]]


def test_referenced_lookups_are_followed_through_lookups_of_lookups(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id, range % 50 as city from range(500)")
    place.copy("cities.csv", "select range as id, range // 5 as region, 'c' as kind from range(100)")
    place.copy("regions.jsonl", "select range as id, range % 3 as country from range(40)")
    place.copy("countries.csv", "select range as id from range(9)")
    sample, manifest = place.draw(
        UNIT
        + 'references = { city = "cities.id" }\n'
        + '[tables.cities]\nkey = ["id"]\nkeep = "referenced"\nreferences = { region = "regions.id" }\n'
        + '[tables.regions]\nkey = ["id"]\nkeep = "referenced"\nreferences = { country = "countries.id" }\n'
        + '[tables.countries]\nkeep = "referenced"\n'
    )
    cities = {row[1] for row in read(sample, "customers")}
    assert {row[0] for row in read(sample, "cities")} == cities
    assert {row[0] for row in read(sample, "regions")} == {city // 5 for city in cities}
    assert {row[0] for row in read(sample, "countries")} == {city // 5 % 3 for city in cities}
    assert not manifest.tables["cities"].estimable
    assert all(one.holds_in_sample for table in manifest.tables.values() for one in table.references)


def test_composite_references_to_other_columns_than_the_key(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id, range % 7 as y, 'n' || range % 11 as n from range(300)")
    place.copy("terms.csv", "select range as id, range % 7 as year, 'n' || range // 7 as number from range(77)")
    sample, manifest = place.draw(
        UNIT
        + '[[tables.customers.reference]]\ncolumns = ["y", "n"]\ntable = "terms"\nkey = ["year", "number"]\n'
        + '[tables.terms]\nkey = ["id"]\nkeep = "referenced"\n'
    )
    wanted = {row[1:] for row in read(sample, "customers")}
    assert {row[1:] for row in read(sample, "terms")} == wanted
    assert manifest.tables["customers"].references[0].dangling == 0


def test_units_that_only_references_need_are_there_but_are_no_sample(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id, nullif(range // 2, 0) as referrer from range(1000)")
    place.copy("orders.parquet", "select range as id, range % 1000 as customer from range(3000)")
    sample, manifest = place.draw(
        UNIT
        + 'references = { referrer = "customers.id" }\n'
        + '[tables.orders]\nreferences = { customer = "customers.id" }\n'
    )
    selected = selected_units(sample, manifest)
    expected = set(selected)
    for unit in selected:
        up = unit
        while up := up // 2:
            expected.add(up)
    found = [row[0] for row in read(sample, "customers")]
    assert sorted(found) == sorted(expected)
    assert len(found) > len(selected)
    assert manifest.units["customers"].strata[0].sampled == len(selected)
    assert {row[1] for row in read(sample, "orders")} == selected
    assert all(one.holds_in_sample for one in manifest.tables["customers"].references)


def test_a_second_way_to_a_unit_brings_the_rows_it_names_and_what_they_need(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id from range(400)")
    place.copy("orders.parquet", "select range as id, range % 400 as customer from range(1200)")
    place.copy(
        "reviews.csv",
        "select range as id, range % 400 as author, (range * 7 + 3) % 1200 as about from range(800)",
    )
    sample, manifest = place.draw(
        UNIT
        + '[tables.orders]\nreferences = { customer = "customers.id" }\n'
        + '[tables.reviews]\nbelongs_to = "customers"\n'
        + 'references = { author = "customers.id", about = "orders.id" }\n'
    )
    selected = selected_units(sample, manifest)
    reviews = read(sample, "reviews")
    assert {row[0] for row in reviews} == {n for n in range(800) if n % 400 in selected}
    orders = {n for n in range(1200) if n % 400 in selected} | {row[2] for row in reviews}
    assert sorted(row[0] for row in read(sample, "orders")) == sorted(orders)
    customers = selected | {order % 400 for order in orders}
    assert sorted(row[0] for row in read(sample, "customers")) == sorted(customers)


def test_cycles_between_lookups_come_to_an_end(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id, range % 10 as a from range(100)")
    place.copy("a.csv", "select range as id, (range + 20) % 60 as b from range(60)")
    place.copy("b.csv", "select range as id, (range + 20) % 60 as a from range(60)")
    sample, _ = place.draw(
        UNIT
        + 'references = { a = "a.id" }\n'
        + '[tables.a]\nkeep = "referenced"\nreferences = { b = "b.id" }\n'
        + '[tables.b]\nkeep = "referenced"\nreferences = { a = "a.id" }\n'
    )
    first = {row[1] for row in read(sample, "customers")}
    expected = {(one + shift) % 60 for one in first for shift in (0, 40, 80)}
    assert {row[0] for row in read(sample, "a")} == expected
    assert len(read(sample, "a")) == len(expected)


def test_a_text_and_a_number_agree_if_they_read_the_same(place: SourceProject, read: Read) -> None:
    place.write("customers.csv", "id,code\n1,12\n2,13\n")
    place.write("codes.csv", "code,name\n12,x\n13,y\n007,z\n")
    sample, manifest = place.draw(
        UNIT.replace("0.2", "1.0") + 'references = { code = "codes.code" }\n[tables.codes]\nkeep = "referenced"\n'
    )
    assert sorted(read(sample, "codes", "name")) == [("x",), ("y",)]
    assert manifest.tables["customers"].references[0].dangling == 0


def test_a_lookup_key_that_repeats_is_an_error_only_where_it_is_declared(place: SourceProject, read: Read) -> None:
    place.write("customers.csv", "id,code\n1,a\n")
    place.write("codes.csv", "code,name\na,x\na,y\n")
    sections = UNIT.replace("0.2", "1.0") + 'references = { code = "codes.code" }\n[tables.codes]\n'
    sample, _ = place.draw(sections)
    assert sorted(read(sample, "codes", "name")) == [("x",), ("y",)]
    with pytest.raises(DataRuleError, match="codes: 1 key repeats"):
        place.draw(sections + 'key = ["code"]\n')


@pytest.mark.slow
def test_beyond_five_million_rows_keys_and_references_are_checked_on_the_drawn_rows(
    place: SourceProject, read: Read
) -> None:
    place.copy("customers.parquet", "select range % 5000100 as id from range(5000200)")
    with pytest.raises(DataRuleError, match=r"keys repeat \(id\)"):
        place.draw(UNIT.replace("0.2", "1.0").replace('salt = "s"', 'salt = "s"\nmemory = "2GiB"'))
    place.copy("customers.parquet", "select range as id from range(1000)")
    place.copy("orders.parquet", "select range % 1100 as customer from range(5000200)")
    sample, manifest = place.draw(
        UNIT.replace("0.2", "0.01") + '[tables.orders]\nreferences = { customer = "customers.id" }\n'
    )
    orders = manifest.tables["orders"]
    assert (orders.references[0].checked, orders.references[0].dangling) == ("sample", 0)
    assert orders.outside_frame is None
    assert {row[0] for row in read(sample, "orders")} == {row[0] for row in read(sample, "customers")}


def test_a_polymorphic_reference_is_followed_only_for_the_rows_that_it_is_for(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id from range(200)")
    place.copy(
        "notes.parquet",
        "select range % 200 as customer, ['post', 'photo', 'gone'][1 + range % 3] as kind, range % 50 as subject from range(600)",
    )
    for name in ("posts", "photos"):
        place.copy(f"{name}.parquet", "select range as id from range(40)")
    reference = (
        '[[tables.notes.reference]]\ncolumns = ["subject"]\ntable = "{0}s"\nkey = ["id"]\nwhen = {{ kind = "{0}" }}\n'
    )
    sample, manifest = place.draw(
        UNIT
        + '[tables.notes]\nreferences = { customer = "customers.id" }\n'
        + reference.format("post")
        + reference.format("photo")
        + '[tables.posts]\nkeep = "referenced"\n[tables.photos]\nkeep = "referenced"\n'
    )
    notes = read(sample, "notes", "kind, subject")
    for index, kind in enumerate(("post", "photo"), start=1):
        named = {subject for one, subject in notes if one == kind and subject < 40}
        assert {row[0] for row in read(sample, f"{kind}s")} == named
        found = manifest.tables["notes"].references[index]
        lost = sum(n % 50 >= 40 and n % 3 == index - 1 for n in range(600))
        assert (found.dangling, found.nulls, found.holds_in_sample) == (lost, 0, True)


def test_two_units_draw_each_for_itself_and_share_what_they_point_at(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id, range % 30 as city from range(400)")
    place.copy(
        "orders.parquet",
        "select range as id, range % 400 as customer, range * 7 % 300 as product from range(3000)",
    )
    place.copy("products.parquet", "select range as id, range % 60 as city from range(300)")
    place.copy("reviews.parquet", "select range % 300 as product, range % 3000 as of_order from range(900)")
    place.copy("cities.parquet", "select range as id from range(100)")
    sample, manifest = place.draw(
        UNIT
        + 'references = { city = "cities.id" }\n'
        + '[sample.also.products]\nsalt = "t"\nrate = 0.3\nmin_per_stratum = 0\n'
        + '[tables.products]\nkey = ["id"]\nreferences = { city = "cities.id" }\n'
        + '[tables.orders]\nbelongs_to = "customers"\nreferences = { customer = "customers.id", product = "products.id" }\n'
        + '[tables.reviews]\nbelongs_to = "products"\nreferences = { product = "products.id", of_order = "orders.id" }\n'
        + '[tables.cities]\nkeep = "referenced"\n'
    )
    weighed = {
        name: set(pq.read_table(sample.path / manifest.weights[name].path)["id"].to_pylist())
        for name in ("customers", "products")
    }
    found = {name: {row[0] for row in read(sample, name, "id")} for name in ("customers", "products", "orders")}
    assert 0 < len(weighed["customers"]) < len(found["customers"])
    assert 0 < len(weighed["products"]) < len(found["products"])
    assert all(sum(one.sampled for one in manifest.units[name].strata) == len(units) for name, units in weighed.items())
    assert {order for order in range(3000) if order % 400 in weighed["customers"]} <= found["orders"]
    assert {row[0] for row in read(sample, "reviews", "product")} <= weighed["products"]
    orders = read(sample, "orders", "customer, product")
    assert {row[0] for row in orders} <= found["customers"]
    assert {row[1] for row in orders} <= found["products"]
    assert all(reference.holds_in_sample for table in manifest.tables.values() for reference in table.references)


def test_examples_of_dangling_keys_are_masked_as_the_column_is(place: SourceProject) -> None:
    place.copy("customers.parquet", "select 'c' || range as id from range(100)")
    place.copy("orders.parquet", "select 'c' || range as customer from range(90, 110)")
    _, manifest = place.draw(
        UNIT + '[tables.customers.mask]\nid = "key"\n[tables.orders]\nreferences = { customer = "customers.id" }\n'
    )
    reference = manifest.tables["orders"].references[0]
    assert (reference.dangling, len(reference.examples)) == (10, 5)
    assert not {f"c{n}" for n in range(100, 110)} & {row[0] for row in reference.examples}


def test_masked_references_lead_where_unmasked_ones_do(place: SourceProject, read: Read) -> None:
    place.copy(
        "customers.parquet",
        "select range as id, (range + 1) % 500 as advised_by, range as plain from range(500)",
    )
    place.copy("orders.parquet", "select range % 500 as customer, range % 500 as plain from range(2000)")
    tables = UNIT.replace("0.2", "0.02") + 'references = {{ advised_by = "customers.id" }}\n{}'
    tables += '[tables.orders]\nreferences = {{ customer = "customers.id" }}\n'
    masked, manifest = place.draw(tables.format('[tables.customers.mask]\nid = "key"\n'))
    plain, _ = place.draw(tables.format(""))
    for name, columns in (("customers", "plain"), ("orders", "plain")):
        assert sorted(read(masked, name, columns)) == sorted(read(plain, name, columns))
    names: dict[int, int] = dict(read(masked, "customers", "id, plain"))
    assert all(names[customer] == own for customer, own in read(masked, "orders", "customer, plain"))
    assert all(names[other] == (own + 1) % 500 for other, own in read(masked, "customers", "advised_by, plain"))
    weighed = pq.read_table(masked.path / manifest.weights["customers"].path)["id"].to_pylist()
    drawn = {row[0] for row in read(plain, "orders", "customer")}
    assert {names[key] for key in weighed} == drawn
    assert weighed == sorted(weighed)


def test_dates_shift_with_their_unit_also_where_only_closure_brought_the_row(place: SourceProject, read: Read) -> None:
    day = "date '2024-01-01'"
    place.copy("customers.parquet", f"select range as id, range as plain, {day} as since from range(300)")
    place.copy(
        "orders.parquet",
        f"select range as id, range as plain, range % 300 as customer, (range + 450) % 900 as next_one, {day} as placed from range(900)",
    )
    sections = (
        UNIT.replace("0.2", "0.05")
        + '[tables.customers.mask]\nsince = {{ kind = "{0}" {1} }}\n'
        + '[tables.orders]\nreferences = {{ customer = "customers.id", next_one = "orders.id" }}\nbelongs_to = "customers"\n'
        + '[tables.orders.mask]\nplaced = {{ kind = "{0}" {1} }}\n'
    )
    sample, manifest = place.draw(sections.format("date_shift", ", days = 200"))
    shifted: dict[int, object] = dict(read(sample, "customers", "id, since"))
    assert len(selected_units(sample, manifest)) < len(shifted)
    assert len(set(shifted.values())) > 10
    assert all(shifted[customer] == day for customer, day in read(sample, "orders", "customer, placed"))
