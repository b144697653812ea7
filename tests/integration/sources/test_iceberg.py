"""Iceberg tables: the rows of one snapshot and no others, with all kinds of deletes and changes of the schema."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import DateType, LongType, NestedField, StringType
from pyiceberg.utils.config import Config

from sandbox.config.sections.sample import TableSection
from sandbox.engine.duckdb.session import Session
from sandbox.errors import ConfigError, SandboxError, SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import build_select
from tests.integration.sources.conftest import ICEBERG_URI, iceberg_address
from tests.integration.sources.iceberg_log import delete_places, delete_values

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from tests.projects import SourceProject

ONE = """
[sample]
unit = "people"
rate = 1.0
min_per_stratum = 0
[tables.people]
key = ["id"]
"""
Rows = list[tuple[Any, ...]]


def people(catalog: SqlCatalog, rows: pa.Table, **more: Any) -> Table:
    table = catalog.create_table("shop.people", schema=rows.schema, **more)
    table.append(rows)
    return table


def by_sandbox(lake: SourceProject, snapshot: int | None = None, columns: str = "*") -> Rows:
    with Session(threads=2) as session:
        table = open_table(session, list_source(ICEBERG_URI, base=lake.root), "people", TableSection(snapshot=snapshot))
        found = session.fetch_rows(f"select {columns} from ({build_select(table)}) order by id")
        assert table.rows == len(found)
    return found


def by_iceberg(table: Table, snapshot: int | None = None) -> Rows:
    """Give a table's rows as pyiceberg itself reads them."""
    table.refresh()
    return sorted(map(tuple, (row.values() for row in table.scan(snapshot_id=snapshot).to_arrow().to_pylist())))


def test_changes_of_the_schema_and_older_snapshots(lake: SourceProject, catalog: SqlCatalog) -> None:
    table = people(catalog, pa.table({"id": pa.array([1, 2], pa.int32()), "old": ["a", "b"], "gone": ["x", "y"]}))
    first = table.current_snapshot()
    assert first is not None
    with table.update_schema() as change:
        change.rename_column("old", 'ne"w')
        change.delete_column("gone")
        change.update_column("id", LongType())
        change.add_column("gone", StringType())  # another column of that name
        change.add_column("day", DateType())
    table.append(
        pa.table({"id": pa.array([3], pa.int64()), 'ne"w': ["c"], "gone": ["back"], "day": [dt.date(2024, 1, 1)]})
    )
    expected = [(1, "a", None, None), (2, "b", None, None), (3, "c", "back", dt.date(2024, 1, 1))]
    assert by_sandbox(lake) == expected == by_iceberg(table)
    assert by_sandbox(lake, first.snapshot_id) == [(1, "a", "x"), (2, "b", "y")] == by_iceberg(table, first.snapshot_id)


def test_rows_that_are_deleted_by_place(lake: SourceProject, catalog: SqlCatalog) -> None:
    table = people(catalog, pa.table({"id": range(5000), "v": [f"v{i}" for i in range(5000)]}))
    table.append(pa.table({"id": range(5000, 5010), "v": ["w"] * 10}))
    before = table.current_snapshot()
    assert before is not None
    first, second = sorted((task.file for task in table.scan().plan_files()), key=lambda file: -file.record_count)
    delete_places(table, {first.file_path: [0, *range(2000, 3000)], second.file_path: [9]})
    delete_places(table, {first.file_path: [0, 4999]})
    gone = {0, *range(2000, 3000), 4999, 5009}
    assert [row[0] for row in by_sandbox(lake)] == [i for i in range(5010) if i not in gone]
    assert by_sandbox(lake) == by_iceberg(table)
    assert len(by_sandbox(lake, before.snapshot_id)) == 5010


def test_rows_that_are_deleted_by_value_where_they_are_older(lake: SourceProject, catalog: SqlCatalog) -> None:
    table = people(catalog, pa.table({"id": [1, 2, 3, 4], "a": ["x", None, "x", "y"], "b": [1, 1, 2, None]}))
    delete_values(table, pa.table({"a": pa.array(["x", None], pa.string()), "b": pa.array([2, 1], pa.int64())}))
    table.append(pa.table({"id": [5, 6], "a": ["x", None], "b": [2, 1]}))  # the same values again, later
    assert [row[0] for row in by_sandbox(lake)] == [1, 4, 5, 6]
    delete_values(table, pa.table({"id": [6]}))
    with table.update_schema() as change:
        change.rename_column("id", "number")
        change.rename_column("b", "id")
    assert [row[0] for row in by_sandbox(lake, columns="number")] == [1, 5, 4]  # by id, which is b now
    with pytest.raises(ValueError, match="equality deletes"):  # the reason why entries are put together here
        by_iceberg(table)


