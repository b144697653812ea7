"""A frame of pandas, sampled: read by pandas it is the frame that production's file gives for these rows."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # it has no types
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.errors import DataRuleError, SourceError
from sandbox.model import SilentProgress
from sandbox.samples.verify import verify_sample

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import SourceProject

SECTIONS = """
[sample]
salt = "s"
unit = "t"
rate = 0.5
min_per_stratum = 0
[tables.t]
key = ["id"]
"""
ROWS = 60
IDS = np.arange(ROWS, dtype="int64") * 7
WORDS = [f"word {n % 5}" for n in range(ROWS)]
MOMENTS = pd.date_range("2024-03-30 22:00", periods=ROWS, freq="h", tz="Europe/Berlin")

FRAMES: dict[str, pd.DataFrame] = {
    "a RangeIndex": pd.DataFrame({"id": IDS, "v": IDS / 3}),
    "a column as index": pd.DataFrame({"v": WORDS}, index=pd.Index(IDS, name="id")),
    "an index without a name": pd.DataFrame({"id": IDS}, index=pd.Index(IDS[::-1] * 3)),
    "a MultiIndex": pd.DataFrame(
        {"v": IDS}, index=pd.MultiIndex.from_arrays([IDS, WORDS], names=["id", "word"])
    ),
    "an index of times with a zone": pd.DataFrame({"id": IDS}, index=MOMENTS),
    "categoricals": pd.DataFrame({
        "id": IDS,
        "size": pd.Categorical(["S", "L", None] * 20, categories=["XL", "L", "M", "S"], ordered=True),
        "word": pd.Categorical(WORDS),
    }),
    "dtypes of pandas": pd.DataFrame({
        "id": IDS,
        "whole": pd.array([1, None, 3] * 20, dtype="Int32"),
        "flag": pd.array([True, None, False] * 20, dtype="boolean"),
        "text": pd.array(["x", None, "é"] * 20, dtype="string"),
        "small": np.arange(ROWS).astype("float32"),
        "half": np.arange(ROWS).astype("float16"),
        "byte": np.arange(ROWS).astype("uint8"),
    }),
    "times, periods, intervals and decimals": pd.DataFrame({
        "id": IDS,
        "fine": pd.to_datetime([10**18 + n for n in range(ROWS)], unit="ns"),
        "coarse": pd.to_datetime(["2024-01-01"] * ROWS).astype("datetime64[s]"),
        "zone": MOMENTS,
        "lasts": pd.to_timedelta([n * 10**9 + 1 for n in range(ROWS)], unit="ns"),
        "month": pd.period_range("2020-01", periods=ROWS, freq="M"),
        "range": pd.interval_range(0, ROWS),
        "price": [Decimal(n).scaleb(-2) for n in range(ROWS)],
        "list": [[n, n + 1] for n in range(ROWS)],
    }),
}  # fmt: skip


def read_expected(lake: SourceProject, source: pd.DataFrame, ids: set[int]) -> pd.DataFrame:
    """Give production's frame for some ids; a RangeIndex begins at 0."""
    keys = source.index.get_level_values("id") if "id" in source.index.names else source["id"]
    kept = source[[key in ids for key in keys]]
    return kept.reset_index(drop=True) if isinstance(source.index, pd.RangeIndex) else kept


@pytest.mark.parametrize("shape", FRAMES)
def test_the_sampled_frame_is_productions_for_these_rows(lake: SourceProject, shape: str) -> None:
    FRAMES[shape].to_parquet(lake.source / "t.parquet")
    sample, manifest = lake.draw(SECTIONS)
    [path] = sample.tables["t"].paths
    drawn = pd.read_parquet(path)
    source = pd.read_parquet(lake.source / "t.parquet")
    plain = drawn.reset_index()
    pd.testing.assert_frame_equal(drawn, read_expected(lake, source, set(plain["id"])), check_index_type="exact")
    assert 10 < len(drawn) < ROWS - 10
    assert manifest.tables["t"].frame is not None
    assert verify_sample(sample.path, SilentProgress()) == []


