"""Sources that try to break a draw: names, widths, types, writers, and files that change under it."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.engine.duckdb.session import Session
from sandbox.errors import SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw import work_items
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.samples.verify import verify_sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.sampler.conftest import Read
    from tests.projects import SourceProject

UNIT = """
[sample]
salt = "s"
unit = "customers"
rate = 0.5
min_per_stratum = 0
[tables.customers]
key = ["id"]
"""
MOMENT = dt.datetime.fromisoformat("2024-01-01")
NAMES = [
    'a "q" b',
    "it's",
    "select",
    "größe 🙂",
    " lead",
    "a,b;c",
    "{x}",
    "unit number",
    "turn",
    "place",
    "unit",
]


def test_any_column_name_can_be_a_key_a_reference_a_stratum_and_masked(place: SourceProject, read: Read) -> None:
    for name in NAMES:
        quoted = '"' + name.replace('"', '""') + '"'
        toml = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        place.copy("customers.parquet", f"select range as {quoted}, range % 3 as g from range(200)")
        place.copy("orders.parquet", f"select range as n, range % 220 as {quoted} from range(900)")
        sample, manifest = place.draw(
            UNIT.replace('["id"]', f"[{toml}]").replace("rate", f"strata = [{toml}]\nrate").replace("0.5", "0.9")
            + f'[tables.customers.mask]\n{toml} = "none"\n'
            + f'[[tables.orders.reference]]\ncolumns = [{toml}]\ntable = "customers"\nkey = [{toml}]\n'
        )
        drawn = {row[0] for row in read(sample, "customers", quoted)}
        assert {row[0] for row in read(sample, "orders", quoted)} == drawn
        assert manifest.tables["orders"].references[0].holds_in_sample
        assert verify_sample(sample.path, SilentProgress()) == []


def test_two_thousand_columns_come_through(place: SourceProject) -> None:
    """It can take over 20 s: every column is masked by a rule, drawn, counted and compared with production."""
    columns = {f"c{n}": pa.array(range(n, n + 60), pa.int64()) for n in range(1999)}
    (place.source / "customers.parquet").parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": pa.array(range(60)), **columns}), place.source / "customers.parquet")
    sample, manifest = place.draw(UNIT)
    assert len(manifest.tables["customers"].columns) == 2000
    assert 10 < manifest.tables["customers"].rows < 50
    assert verify_sample(sample.path, SilentProgress()) == []


def test_nested_values_long_decimals_and_time_zones_come_through_unchanged(place: SourceProject) -> None:
    zone = dt.timezone(dt.timedelta(hours=-7))
    values = {
        "id": pa.array(range(50)),
        "nested": pa.array([{"a": [{"b": [n, None]}], "m": None} for n in range(50)]),
        "pairs": pa.array([[("k", n), ("ü", None)] for n in range(50)], pa.map_(pa.string(), pa.int64())),
        "long": pa.array([decimal.Decimal(10**38 - 1 - n) for n in range(50)], pa.decimal128(38, 0)),
        "fine": pa.array([decimal.Decimal(n).scaleb(-37) for n in range(50)], pa.decimal128(38, 37)),
        "moment": pa.array([dt.datetime(2024, 3, 31, 1, 30, tzinfo=zone)] * 50, pa.timestamp("us", "America/Phoenix")),
        "nanos": pa.array([2**62 + n for n in range(50)], pa.timestamp("ns")),
        "empty": pa.array([b""] * 50),
    }
    source = pa.table(values)
    place.source.mkdir(parents=True, exist_ok=True)
    pq.write_table(source, place.source / "customers.parquet")
    sample, _ = place.draw(UNIT)
    found = pa.concat_tables([pq.read_table(path) for path in sample.tables["customers"].paths])
    rows = dict(zip(source["id"].to_pylist(), source.drop_columns(["nanos"]).to_pylist(), strict=True))
    assert all(row == rows[row["id"]] for row in found.drop_columns(["nanos"]).to_pylist())
    nanos = found["nanos"].cast(pa.int64()).to_pylist()
    assert nanos == [2**62 + row for row in found["id"].to_pylist()]


def test_a_key_of_text_that_reads_like_other_types_stays_text(place: SourceProject, read: Read) -> None:
    keys = [
        "1",
        "01",
        "1.0",
        "1e0",
        " 1",
        "",
        "true",
        "NULL",
        "null",
        "2024-01-01",
        "é",
        "e\u0301",
        "\U0001f642",
        "x" * 5000,
    ]
    place.write("customers.jsonl", "".join(f'{{"id": "{key}"}}\n' for key in keys))
    place.write("orders.jsonl", "".join(f'{{"customer": "{key}", "n": {n}}}\n' for n, key in enumerate(keys)))
    sample, manifest = place.draw(
        UNIT.replace("0.5", "1.0") + '[tables.customers.types]\nid = "VARCHAR"\n'
        '[tables.orders]\nreferences = { customer = "customers.id" }\n[tables.orders.types]\ncustomer = "VARCHAR"\n'
    )
    assert sorted(row[0] for row in read(sample, "customers")) == sorted(keys)
    assert manifest.tables["orders"].rows == len(keys)
    assert manifest.tables["orders"].references[0].dangling == 0


def test_a_child_and_a_lookup_without_rows_keep_their_columns_and_masks(place: SourceProject, read: Read) -> None:
    place.copy("customers.parquet", "select range as id, 'x' as email, range as city from range(100)")
    place.copy("orders.parquet", "select 1::bigint as customer, 'x' as email where false")
    place.copy("cities.parquet", "select 1::bigint as id, 'x' as label where false")
    sample, manifest = place.draw(
        UNIT + 'references = { city = "cities.id" }\n[tables.customers.mask]\nemail = "email"\n'
        '[tables.orders]\nreferences = { customer = "customers.id" }\n[tables.orders.mask]\nemail = "email"\n'
        '[tables.cities]\nkeep = "referenced"\n'
    )
    assert (read(sample, "orders"), read(sample, "cities")) == ([], [])
    assert [column.name for column in manifest.tables["orders"].columns] == ["customer", "email"]
    assert manifest.tables["customers"].references[0].dangling == 100


def test_one_stratum_of_everything_and_a_stratum_of_each(place: SourceProject) -> None:
    place.copy("customers.parquet", "select range as id, 'one' as same, range as each from range(3000)")
    _, manifest = place.draw(UNIT.replace("rate", 'strata = ["same"]\nrate'))
    assert [one.population for one in manifest.units["customers"].strata] == [3000]
    _, manifest = place.draw(UNIT.replace("rate", 'strata = ["each"]\nrate'))
    assert len(manifest.units["customers"].strata) == 3000
    assert sum(one.sampled for one in manifest.units["customers"].strata) == manifest.tables["customers"].rows


def by_polars(path: Path) -> None:
    frame = pl.DataFrame({"id": range(1000), "g": ["x", "y", None, "z"] * 250, "t": [MOMENT] * 1000})
    frame.with_columns(pl.col("g").cast(pl.Categorical)).write_parquet(path, row_group_size=100)


def old(path: Path) -> None:
    """What Spark and Hive wrote for years: INT96 times, the first version of pages, no statistics, snappy."""
    table = pa.table({"id": pa.array(range(1000)), "g": ["x", "y", None, "z"] * 250, "t": [MOMENT] * 1000})
    pq.write_table(
        table, path, use_deprecated_int96_timestamps=True, data_page_version="1.0", write_statistics=False,
        compression="snappy", version="1.0", row_group_size=100,
    )  # fmt: skip


def with_dictionaries(path: Path) -> None:
    table = pa.table({"id": pa.array(range(1000)), "g": ["x", "y", None, "z"] * 250, "t": [MOMENT] * 1000})
    table = table.set_column(1, "g", table["g"].dictionary_encode())
    pq.write_table(table, path, use_dictionary=True, data_page_version="2.0", compression="gzip", row_group_size=100)


@pytest.mark.parametrize("write", [by_polars, old, with_dictionaries])
def test_files_of_other_writers_give_the_same_rows(
    place: SourceProject, read: Read, write: Callable[[Path], None]
) -> None:
    write(place.source / "customers.parquet")
    sections = UNIT.replace("rate", 'strata = ["g"]\nrate')
    sample, manifest = place.draw(sections)
    content = "id, g, t::timestamp"
    expected = read(sample, "customers", content)
    assert {row[2] for row in expected} == {MOMENT}
    place.copy(
        "customers.parquet",
        "select range as id, ['x', 'y', null, 'z'][1 + range % 4] as g, timestamp '2024-01-01' as t from range(1000)",
    )
    again, plain = place.draw(sections)
    assert sorted(read(again, "customers", content)) == sorted(expected)
    assert [one.sampled for one in plain.units["customers"].strata] == [
        one.sampled for one in manifest.units["customers"].strata
    ]


@pytest.mark.parametrize("column", ["note", "file_row_number"])
def test_a_large_file_is_cut_into_parts_with_the_same_content(
    place: SourceProject, read: Read, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    place.copy(
        "customers.parquet",
        f"select range as id, range % 3 as g, range as {column} from range(40000)",
        "(row_group_size 2048)",
    )
    sections = UNIT.replace("rate", 'strata = ["g"]\nrate')
    whole, _ = place.draw(sections)
    monkeypatch.setattr(work_items, "RANGE_BYTES", (place.source / "customers.parquet").stat().st_size // 5)
    monkeypatch.setattr("sandbox.sampler.draw.extraction.RANGE_BYTES", 1000)
    elsewhere = type(place)(root=place.root / "cut")
    (place.source.parent / "cut").mkdir()
    place.source.rename(elsewhere.source)
    parts, manifest = elsewhere.draw(sections)
    assert parts.fingerprint == whole.fingerprint
    assert read(parts, "customers") == read(whole, "customers")
    assert len(manifest.tables["customers"].files) == (1 if column == "file_row_number" else 5)


@pytest.mark.parametrize("change", ["touched", "replaced", "removed"])
def test_files_that_change_between_counting_and_drawing_are_detected(place: SourceProject, change: str) -> None:
    for part in range(2):
        place.copy(f"customers/{part}.parquet", f"select range as id from range({part * 500}, {part * 500 + 500})")
    project = place.project(UNIT)
    plan = plan_sample(project, threads=2, progress=SilentProgress())
    file = place.source / "customers/1.parquet"
    if change == "touched":
        file.touch()
    elif change == "replaced":
        place.copy("customers/1.parquet", "select 'x' as other")
    else:
        file.unlink()
    with pytest.raises(SourceError, match="the source changed while it was read: "):
        draw_sample(project, plan, home=place.home, threads=2, progress=SilentProgress())
    assert [path.name for path in (place.home / "samples").iterdir() if not path.name.endswith(".lock")] == []


def test_what_spills_while_masks_apply_is_encrypted(tmp_path: Path) -> None:
    for encrypted in (False, True):
        spill = tmp_path / str(encrypted)
        spill.mkdir()
        with Session(memory=128 * 10**6, threads=1, spill=spill, encrypted=encrypted) as session:
            session.execute("create temp table t as select 'SECRET ' || range as v, range as n from range(6000000)")
            session.fetch_rows("select count(*) from t where n % 2 = 0")
            files = [path for path in spill.rglob("*") if path.is_file()]
            spilled = b"".join(path.read_bytes() for path in files)
            assert len(spilled) > 10**6
            assert (b"SECRET 1" in spilled) is not encrypted
        assert list(spill.iterdir()) == []


def test_a_draw_in_little_memory_spills_and_gives_the_same_sample(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select range as id, range % 5 as g, md5(range::varchar) || sha256(range::varchar) as v from range(1000000)",
    )
    sections = UNIT.replace("rate", 'strata = ["g"]\nmemory = "MEMORY"\nrate')
    samples = [place.draw(sections.replace("MEMORY", memory))[0] for memory in ("100MB", "2GB")]
    assert len({sample.fingerprint for sample in samples}) == 1


def test_the_catalogue_of_the_engine_is_not_confused_by_a_table_of_its_names(place: SourceProject, read: Read) -> None:
    names = ["rows of an item", "known of 61", "lean 61", "sqlite_master", "information_schema.tables"]
    place.copy("customers.parquet", "select range as id from range(50)")
    more = ""
    for name in names:
        place.copy(f"{name}.parquet", "select range % 50 as customer from range(100)")
        more += f'[tables."{name}"]\nreferences = {{ customer = "customers.id" }}\n'
    sample, _ = place.draw(UNIT + more)
    drawn = {row[0] for row in read(sample, "customers")}
    assert all({row[0] for row in read(sample, name)} == drawn for name in names)
