"""Folders that are partitioned by columns: the rows of the table, whatever the folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest

from sandbox.engine.duckdb.session import Session
from sandbox.errors import SandboxError, SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import build_select

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import SourceProject

ONE = """
[sample]
unit = "people"
rate = 0.5
min_per_stratum = 0
[tables.people]
key = ["id"]
"""


def test_types_of_partition_columns_come_from_all_their_values(lake: SourceProject) -> None:
    make(lake, "a=1/b=2024-01-01/c=007", "select 1 as id")
    make(lake, "a=-5/b=__HIVE_DEFAULT_PARTITION__/c=8", "select 2 as id")
    with Session() as session:
        table = open_table(session, list_source("source", base=lake.root), "people")
        assert dict(table.columns) == {"id": "INTEGER", "a": "BIGINT", "b": "DATE", "c": "VARCHAR"}
        found = session.fetch_rows(f"select id, a, b::varchar, c from ({build_select(table)}) order by id")
    assert found == [(1, 1, "2024-01-01", "007"), (2, -5, None, "8")]


def make(lake: SourceProject, folder: str, select: str) -> Path:
    path = lake.source / "people" / folder / "part-0.parquet"
    path.parent.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"copy ({select}) to '{str(path).replace(chr(39), chr(39) * 2)}'")
    return path


def test_a_column_that_the_files_have_too_is_the_files(lake: SourceProject) -> None:
    make(lake, "a=1", "select 1 as id, 'own' as a")
    make(lake, "a=2", "select 2 as id, 'other' as a")
    with Session() as session:
        table = open_table(session, list_source("source", base=lake.root), "people")
        found = session.fetch_rows(f"select id, a from ({build_select(table)}) order by id")
    assert found == [(1, "own"), (2, "other")]


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["a=1", "a=2/b=1"], "mixes partitions: people/a=1/part-0.parquet lies in folders of a"),
        (["a=1", "b=1"], "of a, people/b=1/part-0.parquet of b"),
        ([".", "b=1"], "people/part-0.parquet of no column"),
        (["a=1/a=2"], "names the column a twice"),
        (["=1"], "names no column"),
        (["a=%ff"], "is not written in UTF-8"),
        (["a=1/sub"], "has folders in it (sub) that are no partitions"),
        (["ID=1"], "differ at most in case: ID, id"),
    ],
)
def test_layouts_that_are_no_one_table(lake: SourceProject, folders: list[str], words: str) -> None:
    for folder in folders:
        make(lake, folder, "select 1 as id")
    with pytest.raises(SourceError) as caught:
        plan_sample(lake.project(ONE), threads=1, progress=SilentProgress())
    assert words in caught.value.message


def test_a_condition_on_a_partition_leaves_the_other_files_unread(lake: SourceProject) -> None:
    make(lake, "a=1", "select i as id from range(100) r(i)")
    broken = make(lake, "a=2", "select i + 100 as id from range(1000) r(i)")
    text = broken.read_bytes()
    middle = len(text) // 2
    broken.write_bytes(text[:4] + b"\0" * (middle - 4) + text[middle:])  # its footer is whole
    with Session() as session:
        table = open_table(session, list_source("source", base=lake.root), "people")
        hashed = f"select bit_xor(hash(id)) from ({build_select(table)})"
        assert session.fetch_rows(f"{hashed} where a = 1 and id >= 0") == session.fetch_rows(
            "select bit_xor(hash(i)) from range(100) r(i)"
        )
        with pytest.raises(SandboxError, match="a query"):
            session.fetch_rows(hashed)


def test_a_fixed_type_that_a_partition_does_not_fit(lake: SourceProject) -> None:
    make(lake, "a=1", "select 1 as id")
    make(lake, "a=x", "select 2 as id")
    with pytest.raises(SandboxError, match=r"people\.a is to be BIGINT, and 1 value is not; one is written like 'a'"):
        plan_sample(lake.project(ONE + "[tables.people.types]\na = 'BIGINT'\n"), threads=1, progress=SilentProgress())


def test_a_partition_that_comes_after_the_plan_is_outside_the_sample(lake: SourceProject) -> None:
    from sandbox.sampler.draw.draw import draw_sample  # noqa: PLC0415 - the sampler is slow to import

    make(lake, "a=1", "select i as id from range(100) r(i)")
    project = lake.project(ONE)
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    make(lake, "a=2", "select i + 100 as id from range(100) r(i)")
    sample = draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress())
    ids = pq.read_table(sample.path / "tables" / "people")["id"].to_pylist()
    assert 0 < len(ids) <= max(ids) < 100