def test_files_with_other_categories_keep_all_of_them_and_masks_none(lake: SourceProject) -> None:
    (lake.source / "t").mkdir()
    for part, values in enumerate((["b", "a"], ["c", "b"])):
        frame = pd.DataFrame({"id": IDS + part, "v": pd.Categorical(values * 30), "email": pd.Categorical(WORDS)})
        frame.to_parquet(lake.source / "t" / f"{part}.parquet")
    sample, manifest = lake.draw(SECTIONS + '[tables.t.mask]\nemail = "hash"\n')
    production = pd.read_parquet(lake.source / "t")
    for path in sample.tables["t"].paths:
        drawn = pd.read_parquet(path)
        assert list(drawn["v"].cat.categories) == list(production["v"].cat.categories)
        assert drawn["email"].dtype in ("str", "object")
        assert b"word" not in path.read_bytes()
    assert "email" not in str(manifest.tables["t"].frame and manifest.tables["t"].frame["categories"])


def test_metadata_of_fields_and_extension_types_stay_and_plain_files_have_none(lake: SourceProject) -> None:
    tensor = pa.fixed_shape_tensor(pa.int32(), [2])
    schema = pa.schema(
        [pa.field("id", pa.int64(), metadata={"unit": "metres"}), pa.field("x", tensor)], metadata={"owner": "us"}
    )
    storage = pa.array([[n, n] for n in range(ROWS)], tensor.storage_type)
    rows = pa.table([pa.array(IDS), pa.ExtensionArray.from_storage(tensor, storage)], schema=schema)
    pq.write_table(rows, lake.source / "t.parquet")
    sample, _ = lake.draw(SECTIONS)
    drawn = pq.read_table(sample.tables["t"].paths[0])
    assert drawn.schema.equals(schema, check_metadata=True)
    pq.write_table(pa.table({"id": IDS}), lake.source / "t.parquet")
    assert lake.draw(SECTIONS)[1].tables["t"].frame is None


def test_metadata_are_part_of_the_fingerprint(lake: SourceProject, tmp_path: Path) -> None:
    fingerprints = set()
    for categories in (["a", "b"], ["b", "a"], ["a", "b", "c"]):
        frame = pd.DataFrame({"id": IDS, "v": pd.Categorical(["a", "b"] * 30, categories=categories)})
        frame.to_parquet(lake.source / "t.parquet")
        fingerprints.add(lake.draw(SECTIONS)[1].fingerprint)
    assert len(fingerprints) == 3


@pytest.mark.parametrize(
    ("kinds", "values", "words"),
    [
        (
            ("int64", "float64"),
            ([2**53 + 1], [0.5]),
            "v is BIGINT, other files of the table have another type, and DOUBLE",
        ),
        (("int64", "float32"), ([2**24 + 1], [0.5]), None),
        (("int64", "uint64"), ([-1], [2**64 - 1]), None),
        (("null", "string"), ([None], ["x"]), None),
    ],
)
def test_files_of_several_types_are_read_exactly_or_refused(
    lake: SourceProject, kinds: tuple[str, str], values: tuple[list[object], list[object]], words: str | None
) -> None:
    (lake.source / "t").mkdir()
    for part, (kind, held) in enumerate(zip(kinds, values, strict=True)):
        pq.write_table(
            pa.table({"id": [part], "v": pa.array(held, pa.type_for_alias(kind))}), lake.source / f"t/{part}.parquet"
        )
    sections = SECTIONS.replace("0.5", "1.0")
    if words is not None:
        with pytest.raises(SourceError, match=words) as raised:
            lake.draw(sections)
        assert "t/0.parquet" in raised.value.message
        return
    sample, _ = lake.draw(sections)
    found = [value for path in sample.tables["t"].paths for value in pq.read_table(path)["v"].to_pylist()]
    assert found == [*values[0], *values[1]]


