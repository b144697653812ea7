"""Delta tables: the rows of one version and no others, as delta-rs itself reads them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.config.sections.sample import TableSection
from sandbox.engine.duckdb.session import Session
from sandbox.errors import ConfigError, SandboxError, SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import build_select
from tests.integration.sources import delta_log
from tests.integration.sources.writers import written

if TYPE_CHECKING:
    from tests.projects import SourceProject


ONE = """
[sample]
unit = "people"
rate = 0.5
min_per_stratum = 0
[tables.people]
key = ["id"]
"""
Rows = list[tuple[Any, ...]]


def mapped(root: Path) -> None:
    """Make a table with renamed, dropped and added columns and rows that are deleted in place; the newest version is 1."""
    (root / "ä b").mkdir(parents=True)
    number = pa.array(range(3000), pa.int64())
    notes = [f"t{i}" for i in range(3000)]
    first = {"col-1": number, "col-2": notes, "col-9": ["dropped"] * 3000}
    second = {"col-1": pa.array(range(3000, 3006), pa.int64()), "col-2": notes[:6], "col-4": [0.5] * 6}
    pq.write_table(pa.table(first), root / "ä b" / "f1.parquet", row_group_size=1000)
    pq.write_table(pa.table(second), root / "ä b" / "f 2.parquet")
    fields = [
        delta_log.field("id", "long", "col-1", 1),
        delta_log.field('re"named', "string", "col-2", 2),
        delta_log.field("country", "string", "col-3", 3),
        delta_log.field("added", "double", "col-4", 4),
    ]
    head = delta_log.table(
        fields, ["country"], ["columnMapping", "deletionVectors"],
        **{"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "9", "delta.enableDeletionVectors": "true"},
    )  # fmt: skip
    plain = delta_log.add(root, "%C3%A4%20b/f1.parquet", {"col-3": "D'E"})
    delta_log.commit(root, 0, *head, plain, delta_log.add(root, "%C3%A4%20b/f%202.parquet", {"col-3": None}))
    removed = {"path": "%C3%A4%20b/f1.parquet", "deletionTimestamp": 1, "dataChange": True}
    vector = delta_log.deletion_vector(root, [1, *range(990, 1500), 2999])
    again = delta_log.add(
        root, "%C3%A4%20b/f1.parquet", {"col-3": "D'E"}, deletionVector=vector, stats='{"numRecords": 3000}'
    )
    delta_log.commit(root, 1, {"remove": removed}, again)


def by_delta(place: Path, version: int | None = None) -> Rows:
    """Give a table's rows as delta-rs reads them."""
    found = deltalake.DeltaTable(place.as_uri(), version=version)
    return sorted(map(tuple, (row.values() for row in pa.table(found.scan()).to_pylist())))


def by_sandbox(lake: SourceProject, version: int | None = None, part: str = "") -> Rows:
    with Session(threads=2) as session:
        table = open_table(session, list_source("source", base=lake.root), "people", TableSection(version=version))
        found = session.fetch_rows(f"select * from ({build_select(table)}) {part} order by id")
        assert table.rows == len(session.fetch_rows(f"select 1 from ({build_select(table)})"))
    return found


@pytest.mark.parametrize("version", [0, 1, None])
def test_mapped_columns_and_deleted_rows_are_as_delta_reads_them(lake: SourceProject, version: int | None) -> None:
    mapped(lake.source / "people")
    assert by_sandbox(lake, version) == by_delta(lake.source / "people", version)
    assert len(by_sandbox(lake, version)) == (3006 if version == 0 else 3006 - 512)


def test_a_draw_leaves_deleted_rows_out_and_resumes_to_the_same_bytes(lake: SourceProject) -> None:
    mapped(lake.source / "people")
    every = ONE.replace("rate = 0.5", "rate = 1.0")
    sample, manifest = lake.draw(every)
    read = [id_ for path in sample.tables["people"].paths for id_ in pq.read_table(path)["id"].to_pylist()]
    assert sorted(read) == [row[0] for row in by_delta(lake.source / "people")]
    assert manifest.tables["people"].source_rows == 3006 - 512
    again, _ = lake.draw(every, home=lake.root / "home 2")
    assert [path.read_bytes() for path in again.tables["people"].paths] == [
        path.read_bytes() for path in sample.tables["people"].paths
    ]


def test_a_whole_table_comes_without_its_deleted_rows(lake: SourceProject) -> None:
    mapped(lake.source / "people")
    pq.write_table(pa.table({"v": range(50), "p": range(0, 100, 2)}), lake.source / "visits.parquet")
    sections = """
[sample]
unit = "visits"
rate = 1.0
[tables.visits]
key = ["v"]
references = { p = "people.id" }
[tables.people]
keep = "all"
"""
    sample, manifest = lake.draw(sections)
    for path in sample.tables["people"].paths:
        read = pq.read_table(path)["id"].to_pylist()
        assert read == sorted(read)
    assert manifest.tables["people"].rows == 3006 - 512


