"""What a draw gives: the same rows whatever the layout, nested samples, order, names, weights, manifest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest

from sandbox.manifest.canonical_json import hash_json
from sandbox.model import SilentProgress
from sandbox.sampler.plan.planner import plan_sample
from sandbox.samples.specification import build_specification, compute_request_id
from sandbox.samples.verify import verify_sample

if TYPE_CHECKING:
    from tests.integration.sampler.conftest import Read
    from tests.projects import SourceProject


SHOP = """
[sample]
salt = "s"
unit = "customers"
strata = ["country"]
rate = RATE
min_per_stratum = 5
[tables.customers]
key = ["id"]
[tables.orders]
key = ["order_id"]
references = { customer_id = "customers.id" }
"""
CUSTOMERS = (
    "select range as id, ['DE', 'FR', 'US', null][1 + (range % 17 % 4)::int] as country, 'n ' || range as label, "
    "range % 9 / 4 as score, date '2024-01-01' + (range % 99)::int as since from range(3000)"
)
ORDERS = "select range as order_id, range * 7919 % 3100 as customer_id, 'x' || range % 7 as note from range(20000)"


def build_sections(rate: float = 0.1) -> str:
    return SHOP.replace("RATE", str(rate))


def whole(place: SourceProject, form: str = "parquet") -> None:
    place.copy(f"customers.{form}", CUSTOMERS)
    place.copy(f"orders.{form}", ORDERS)


def test_one_thread_and_two_files_split_and_shuffled_give_the_same_sample(place: SourceProject, read: Read) -> None:
    whole(place)
    sample, _ = place.draw(build_sections(), threads=1)
    expected = {name: sorted(read(sample, name)) for name in sample.tables}
    again, _ = place.draw(build_sections(), threads=2)
    assert again.fingerprint == sample.fingerprint

    for name, select in (("customers", CUSTOMERS), ("orders", ORDERS)):
        (place.source / f"{name}.parquet").unlink()
        for part in range(3):
            rows = f"select * from ({select}) where hash(#1) % 3 = {part} order by hash(#1 + 1)"
            place.copy(f"{name}/{part}.parquet", rows, "(row_group_size 2048)")
    split, _ = place.draw(build_sections(), threads=2)
    assert split.fingerprint == sample.fingerprint

    other = type(place)(root=place.root / "other")
    other.source.mkdir(parents=True)
    for name in ("customers", "orders"):
        (place.source / name).rename(other.source / name)
    elsewhere, _ = other.draw(build_sections())
    assert elsewhere.fingerprint == sample.fingerprint
    assert {name: sorted(read(elsewhere, name)) for name in elsewhere.tables} == expected


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "ndjson"])
def test_other_formats_with_the_same_types_give_the_same_sample(place: SourceProject, form: str) -> None:
    whole(place)
    sample, _ = place.draw(build_sections())
    for name, select in (("customers", CUSTOMERS), ("orders", ORDERS)):
        (place.source / f"{name}.parquet").unlink()
        options = "(format csv, header)" if "csv" in form else "(format json)"
        if form == "csv.gz":
            options = "(format csv, header, compression gzip)"
        place.copy(f"{name}.{form}", select, options)
    again, _ = place.draw(build_sections())
    assert again.fingerprint == sample.fingerprint


def test_a_higher_rate_keeps_every_row(place: SourceProject, read: Read) -> None:
    whole(place)
    smaller: dict[str, set[Any]] = {"customers": set(), "orders": set()}
    for rate in (0.01, 0.1, 0.11, 0.6, 1.0):
        sample, _ = place.draw(build_sections(rate))
        found = {name: set(read(sample, name)) for name in smaller}
        assert all(smaller[name] <= found[name] for name in smaller)
        smaller = found
    assert len(smaller["customers"]) == 3000


def test_a_target_of_units_is_met_on_average(place: SourceProject) -> None:
    whole(place)
    sections = build_sections().replace("rate = 0.1", "units = 500")
    plan = plan_sample(place.project(sections), progress=SilentProgress())
    assert plan.units["customers"].expected_units == pytest.approx(500, abs=0.01)
    _, manifest = place.draw(sections)
    assert manifest.tables["customers"].rows == pytest.approx(500, abs=5 * math.sqrt(500))


def test_a_target_below_the_floors_says_so(place: SourceProject) -> None:
    whole(place)
    plan = plan_sample(place.project(build_sections().replace("rate = 0.1", "units = 3")), progress=SilentProgress())
    assert "min_per_stratum = 5 alone takes about" in plan.warnings[0]


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_rows_keep_the_order_of_the_source_within_a_part(place: SourceProject, read: Read, form: str) -> None:
    place.copy(f"customers.{form}", CUSTOMERS.replace("range(3000)", "range(200000)"))
    place.copy(f"orders/1.{form}", ORDERS.replace("range(20000)", "range(200000)"))
    place.copy(f"orders/2.{form}", "select order_id + 200000 as order_id, customer_id, note from (" + ORDERS + ")")
    sample, manifest = place.draw(build_sections(0.3))
    for name, key in (("customers", "id"), ("orders", "order_id")):
        keys = [row[0] for row in read(sample, name, key)]
        assert keys == sorted(keys)
        assert len(keys) == manifest.tables[name].rows > 1000
    assert [path.name for path in sample.tables["orders"].paths] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]


def test_the_manifest_says_what_is_there(place: SourceProject, read: Read) -> None:
    whole(place)
    sample, manifest = place.draw(build_sections())
    assert (sample.path / "manifest.json").is_file()
    assert sample.path == place.home / "samples" / sample.fingerprint
    unit = manifest.units["customers"]
    assert [stratum.values for stratum in unit.strata] == [
        {"country": "DE"}, {"country": "FR"}, {"country": "US"}, {"country": None}
    ]  # fmt: skip
    assert sum(stratum.population for stratum in unit.strata) == 3000
    with duckdb.connect() as connection:
        counts = connection.execute(
            f"select country, count(*) from ({CUSTOMERS}) group by 1 order by 1 nulls last"
        ).fetchall()
    assert [(one.values["country"], one.population) for one in unit.strata] == counts
    for name, table in manifest.tables.items():
        assert len(read(sample, name)) == table.rows == sum(file.rows for file in table.files)
        assert table.bytes == sum((sample.path / file.path).stat().st_size for file in table.files)
    orders = manifest.tables["orders"]
    assert (orders.role, orders.belongs_to, orders.estimable) == ("child", "customers", True)
    customers = {row[0] for row in read(sample, "customers", "id")}
    with duckdb.connect() as connection:
        source = connection.execute(f"select order_id, customer_id from ({ORDERS})").fetchall()
    assert {row[0] for row in read(sample, "orders", "order_id")} == {
        order for order, customer in source if customer in customers
    }
    outside = sum(customer >= 3000 for _, customer in source)
    assert orders.outside_frame == outside
    assert (orders.references[0].dangling, orders.references[0].checked) == (outside, "source")
    assert orders.references[0].examples == [[str(key)] for key in range(3000, 3005)]
    assert manifest.source["orders"][0].path == "orders.parquet"


def test_the_weights_add_up_to_the_population(place: SourceProject, read: Read) -> None:
    whole(place)
    sample, manifest = place.draw(build_sections())
    weights = pq.read_table(sample.path / manifest.weights["customers"].path).to_pylist()
    sizes = ["size of customers.score", "size of orders"]
    assert list(weights[0]) == ["id", "stratum", "probability", "weight", *sizes]
    assert [row["id"] for row in weights] == sorted(row[0] for row in read(sample, "customers", "id"))
    for index, stratum in enumerate(manifest.units["customers"].strata):
        ones = [row for row in weights if row["stratum"] == index]
        assert len(ones) == stratum.sampled
        assert sum(row["weight"] for row in ones) == pytest.approx(stratum.population)
        assert {row["probability"] for row in ones} == {stratum.probability}


def test_the_request_is_the_digest_of_the_specification(place: SourceProject) -> None:
    whole(place)
    sample, manifest = place.draw(build_sections())
    assert manifest.fingerprint == sample.fingerprint
    assert manifest.specification == build_specification(place.project(build_sections()).settings)
    assert compute_request_id(place.project(build_sections()).settings) == hash_json(manifest.specification)


def test_more_units_in_the_source_make_another_sample_although_none_is_drawn(place: SourceProject) -> None:
    whole(place)
    first, manifest = place.draw(build_sections())
    for more in range(3000, 3100):
        place.copy("customers.parquet", f"{CUSTOMERS} union all select {more}, 'DE', 'n', 0.5, date '2024-01-01'")
        second, grown = place.draw(build_sections())
        if grown.tables["customers"].content == manifest.tables["customers"].content:
            break
    else:
        pytest.fail("every new unit was drawn")
    assert second.fingerprint != first.fingerprint


def test_null_keys_are_counted_and_never_selected(place: SourceProject, read: Read) -> None:
    place.write("customers.csv", "id,country\n" + "".join(f"{n},DE\n" for n in range(100)) + ",DE\n,FR\n")
    sections = build_sections(1.0).partition("[tables.orders]")[0]
    plan = plan_sample(place.project(sections), progress=SilentProgress())
    assert plan.warnings == ("customers: 2 rows have no whole key; never selected",)
    sample, manifest = place.draw(sections)
    assert manifest.units["customers"].null_keys == 2
    assert len(read(sample, "customers")) == 100


def test_rare_values_become_one_stratum_and_null_stays_its_own(place: SourceProject, read: Read) -> None:
    countries = ["DE"] * 60 + ["FR"] * 50 + ["US"] * 4 + ["IT"] * 3 + [""] * 7
    place.write("customers.csv", "id,country\n" + "".join(f"{n},{c}\n" for n, c in enumerate(countries)))
    sections = build_sections(0.5).partition("[tables.orders]")[0]
    sections = sections.replace('["country"]', '[{column = "country", rare_below = 50}]')
    sample, manifest = place.draw(sections)
    found = [(one.values["country"], one.population) for one in manifest.units["customers"].strata]
    assert found == [("DE", 60), ("FR", 50), ({"rare_below": 50}, 7), (None, 7)]
    rows = read(sample, "customers", "country")
    assert sum(row[0] in ("US", "IT") for row in rows) == manifest.units["customers"].strata[2].sampled == 7


@pytest.mark.parametrize(
    "kind", ["varchar", "date", "timestamp", "timestamptz", "double", "boolean", "decimal(9,2)", "ubigint"]
)
def test_strata_of_any_plain_type_are_told_apart(place: SourceProject, kind: str) -> None:
    value = {"date": "'2024-01-0' || v", "timestamp": "'2024-01-0' || v", "timestamptz": "'2024-01-0' || v || ' 00:00:00+00'",
             "boolean": "v % 2 = 0"}.get(kind, "v + 1")  # fmt: skip
    place.copy(
        "customers.parquet",
        f"select range as id, range % 3 + 1 as v, ({value})::{kind} as country from range(600)",
    )
    sections = build_sections(0.5).partition("[tables.orders]")[0]
    _, manifest = place.draw(sections)
    strata = manifest.units["customers"].strata
    assert len(strata) == (2 if kind == "boolean" else 3)
    assert all(0 < one.sampled <= one.population for one in strata)


def test_composite_and_text_keys_are_drawn(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select 'k' || range // 10 as id, range % 10 as part from range(2000)")
    sections = build_sections(0.25).partition("[tables.orders]")[0].replace('strata = ["country"]\n', "")
    sample, manifest = place.draw(sections.replace('key = ["id"]', 'key = ["id", "part"]'))
    assert manifest.tables["customers"].rows == pytest.approx(500, abs=100)
    assert manifest.units["customers"].strata[0].values == {}
    assert len(set(read(sample, "customers"))) == manifest.tables["customers"].rows


def test_any_name_of_a_column_survives(place: SourceProject, read: Read) -> None:
    names = [
        'a "quoted" one',
        "with space",
        "select",
        "größe",
        "🙂",
        "it's",
        "a,b",
        "{x}",
        "u",
        "x",
        "place",
        *(
            "index",
            "threshold",
            "population",
            "value_0",
            "rare_0",
            "stratum",
            "rows",
            "k0",
            "file_row_number",
        ),
    ]
    columns = ", ".join('range as "' + name.replace('"', '""') + '"' for name in names)
    place.copy("customers.parquet", f"select range as id, (range < 20)::int as country, {columns} from range(300)")
    place.copy("orders.csv", f"select range as order_id, range % 300 as customer_id, {columns} from range(900)")
    sample, manifest = place.draw(build_sections(0.5))
    assert len({one.threshold for one in manifest.units["customers"].strata}) == 2
    assert [column.name for column in manifest.tables["customers"].columns] == ["id", "country", *names]
    assert [column.name for column in manifest.tables["orders"].columns][2:] == names
    assert all(len(set(row[2:])) == 1 for name in sample.tables for row in read(sample, name))


@pytest.mark.parametrize("name", ['o "q" [x]*? ü', "schema.orders", "o'rders"])
def test_any_name_of_a_table_survives(place: SourceProject, name: str) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    place.copy(f"{name}.parquet", ORDERS)
    place.copy("decoy x.parquet", ORDERS)
    quoted = name.replace('"', '\\"')
    sample, manifest = place.draw(build_sections().replace("[tables.orders]", f'[tables."{quoted}"]'))
    assert sample.tables[name].paths[0].parent == sample.path / "tables" / name
    assert manifest.not_sampled == ["decoy x"]


def test_nested_and_unusual_types_come_through(place: SourceProject, read: Read) -> None:
    extra = (
        "{'a': range, 'b': [range, null]} as s, map {'k': range} as m, 'x'::blob as b, time '10:00' as t, "
        "uuid() as u, timestamptz '2024-01-01 00:00:00+00' as z, range::utinyint as small, 1.50::decimal(9,2) as d"
    )
    place.copy("customers.parquet", f"select range as id, 'DE' as country, {extra} from range(200)")
    sections = build_sections(0.5).partition("[tables.orders]")[0]
    sample, manifest = place.draw(sections)
    types = {column.name: column.type for column in manifest.tables["customers"].columns}
    assert types["s"] == "STRUCT(a BIGINT, b BIGINT[])"
    assert (types["u"], types["z"], types["small"]) == ("UUID", "TIMESTAMP WITH TIME ZONE", "UTINYINT")
    assert verify_sample(sample.path, SilentProgress()) == []


def test_types_come_from_all_files_not_from_the_first_rows(place: SourceProject) -> None:
    rows = "".join(f"{n},DE,{n}\n" for n in range(30_000))
    place.write("customers/1.csv", "id,country,zip\n" + rows)
    place.write("customers/2.csv", "zip,id,country\n" + "01234,40000,FR\n")
    sections = build_sections(1.0).partition("[tables.orders]")[0]
    _, manifest = place.draw(sections)
    types = {column.name: column.type for column in manifest.tables["customers"].columns}
    assert types == {"id": "BIGINT", "country": "VARCHAR", "zip": "VARCHAR"}


def test_a_fixed_type_wins(place: SourceProject, read: Read) -> None:
    place.write("customers.csv", "id,country\n1,007\n2,\n")
    sections = build_sections(1.0).partition("[tables.orders]")[0]
    sample, manifest = place.draw(sections + '[tables.customers.types]\nid = "VARCHAR"\ncountry = "INTEGER"\n')
    assert [column.type for column in manifest.tables["customers"].columns] == ["VARCHAR", "INTEGER"]
    assert sorted(read(sample, "customers")) == [("1", 7), ("2", None)]


def test_json_lines_may_lack_fields_mix_kinds_and_hold_long_integers(place: SourceProject, read: Read) -> None:
    lines = ['{"id": 1, "a": 1, "a_1": 2, "n": 18446744073709551615, "m": 1}', '{"id": 2, "n": -1, "m": "x"}']
    place.write("customers.jsonl", "\n".join(lines) + "\n")
    sections = build_sections(1.0).partition("[tables.orders]")[0].replace('strata = ["country"]\n', "")
    sample, _ = place.draw(sections)
    found = sorted(read(sample, "customers", "id, a, a_1, n::varchar, m::varchar"))
    assert found == [(1, 1, 2, "18446744073709551615", "1"), (2, None, None, "-1", '"x"')]


def test_an_empty_field_is_null_and_an_empty_text_is_one(place: SourceProject, read: Read) -> None:
    place.write("customers.csv", 'id,country,n\n1,,\n2,"",""\n3,DE,5\n')
    sample, _ = place.draw(build_sections(1.0).partition("[tables.orders]")[0])
    assert sorted(read(sample, "customers")) == [(1, None, None), (2, "", None), (3, "DE", 5)]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_taken_from_the_header(place: SourceProject, read: Read, delimiter: str) -> None:
    place.write("customers.csv", "id,country\n1,a b\n".replace(",", delimiter))
    sample, _ = place.draw(build_sections(1.0).partition("[tables.orders]")[0])
    assert read(sample, "customers") == [(1, "a b")]


def test_what_the_file_does_not_name_is_left_out(place: SourceProject) -> None:
    whole(place)
    place.copy("secrets.csv", "select 1 as x")
    sample, manifest = place.draw(build_sections())
    assert manifest.not_sampled == ["secrets"]
    assert sorted(sample.tables) == ["customers", "orders"]


def test_tables_whose_names_differ_in_case_are_not_mixed_up(place: SourceProject) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    place.copy("orders.parquet", ORDERS)
    place.copy("Orders.csv", "select 3100 + range as customer_id from range(5)")
    _, manifest = place.draw(build_sections() + '[tables.Orders]\nreferences = { customer_id = "customers.id" }\n')
    assert manifest.tables["Orders"].outside_frame == 5
    assert manifest.tables["Orders"].references[0].dangling == 5
    assert manifest.tables["orders"].references[0].dangling > 5


def test_a_child_without_rows_keeps_its_columns(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    place.copy("orders.parquet", f"select * from ({ORDERS}) where false")
    sample, manifest = place.draw(build_sections())
    assert manifest.tables["orders"].rows == 0
    assert [column.name for column in manifest.tables["orders"].columns] == [
        "order_id",
        "customer_id",
        "note",
    ]
    assert read(sample, "orders") == []


def test_the_plan_is_close_to_what_is_drawn(place: SourceProject) -> None:
    whole(place)
    plan = plan_sample(place.project(build_sections()), progress=SilentProgress())
    _, manifest = place.draw(build_sections())
    for name, table in manifest.tables.items():
        assert plan.expected_sizes[name].rows == pytest.approx(table.rows, rel=0.25)
    fields = plan.to_dict()
    assert fields["tables"]["orders"]["belongs_to"] == "customers"
    assert fields["units"]["customers"]["population"] == 3000