def test_values_that_duckdb_would_change_are_kept_or_refused_by_name(lake: SourceProject) -> None:
    path = lake.source / "t.parquet"
    sections = SECTIONS.replace("0.5", "1.0")
    fine = pa.table({"id": [1, 2], "v": pa.array([1700000000123456001, 1700000000123456000], pa.timestamp("ns"))})
    pq.write_table(fine, path, use_deprecated_int96_timestamps=True)
    sample, manifest = lake.draw(sections)
    assert (
        pq.read_table(sample.tables["t"].paths[0])["v"].cast(pa.int64()).to_pylist()
        == fine["v"].cast(pa.int64()).to_pylist()
    )
    assert manifest.tables["t"].columns[1].type == "TIMESTAMP_NS"
    pq.write_table(fine.slice(1), path, use_deprecated_int96_timestamps=True)
    assert lake.draw(sections)[1].tables["t"].columns[1].type == "TIMESTAMP"
    long = pa.array([Decimal(10**45)], pa.decimal256(50, 0))
    pq.write_table(pa.table({"id": [1], "v": long}), path)
    with pytest.raises(SourceError, match=r"v is decimal256\(50, 0\), and decimals of 38 digits are the longest"):
        lake.draw(sections)
    assert list(pq.read_table(lake.draw(sections + 'leave_out = ["v"]\n')[0].tables["t"].paths[0]).column_names) == [
        "id"
    ]
    broken = pa.StringArray.from_buffers(
        2, pa.py_buffer(np.array([0, 1, 3], "int32").tobytes()), pa.py_buffer(b"x\xff\xfe")
    )
    pq.write_table(pa.table({"id": [1, 2], "name": broken}), path)
    with pytest.raises(SourceError, match=r"text that is not UTF-8 in name \(1 value\)"):
        lake.draw(sections)
    pq.write_table(pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["id", "v", "v"]), path)
    with pytest.raises(SourceError, match="columns that differ at most in case: v"):
        lake.draw(sections)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("time with time zone", "'12:00:00+05:30'", "Parquet would change 1 value: it keeps times of UTC alone"),
        ("time with time zone", "'12:00:00+00'", None),
        ("interval", "'1.000001 second'", "Parquet would change 1 value: it keeps milliseconds"),
        ("interval", "'1 month 2 days 3.5 seconds'", None),
        ("struct(a hugeint)", "{'a': 5}", "which Parquet cannot keep"),
        ("union(a integer, b varchar)", "'x'::varchar", "which Parquet cannot keep"),
        ("hugeint", "5", "which Parquet cannot keep"),
    ],
)
def test_values_of_duckdb_that_parquet_changes_are_refused(
    lake: SourceProject, kind: str, value: str, words: str | None
) -> None:
    with duckdb.connect(str(lake.root.parent / "made.duckdb")) as connection:
        connection.execute(f"create table t as select 1 as id, {value}::{kind} as v")
    (lake.root.parent / "made.duckdb").rename(lake.root / "made.duckdb")
    sections = SECTIONS.replace("0.5", "1.0")
    if words is None:
        assert lake.draw(sections, uri="made.duckdb")[1].tables["t"].rows == 1
        return
    with pytest.raises(SourceError, match=words):
        lake.draw(sections, uri="made.duckdb")
    assert lake.draw(sections + '[tables.t.types]\nv = "VARCHAR"\n', uri="made.duckdb")[1].tables["t"].rows == 1
    assert lake.draw(sections + 'leave_out = ["v"]\n', uri="made.duckdb")[1].tables["t"].rows == 1


def test_references_of_floating_point_numbers_name_one_row_or_are_refused(lake: SourceProject) -> None:
    pq.write_table(pa.table({"id": [1, 2**53, 2**53 + 1]}), lake.source / "t.parquet")
    sections = SECTIONS.replace("0.5", "1.0") + '[tables.c]\nreferences = { t = "t.id" }\n'
    pq.write_table(pa.table({"t": [1.0, None, 2.0]}), lake.source / "c.parquet")
    assert lake.draw(sections)[1].tables["c"].rows == 1
    pq.write_table(pa.table({"t": [1.0, float(2**53)]}), lake.source / "c.parquet")
    with pytest.raises(DataRuleError, match=r"c\.t is DOUBLE, .* 1 of its values are 2\^53 or more"):
        lake.draw(sections)
