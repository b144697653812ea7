"""Half of a stored sample: half of the units with all that belongs to them, and nothing that is referred to is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox.errors import StoreError
from sandbox.sampler.half_sample import selection
from sandbox.sampler.half_sample.writer import write_half_sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample

    Read = Callable[..., list[tuple[Any, ...]]]

SHOP = """
[sample]
salt = "s"
unit = "customers"
rate = 0.8
min_per_stratum = 0
[tables.customers]
key = ["id"]
references = { invited_by = "customers.id" }
[tables.orders]
key = ["id"]
references = { customer_id = "customers.id", replaces = "orders.id" }
belongs_to = "customers"
[tables.items]
key = ["order_id", "line"]
references = { order_id = "orders.id", product_id = "products.id" }
[tables.products]
key = ["id"]
keep = "referenced"
references = { parent = "products.id" }
[tables.countries]
keep = "all"
"""


@pytest.fixture
def drawn(place: Any) -> tuple[Any, Sample, SampleManifest]:
    place.copy(
        "customers.parquet",
        "select i as id, case when i % 3 = 0 then (i * 7) % 200 end as invited_by, 'text ' || i as note from range(200) t(i)",
    )
    place.copy(
        "orders.parquet",
        "select i as id, case when i % 11 = 0 then null else (i * 13) % 200 end as customer_id, "
        "case when i % 5 = 0 then (i * 17) % 1000 end as replaces from range(1000) t(i)",
    )
    place.copy(
        "items.parquet",
        "select i % 1000 as order_id, i // 1000 as line, (i * 31) % 90 as product_id from range(3000) t(i)",
    )
    place.copy("products.parquet", "select i as id, case when i > 50 then i - 50 end as parent from range(100) t(i)")
    place.copy("countries.parquet", "select * from (values ('DE'), ('FR')) t(code)")
    return (place.project(SHOP), *place.draw(SHOP))


@pytest.fixture
def made(drawn: Any, tmp_path: Path) -> Sample:
    project, sample, manifest = drawn
    target = tmp_path / "half"
    target.mkdir()
    return write_first(project, sample, manifest, target)


def write_first(project: Any, sample: Sample, manifest: SampleManifest, target: Path) -> Sample:
    record = write_half_sample(sample, manifest, project.settings, target)
    fingerprint = selection.compute_fingerprint(manifest, "first", unique={}, memory=2**30)
    half = selection.build_half_sample(target, manifest, fingerprint)
    assert record.rows == sum(
        duckdb.read_parquet([str(path) for path in table.paths]).count("*").fetchall()[0][0]
        for table in half.tables.values()
    )
    return half


def kept(drawn: Any) -> set[int]:
    _, sample, manifest = drawn
    with duckdb.connect() as connection:
        found = connection.execute(
            selection.build_half_units_query(manifest, sample.path, "customers", "first")
        ).fetchall()
    return {key for (key,) in found}


def test_about_half_of_the_drawn_units_are_in_it(drawn: Any, made: Sample, read: Read) -> None:
    _, sample, manifest = drawn
    weights = sample.path / manifest.weights["customers"].path
    units = {key for key, *_ in duckdb.read_parquet(str(weights)).fetchall()}
    chosen = kept(drawn)
    assert chosen < units
    assert 0.3 < len(chosen) / len(units) < 0.7
    assert chosen <= {key for key, *_ in read(made, "customers")}


def test_what_belongs_to_its_units_is_in_it_and_the_rest_only_where_it_is_referred_to(
    drawn: Any, made: Sample, read: Read
) -> None:
    _, sample, _ = drawn
    chosen = kept(drawn)
    orders = {row for row in read(made, "orders") if row[1] in chosen}
    assert orders == {row for row in read(sample, "orders") if row[1] in chosen}
    replaced = {row[2] for row in read(made, "orders")}
    assert all(row[1] in chosen or row[0] in replaced for row in read(made, "orders"))
    own = {row[0] for row in orders}
    assert {row for row in read(sample, "items") if row[0] in own} <= set(read(made, "items"))
    assert len(read(made, "items")) < len(read(sample, "items"))


def test_every_reference_that_holds_in_the_sample_holds_in_the_half(drawn: Any, made: Sample, read: Read) -> None:
    _, sample, manifest = drawn
    for table, described in manifest.tables.items():
        for reference in described.references:
            column, key = reference.columns[0], reference.key[0]
            there = {value for (value,) in read(sample, reference.table, f'"{key}"')}
            still = {value for (value,) in read(made, reference.table, f'"{key}"')}
            named = {value for (value,) in read(made, table, f'"{column}"') if value is not None}
            assert named & there <= still, (table, column)


def test_whole_lookups_and_the_files_names_and_the_rows_order_stay(drawn: Any, made: Sample, read: Read) -> None:
    _, sample, _ = drawn
    assert read(made, "countries") == read(sample, "countries")
    assert set(made.tables) == set(sample.tables)
    for name, table in sample.tables.items():
        assert [path.name for path in made.tables[name].paths] == [path.name for path in table.paths]
        wanted = set(read(made, name))
        assert [row for row in read(sample, name) if row in wanted] == read(made, name)


def test_the_same_sample_has_the_same_half_with_a_name_of_its_own(
    drawn: Any, made: Sample, tmp_path: Path, read: Read
) -> None:
    project, sample, manifest = drawn
    (tmp_path / "again").mkdir()
    again = write_first(project, sample, manifest, tmp_path / "again")
    assert again.fingerprint == made.fingerprint != sample.fingerprint
    assert all(read(again, name) == read(made, name) for name in made.tables)


def test_a_file_that_cannot_be_read_is_named(drawn: Any, tmp_path: Path) -> None:
    project, sample, manifest = drawn
    path = sample.tables["orders"].paths[0]
    path.chmod(0o644)
    path.write_bytes(b"PAR1")
    (tmp_path / "half").mkdir()
    with pytest.raises(StoreError, match="orders"):
        write_half_sample(sample, manifest, project.settings, tmp_path / "half")