def test_deletes_by_value_count_for_their_partition_only(lake: SourceProject, catalog: SqlCatalog) -> None:
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "p", StringType()))
    spec = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="p"))
    rows = pa.table({"id": [1, 2, 1, 2], "p": ["a", "a", "b", None]})
    table = catalog.create_table("shop.people", schema=schema, partition_spec=spec)
    table.append(rows)
    delete_values(table, pa.table({"id": [1]}), partition=Record("a"))
    delete_values(table, pa.table({"id": [2]}), partition=Record(None))
    assert sorted(by_sandbox(lake), key=str) == [(1, "b"), (2, "a")]


def test_files_of_hive_tables_that_were_added_have_their_partition_and_names(
    lake: SourceProject, catalog: SqlCatalog
) -> None:
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "p", StringType()))
    spec = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="p"))
    table = catalog.create_table("shop.people", schema=schema, partition_spec=spec)
    folder = lake.root.parent / "added"
    folder.mkdir()
    pq.write_table(pa.table({"id": [1, 2], "p": ["a", "a"]}), folder / "f.parquet")
    table.add_files([str(folder / "f.parquet")])
    pq.write_table(
        pa.table({"id": [1, 2]}), folder / "f.parquet"
    )  # as Hive has it: without the column, and without ids
    assert by_sandbox(lake) == [(1, "a"), (2, "a")]


def test_a_draw_of_a_table_with_deletes_resumes_to_the_same_bytes(lake: SourceProject, catalog: SqlCatalog) -> None:
    table = people(catalog, pa.table({"id": range(5000), "v": [f"v{i}" for i in range(5000)]}))
    [task] = table.scan().plan_files()
    delete_places(table, {task.file.file_path: list(range(0, 5000, 7))})
    sample, manifest = lake.draw(ONE, uri=ICEBERG_URI)
    again, _ = lake.draw(ONE, uri=ICEBERG_URI, home=lake.root / "home 2")
    assert manifest.tables["people"].rows == manifest.tables["people"].source_rows == 5000 - 715
    assert [path.read_bytes() for path in sample.tables["people"].paths] == [
        path.read_bytes() for path in again.tables["people"].paths
    ]


def test_without_a_namespace_tables_have_its_name(
    lake: SourceProject, catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(catalog, pa.table({"id": [1]}))
    catalog.create_namespace("shop.eu")
    catalog.create_table("shop.eu.stock", schema=pa.schema([("id", pa.int64())]))
    assert sorted(list_source("iceberg+sqlite:///catalog.db", base=lake.root).files) == [
        "shop.eu.stock",
        "shop.people",
    ]
    monkeypatch.setenv("PYICEBERG_CATALOG__HERE__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__HERE__URI", iceberg_address(lake))
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # which was read when it was imported
    second = SqlCatalog("here", uri=iceberg_address(lake), warehouse=str(lake.root.parent / "other"))
    second.create_namespace("shop")
    second.create_table("shop.people", schema=pa.schema([("id", pa.int64())]))
    second.close()
    assert list(list_source("iceberg://here/shop", base=lake.root).files) == ["people"]
    with pytest.raises(SourceError, match="several catalogues: here, prod"):
        list_source(ICEBERG_URI, base=lake.root)
    assert list(list_source(f"{ICEBERG_URI}&catalog=prod", base=lake.root).files) == ["people"]


def test_what_cannot_be_read_of_iceberg(
    lake: SourceProject, catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failure(sections: str = ONE, uri: str = ICEBERG_URI) -> SandboxError:
        with pytest.raises(SandboxError) as caught:
            plan_sample(lake.project(sections, uri=uri), threads=1, progress=SilentProgress())
        return caught.value

    assert "holds no table" in failure().message
    table = people(catalog, pa.table({"id": range(10)}))
    wrong = failure(ONE + "snapshot = 7\n")
    current = table.current_snapshot()
    assert current is not None
    assert isinstance(wrong, ConfigError)
    assert "snapshot = 7: the Iceberg table has no such snapshot" in wrong.message
    assert str(current.snapshot_id) in wrong.hint
    assert "only Delta tables have versions, this is iceberg" in failure(ONE + "version = 1\n").message
    assert "is not there" in failure(uri="iceberg+sqlite:///typo.db").message
    assert "typo" in failure(uri=ICEBERG_URI.replace("shop", "typo")).message
    assert "cannot be read" in failure(uri="iceberg://nowhere/shop").message
    assert failure(ONE.replace("people", "peeple")).hint == 'did you mean "people"?'
    [task] = table.scan().plan_files()
    Path(task.file.file_path).unlink()
    assert isinstance(failure(), SourceError)
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog", None)
    assert "pip install 'pyiceberg[pyarrow,sql-sqlite]>=0.12'" in failure().hint
