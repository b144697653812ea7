"""The enlarged half of a sample: copies are units of their own, and nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox.config.project_file import load_project
from sandbox.errors import DataRuleError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.half_sample import selection
from sandbox.sampler.half_sample.enlarged_writer import write_enlarged_half
from sandbox.sampler.plan.planner import plan_sample
from sandbox.samples import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.manifest.separability import HalfSampleRecord
    from sandbox.model import Sample

SHOP = """
version = 1
[project]
name = "shop"
[source]
uri = "source"
[pipeline]
command = "true"
[sample]
salt = "s"
unit = "customers"
units = 100
min_per_stratum = 0
[tables.customers]
key = ["id"]
references = { invited_by = "customers.id" }
mask = { email = "none" }
[tables.orders]
key = ["id"]
references = { customer_id = "customers.id", replaces = "orders.id" }
belongs_to = "customers"
[tables.items]
key = ["order_id", "line"]
references = { order_id = "orders.id", product_id = "products.id" }
belongs_to = "orders"
[tables.notes]
[[tables.notes.reference]]
columns = ["about"]
table = "orders"
key = ["id"]
when = { kind = "order" }
[tables.products]
key = ["id"]
keep = "referenced"
references = { parent = "products.id" }
[tables.countries]
keep = "all"
"""
SOURCE = {
    "customers": (
        "select i as id, case when i % 3 = 0 then (i * 7) % 1000 end as invited_by, 'u' || i || '@x.example' as email "
        "from range(1000) t(i)"
    ),
    "orders": (
        "select i as id, case when i % 11 = 0 then null else (i * 13) % 1000 end as customer_id, "
        "case when i % 5 = 0 then (i * 17) % 5000 end as replaces, date '2024-01-01' + (i // 20)::INTEGER as day "
        "from range(5000) t(i)"
    ),
    "items": "select i // 2 as order_id, i % 2 as line, (i * 31) % 90 as product_id from range(10000) t(i)",
    "notes": (
        "select case when i % 2 = 0 then 'order' else 'page' end as kind, (i * 3 % 5000)::VARCHAR as about "
        "from range(4000) t(i)"
    ),
    "products": "select i as id, case when i > 50 then i - 50 end as parent from range(100) t(i)",
    "countries": "select * from (values ('DE'), ('FR')) t(code)",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Sample, SampleManifest]:
    root = tmp_path_factory.mktemp("it's a shop")
    (root / "source").mkdir()
    for name, query in SOURCE.items():
        target = str(root / "source" / f"{name}.parquet").replace("'", "''")
        duckdb.execute(f"copy ({query}) to '{target}'").fetchall()
    (root / "sandbox.toml").write_text(SHOP, "utf-8")
    project = load_project(root / "sandbox.toml", start=root, environ={}, flags={})
    plan = plan_sample(project, threads=2, progress=SilentProgress())
    drawn = draw_sample(project, plan, home=root / "home", threads=2, progress=SilentProgress())
    return project, *catalog.load_sample(root / "home", drawn.fingerprint)


def enlarge(
    shop: tuple[Project, Sample, SampleManifest],
    target: Path,
    *,
    unique: Mapping[str, set[str]] | None = None,
    memory: int = 2**30,
) -> HalfSampleRecord:
    project, sample, manifest = shop
    target.mkdir()
    return write_enlarged_half(sample, manifest, project.settings, target, unique=unique or {}, memory=memory)


def read(folder: Path, table: str) -> list[tuple[Any, ...]]:
    files = str(folder / "tables" / table / "*.parquet").replace("'", "''")
    return duckdb.execute(f"from read_parquet('{files}', hive_partitioning = false)").fetchall()


def find_originals(shop: tuple[Project, Sample, SampleManifest]) -> set[int]:
    _, sample, manifest = shop
    query = selection.build_half_units_query(manifest, sample.path, "customers", "second")
    return {key for (key,) in duckdb.execute(query).fetchall()}


def test_every_reference_leads_to_a_row_and_originals_stay_as_they_are(shop: Any, tmp_path: Path) -> None:
    _, sample, manifest = shop
    record = enlarge(shop, tmp_path / "half")
    there = {table: read(tmp_path / "half", table) for table in manifest.tables}
    assert record.units == {"customers": 1000}
    assert record.rows == sum(map(len, there.values()))
    originals = find_originals(shop)
    whole = {table: read(sample.path, table) for table in manifest.tables}
    for table in ("customers", "orders"):
        owner = 0 if table == "customers" else 1
        assert [row for row in there[table] if row[owner] in originals] == [
            row for row in whole[table] if row[owner] in originals
        ], "in the same order"
    assert there["countries"] == whole["countries"]
    assert set(there["products"]) <= set(whole["products"])
    customers, orders = ({row[0] for row in there[table]} for table in ("customers", "orders"))
    assert len(customers) == len(there["customers"])
    assert len(orders) == len(there["orders"])
    assert {row[1] for row in there["orders"]} - {None} <= customers
    assert {row[1] for row in there["customers"]} - {None} <= customers
    assert {row[2] for row in there["orders"]} - {None} <= orders
    assert {row[0] for row in there["items"]} <= orders
    assert {row[2] for row in there["items"]} <= {row[0] for row in there["products"]}
    assert {int(about) for kind, about in there["notes"] if kind == "order"} <= orders
    assert len({(order, line) for order, line, _ in there["items"]}) == len(there["items"])


def test_copies_stand_on_both_sides_of_the_others_and_are_whole_units(shop: Any, tmp_path: Path) -> None:
    enlarge(shop, tmp_path / "half")
    originals = find_originals(shop)
    customers = [row[0] for row in read(tmp_path / "half", "customers")]
    copies = sorted(set(customers) - originals)
    assert copies[0] < sorted(originals)[3]
    assert copies[-1] > sorted(originals)[-3]
    assert set(customers[:20]) - originals
    assert set(customers[-20:]) - originals
    sizes: dict[int, int] = {}
    for order in read(tmp_path / "half", "orders"):
        sizes[order[1]] = sizes.get(order[1], 0) + 1
    of_originals = {sizes.get(customer, 0) for customer in originals}
    assert {sizes[copy] for copy in copies if copy in sizes} <= of_originals
    referred = {copy for copy in copies if copy not in sizes}
    assert referred <= {row[0] for row in read(shop[1].path, "customers")}, "only rows that are referred to have none"


def test_rows_of_a_file_stay_sorted_by_date(shop: Any, tmp_path: Path) -> None:
    enlarge(shop, tmp_path / "half")
    files = list((tmp_path / "half" / "tables" / "orders").iterdir())
    assert sorted(file.name for file in files) == sorted(path.name for path in shop[1].tables["orders"].paths)
    for file in files:
        days = [row[3] for row in duckdb.read_parquet(str(file)).fetchall()]
        assert days == sorted(days)


def test_columns_that_are_unique_get_fresh_values_others_are_copied(shop: Any, tmp_path: Path) -> None:
    enlarge(shop, tmp_path / "half")
    enlarge(shop, tmp_path / "unique", unique={"customers": {"email"}})
    emails = {name: [row[2] for row in read(tmp_path / name, "customers")] for name in ("half", "unique")}
    assert len(set(emails["unique"])) == len(emails["unique"]) == len(emails["half"])
    assert len(set(emails["half"])) < len(emails["half"]) / 5
    with pytest.raises(DataRuleError, match=r"orders\.customer_id is declared unique, and [\d,]+ rows"):
        enlarge(shop, tmp_path / "wrong", unique={"orders": {"customer_id"}})


def test_the_same_sample_is_enlarged_alike_and_less_where_memory_is_short(shop: Any, tmp_path: Path) -> None:
    first = enlarge(shop, tmp_path / "first")
    again = enlarge(shop, tmp_path / "again")
    less = enlarge(shop, tmp_path / "less", memory=10_000)
    assert first == again
    for table in shop[2].tables:
        assert read(tmp_path / "first", table) == read(tmp_path / "again", table)
    assert less.units["customers"] < first.units["customers"]
    assert less.cost <= 1.0