def test_a_version_is_part_of_what_is_asked_for(lake: SourceProject) -> None:
    written(lake, "people", pa.table({"id": range(100)}))
    written(lake, "people", pa.table({"id": range(100, 200)}), mode="append")
    every = ONE.replace("rate = 0.5", "rate = 1.0")
    pinned, first = lake.draw(every + "version = 0\n")
    newest, second = lake.draw(every)
    assert (first.tables["people"].rows, second.tables["people"].rows) == (100, 200)
    assert first.snapshots["people"].version == 0
    assert pinned.fingerprint != newest.fingerprint


def test_a_newer_version_does_not_disturb_a_draw_and_a_lost_file_ends_it(lake: SourceProject) -> None:
    written(lake, "people", pa.table({"id": range(100)}))
    project = lake.project(ONE)
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    written(lake, "people", pa.table({"id": range(100, 200)}), mode="overwrite")
    sample = draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress())
    assert all(one < 100 for path in sample.tables["people"].paths for one in pq.read_table(path)["id"].to_pylist())
    for path in plan.tables["people"].files:
        Path(path.path).unlink()
    gone = r"^people: data files of version 0 are not there any more, probably since vacuum has removed them: part-"
    with pytest.raises(SourceError, match=gone):
        draw_sample(project, plan, home=lake.root / "home 2", threads=1, progress=SilentProgress())
    with pytest.raises(SourceError, match=gone) as caught:
        plan_sample(lake.project(ONE + "version = 0\n"), threads=1, progress=SilentProgress())
    assert "name a later one in [tables.people]" in caught.value.hint


def test_a_table_without_rows(lake: SourceProject) -> None:
    deltalake.DeltaTable.create(
        (lake.source / "people").as_uri(), schema=pa.schema([("id", pa.int64()), ("note", pa.string())])
    )
    assert by_sandbox(lake) == []
    with pytest.raises(SandboxError, match="there is nothing to sample in people"):
        plan_sample(lake.project(ONE), threads=1, progress=SilentProgress())


def test_a_column_of_text_that_is_to_be_a_number(lake: SourceProject) -> None:
    written(lake, "people", pa.table({"id": ["1", "2"], "p": ["1", "x"]}), partition_by=["p"])
    with pytest.raises(SandboxError, match=r"people\.p is to be BIGINT, and 1 value is not; one is written like 'a'"):
        plan_sample(lake.project(ONE + '[tables.people.types]\np = "BIGINT"\n'), threads=1, progress=SilentProgress())


@pytest.mark.parametrize(
    ("section", "error", "words"),
    [
        (
            "version = 7",
            ConfigError,
            r"\[tables.people\] version = 7: the newest version of the Delta table is 0",
        ),
        (
            "version = 0\n[tables.plain]\nversion = 3",
            ConfigError,
            "only Delta tables have versions, this is parquet",
        ),
    ],
)
def test_versions_that_are_not_there(lake: SourceProject, section: str, error: type[Exception], words: str) -> None:
    written(lake, "people", pa.table({"id": range(10)}))
    pq.write_table(pa.table({"id": range(10)}), lake.source / "plain.parquet")
    with pytest.raises(error, match=words):
        plan_sample(lake.project(ONE + section + "\n"), threads=1, progress=SilentProgress())


def test_what_cannot_be_read_of_a_delta_table(lake: SourceProject, monkeypatch: pytest.MonkeyPatch) -> None:
    root = lake.source / "people"
    root.mkdir()
    pq.write_table(pa.table({"id": range(10)}), root / "f.parquet")
    head = delta_log.table([delta_log.field("id", "long")], [], ["someNewThing"])
    delta_log.commit(root, 0, *head, delta_log.add(root, "f.parquet", {}))
    with pytest.raises(SourceError, match="someNewThing"):
        plan_sample(lake.project(ONE), threads=1, progress=SilentProgress())
    inner = {"type": "struct", "fields": [delta_log.field("was", "long", "col-7", 7)]}
    mode = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "9"}
    fields = [delta_log.field("id", "long", "id", 1), delta_log.field("nested", inner, "nested", 2)]
    delta_log.commit(root, 0, *delta_log.table(fields, [], ["columnMapping"], **mode))
    with pytest.raises(SourceError, match=r"people\.nested: its field was has another name"):
        plan_sample(lake.project(ONE), threads=1, progress=SilentProgress())
    (root / "_delta_log" / f"{0:020d}.json").write_text("{broken")
    with pytest.raises(SourceError, match=r"the Delta table in .* cannot be read"):
        plan_sample(lake.project(ONE), threads=1, progress=SilentProgress())
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(SourceError, match="which is not installed") as caught:
        plan_sample(lake.project(ONE), threads=1, progress=SilentProgress())
    assert "pip install 'deltalake>=1.6'" in caught.value.hint


def test_a_uri_that_is_itself_a_delta_table(lake: SourceProject) -> None:
    written(lake, "people", pa.table({"id": range(10)}))
    with pytest.raises(SourceError, match="is itself a Delta table"):
        plan_sample(lake.project(ONE, uri="source/people"), threads=1, progress=SilentProgress())
