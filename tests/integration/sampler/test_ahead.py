"""Drawn rows of large Parquet tables that are read by their key alone, against rows that are read in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.engine.rule import polars_reader, prn
from sandbox.errors import SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw import prefetch, work_items
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from tests.prn_vectors import VECTORS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import SourceProject

UNIT = """
[sample]
salt = "s"
unit = "customers"
strata = ["g"]
rate = 0.05
min_per_stratum = 0
[tables.customers]
key = ["id"]
"""
EVERY_TYPE = """
    select range as r, range * 7919 % 40009 {shift} as id, range % 3 as g, (range % 100)::tinyint as t, (range % 999)::usmallint as us,
    range::ubigint * 400000000000 as ub, range / 3::float as f, if(range % 7 = 0, 'nan'::double, -range / 7) as d,
    nullif(range % 5, 0) > 2 as b, nullif('größe ' || range, 'größe 8') as v,
    date '1890-01-01' + range::integer as day, (range / 7)::decimal(9, 3) as n, range::decimal(38, 4) * 1000000000000 as n38,
    timestamp '1969-12-31 23:59:59.5' + to_microseconds(range * 1234567) as at,
    timestamptz '2024-03-31 01:30:00+00' + to_seconds(range) as zoned
    from range(40000)
"""


def parts(place: SourceProject, home: str) -> dict[str, bytes]:
    """Draw into a home of its own, and give the content of every Parquet file of the sample."""
    project = place.project(UNIT)
    plan = plan_sample(project, progress=SilentProgress())
    sample = draw_sample(project, plan, home=place.root / home, progress=SilentProgress())
    return {path.relative_to(sample.path).as_posix(): path.read_bytes() for path in sample.path.rglob("*.parquet")}


def spied(monkeypatch: pytest.MonkeyPatch) -> list[pa.Table | None]:
    """Record what is read ahead."""
    found: list[pa.Table | None] = []
    read = polars_reader.read_candidate_rows

    def kept(*arguments: Any, **options: Any) -> pa.Table | None:
        found.append(read(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(polars_reader, "read_candidate_rows", kept)
    return found


@pytest.mark.parametrize(
    ("shift", "most"), [("", 4000), ("- 20000", 4000), ("* 3000000000", 4000), ("+ 2147480000", 40000)]
)
def test_a_draw_that_reads_ahead_writes_the_same_bytes(
    place: SourceProject, monkeypatch: pytest.MonkeyPatch, shift: str, most: int
) -> None:
    select = f"select * from ({EVERY_TYPE.format(shift=shift)})"
    for number in range(3):
        place.copy(
            f"customers/{number}.parquet",
            f"{select} where r % 3 = {number} order by r",
            "(row_group_size 4096)",
        )
    whole = parts(place, "whole")
    monkeypatch.setattr(prefetch, "MIN_PREFETCH_BYTES", 0)
    monkeypatch.setattr(prefetch, "MIN_FILE_BYTES", 0)
    found = spied(monkeypatch)
    assert parts(place, "ahead") == whole
    rows = [table.num_rows for table in found if table is not None]
    assert len(rows) == 3
    assert 1000 < sum(rows) < most


def test_ranges_of_a_file_are_read_ahead(place: SourceProject, monkeypatch: pytest.MonkeyPatch) -> None:
    place.copy("customers.parquet", EVERY_TYPE.format(shift=""), "(row_group_size 4096)")
    monkeypatch.setattr(work_items, "RANGE_BYTES", 200_000)
    monkeypatch.setattr("sandbox.sampler.draw.extraction.RANGE_BYTES", 200_000)
    whole = parts(place, "whole")
    monkeypatch.setattr(prefetch, "MIN_PREFETCH_BYTES", 0)
    monkeypatch.setattr(prefetch, "MIN_FILE_BYTES", 0)
    found = spied(monkeypatch)
    assert parts(place, "ahead") == whole
    assert len([table for table in found if table is not None]) > 2


def test_what_cannot_be_read_ahead_is_read_in_full(place: SourceProject, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = pa.array(range(0, 9_000_000, 1000), pa.timestamp("us"))
    table = pa.table({"id": pa.array(range(9000)), "g": pa.array([1] * 9000), "at": moments})
    path = place.write("customers.parquet", b"")
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    whole = parts(place, "whole")
    monkeypatch.setattr(prefetch, "MIN_PREFETCH_BYTES", 0)
    monkeypatch.setattr(prefetch, "MIN_FILE_BYTES", 0)
    found = spied(monkeypatch)
    assert parts(place, "ahead") == whole
    assert found == []


def test_a_damaged_page_is_reported_as_without_reading_ahead(
    place: SourceProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.copy("customers.parquet", "select range as id, 1 as g, sha256(range::varchar) as v from range(9000)")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = bytes(5000)
    path.write_bytes(content)
    with pytest.raises(SourceError) as full:
        parts(place, "whole")
    monkeypatch.setattr(prefetch, "MIN_PREFETCH_BYTES", 0)
    monkeypatch.setattr(prefetch, "MIN_FILE_BYTES", 0)
    with pytest.raises(SourceError) as early:
        parts(place, "ahead")
    assert early.value.message == full.value.message


@pytest.mark.parametrize("group", VECTORS["integer_keys"], ids=lambda group: repr(group["salt"]))
def test_the_numbers_are_the_published_ones(tmp_path: Path, group: dict[str, Any]) -> None:
    numbers = {int(key): u for key, u in group["key_u"]}
    path = tmp_path / "keys.parquet"
    pq.write_table(pa.table({"k": pa.array(list(numbers), pa.int64())}), path)
    for below in sorted(numbers.values()):
        wanted = polars_reader.PolarsReadRequest(
            columns=("k",),
            key="k",
            coefficients=group["coefficients"],
            threshold=below,
            row_number_column="place",
        )
        chosen = {key for key, u in numbers.items() if u < below}
        found = polars_reader.read_candidate_rows(str(path), wanted, (0, None), small=False)
        assert found is not None
        assert set(found["k"].to_pylist()) == chosen
        outside = {key for key in numbers if not 0 <= key < prn.PRIME}
        found = polars_reader.read_candidate_rows(str(path), wanted, (0, None), small=True)
        assert found is not None
        assert set(found["k"].to_pylist()) == chosen | outside
