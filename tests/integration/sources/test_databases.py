"""Database files: DuckDB's own, and SQLite's, whose columns have no types."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest

from sandbox.config.sections.sample import TableSection
from sandbox.engine.database_schema import DeclaredReference
from sandbox.engine.duckdb.session import Session
from sandbox.errors import ConfigError, SandboxError, SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.draw.work_items import RANGE_BYTES, list_items
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.adapters.duckdb_file import DuckDBAdapter
from sandbox.sources.adapters.sqlite_file import SQLiteAdapter
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import build_select, get_adapter
from tests.integration.sources.writers import duckdb_file

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


def test_keys_and_references_that_a_duckdb_file_declares(lake: SourceProject) -> None:
    file = lake.root / "a.duckdb"
    with duckdb_file(file) as connection:
        connection.execute("""
            create table people (id integer primary key);
            create schema "s.2";
            create table "s.2".parents (y integer, n varchar, u integer unique not null, primary key (y, n));
            create table "s.2".children (u integer references "s.2".parents (u), y integer, n varchar,
                foreign key (y, n) references "s.2".parents (y, n));
        """)
    children, parents, people = sorted(DuckDBAdapter().read_catalog(file)[0], key=lambda one: one.table)
    assert (people.schema, people.table, people.key) == ("main", "people", ("id",))
    assert (parents.schema, parents.key) == ("s.2", ("y", "n"))
    assert children.key == ()
    assert sorted(children.references, key=lambda one: one.columns) == [
        DeclaredReference(columns=("u",), schema="s.2", table="parents", key=("u",)),
        DeclaredReference(columns=("y", "n"), schema="s.2", table="parents", key=("y", "n")),
    ]


def test_keys_and_references_that_a_sqlite_file_declares(lake: SourceProject) -> None:
    file = lake.root / "a.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("""
            create table parents (y integer, n text, primary key (y, n)) without rowid;
            create table "chil""dren" (id integer primary key, y integer, n text, p integer references "chil""dren",
                foreign key (y, n) references parents);
            create virtual table words using fts5(text);
        """)
    found = {one.table: one for one in SQLiteAdapter().read_catalog(file)[0]}
    assert found["parents"].key == ("y", "n")
    assert found['chil"dren'].key == ("id",)
    assert {(one.columns, one.table, one.key) for one in found['chil"dren'].references} == {
        (("p",), 'chil"dren', ("id",)),
        (("y", "n"), "parents", ("y", "n")),
    }
    assert "words" not in found


def columns(
    lake: SourceProject, uri: str, types: dict[str, str] | None = None
) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    with Session(threads=2) as session:
        table = open_table(session, list_source(uri, base=lake.root), "people", TableSection(types=types or {}))
        return dict(table.columns), session.fetch_rows(f"select * from ({build_select(table)})")


def sqlite_file(lake: SourceProject, *statements: str) -> Path:
    file = lake.root / "a.db"
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return file


def test_types_of_sqlite_columns_come_from_their_values(lake: SourceProject) -> None:
    sqlite_file(
        lake,
        "create table people (id, r NUMERIC, b BOOLEAN, nb BOOLEAN, d DATE, nd DATE, t DATETIME, e INT, n DECIMAL(5,2), x BLOB, w)",
        "insert into people values (1, 1.5, 1, 2, '2024-01-01', '2024-01-01', '2024-01-01', null, 7, x'00ff', 9007199254740992)",
        "insert into people values (2, 3, 0, 0, '2024-12-31', '1.2.2024', '2024-01-01 10:00:00', null, 1.25, null, 0.5)",
    )
    types, rows = columns(lake, "a.db")
    assert types == {
        "id": "BIGINT", "r": "DOUBLE", "b": "BOOLEAN", "nb": "BIGINT", "d": "DATE", "nd": "VARCHAR", "t": "TIMESTAMP",
        "e": "BIGINT", "n": "DOUBLE", "x": "BLOB", "w": "DOUBLE",
    }  # fmt: skip
    assert [row[:4] for row in rows] == [(1, 1.5, True, 2), (2, 3.0, False, 0)]


def test_a_sqlite_column_of_several_kinds_is_refused_or_read_as_text(lake: SourceProject) -> None:
    sqlite_file(
        lake,
        "create table people (id integer primary key, v)",
        "insert into people values (1, 5), (2, 'v'), (3, null), (4, 2.5)",
    )
    with pytest.raises(SourceError, match=r"people\.v holds values of several kinds: integer and real and text"):
        columns(lake, "a.db")
    types, rows = columns(lake, "a.db", {"v": "VARCHAR"})
    assert types["v"] == "VARCHAR"
    assert rows == [(1, "5"), (2, "v"), (3, None), (4, "2.5")]
    with pytest.raises(SandboxError, match=r"people\.v is to be BIGINT, and 1 value is not; one is written like 'a'"):
        columns(lake, "a.db", {"v": "BIGINT"})


def test_numbers_that_a_double_cannot_hold_are_no_doubles(lake: SourceProject) -> None:
    sqlite_file(lake, "create table people (id, v)", "insert into people values (1, 9007199254740993), (2, 0.5)")
    with pytest.raises(SourceError, match="integer and real"):
        columns(lake, "a.db")


def test_text_of_a_sqlite_file_that_is_not_utf8(lake: SourceProject) -> None:
    sqlite_file(lake, "create table people (id, v)", "insert into people values (1, cast(x'ff' as text))")
    with pytest.raises(SourceError, match=r"a\.db"):
        plan_sample(lake.project(ONE, uri="a.db"), threads=1, progress=SilentProgress())


def test_conditions_on_sqlite_columns_whatever_their_names(lake: SourceProject) -> None:
    sqlite_file(
        lake,
        'create table people (id integer, "c1" integer, "a""b" text, "not" real)',
        "with recursive s(i) as (select 1 union all select i + 1 from s where i < 50000) "
        "insert into people select i, i % 7, 'x' || (i % 3), i * 0.5 from s",
    )
    with Session(threads=2) as session:
        table = open_table(session, list_source("a.db", base=lake.root), "people")
        rows = build_select(table)
        found = session.fetch_rows(
            f'select count(*), sum(id) from ({rows}) where "c1" = 3 and "a""b" in (\'x1\', \'x2\') and "not" > 100'
        )
        joined = session.fetch_rows(f"select count(*) from ({rows}) a join ({rows}) b using (id)")
    expected = [i for i in range(1, 50001) if i % 7 == 3 and i % 3 and i * 0.5 > 100]
    assert found == [(len(expected), sum(expected))]
    assert joined == [(50000,)]


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=60)
connection.execute("insert into people select id + 10000, v from people where id < 10000")
connection.commit()
"""


def write_elsewhere(file: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITER, str(file)], check=True)


def test_a_writer_does_not_disturb_a_draw_from_a_file_in_wal_mode(lake: SourceProject) -> None:
    file = sqlite_file(lake, "pragma journal_mode = wal", "create table people (id integer, v real)")
    numbered = "with recursive s(i) as (select 1 union all select i + 1 from s where i < 500) "
    sqlite_file(lake, numbered + "insert into people select i, i * 0.5 from s")
    project = lake.project(ONE.replace("0.5", "1.0"), uri="a.db")
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    write_elsewhere(file)
    sample = draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress())
    read = [one for path in sample.tables["people"].paths for one in pq.read_table(path)["id"].to_pylist()]
    assert sorted(read) == list(range(1, 501))


def test_a_wal_that_the_engine_cannot_find_is_refused(lake: SourceProject) -> None:
    with duckdb_file(lake.root / "a.duckdb") as connection:
        connection.execute("create table people as select 1 as id")
    (lake.root / "a.duckdb.wal").write_bytes(b"rows that were committed")
    with pytest.raises(SourceError, match=r"has a \? in its path"):
        plan_sample(lake.project(ONE, uri="a.duckdb"), threads=1, progress=SilentProgress())


def test_a_writer_between_counting_and_drawing_is_noticed_without_wal(lake: SourceProject) -> None:
    file = sqlite_file(lake, "create table people (id integer, v real)", "insert into people values (1, 0.5), (2, 1.5)")
    project = lake.project(ONE.replace("0.5", "1.0"), uri="a.db")
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    write_elsewhere(file)
    with pytest.raises(SourceError, match=r"the source changed while it was read: a\.db"):
        draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress())


def test_a_duckdb_file_that_changes_or_is_open_elsewhere(lake: SourceProject) -> None:
    lake = replace(lake, root=lake.root.parent)  # whose path has no ?
    file = lake.root / "a.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table people as select i as id from range(1000) r(i)")
    project = lake.project(ONE, uri="a.duckdb")
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute('insert into people values (5000)'); print('in', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(SourceError, match="is open for writing in another program"):
            plan_sample(project, threads=1, progress=SilentProgress())
        other.communicate()
    with pytest.raises(SourceError, match=r"the source changed while it was read: a\.duckdb"):
        draw_sample(project, plan, home=lake.home, threads=1, progress=SilentProgress())


def test_duckdb_types_that_a_sample_cannot_keep(lake: SourceProject) -> None:
    with duckdb_file(lake.root / "a.duckdb") as connection:
        connection.execute("create type mood as enum ('a', 'b'); create table people (id integer, m mood, h hugeint)")
        connection.execute("insert into people values (1, 'b', 170141183460469231731687303715884105727)")
    with pytest.raises(SourceError, match=r"people\.h is HUGEINT, which Parquet cannot keep"):
        columns(lake, "a.duckdb")
    types, rows = columns(lake, "a.duckdb", {"h": "VARCHAR"})
    assert types == {"id": "INTEGER", "m": "VARCHAR", "h": "VARCHAR"}
    assert rows == [(1, "b", "170141183460469231731687303715884105727")]


def test_a_large_duckdb_table_is_cut_and_keeps_its_rows(lake: SourceProject, monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb_file(lake.root / "a.duckdb") as connection:
        connection.execute("create table people as select i as id, hash(i) as v from range(600000) r(i)")
        connection.execute("delete from people where id between 1000 and 300000")
    monkeypatch.setattr("sandbox.sampler.draw.work_items.RANGE_BYTES", 2**20)
    with Session(threads=2) as session:
        table = open_table(session, list_source("a.duckdb", base=lake.root), "people")
        assert len(list_items(table, get_adapter(table).read_row_groups(table, RANGE_BYTES))) > 2
    assert RANGE_BYTES > 2**20
    _, manifest = lake.draw(ONE.replace("0.5", "1.0"), uri="a.duckdb")
    assert manifest.tables["people"].rows == 600000 - 299001
    assert len(manifest.tables["people"].files) > 1


def test_ctrl_c_while_a_sqlite_file_is_read_ends_the_command_as_interrupted(lake: SourceProject) -> None:
    sqlite_file(
        lake,
        "create table people (id integer primary key, v text)",
        "with recursive s(i) as (select 1 union all select i + 1 from s where i < 1000000) "
        "insert into people select i, 'text ' || i from s",
    )
    lake.project(ONE, uri="a.db")
    command = [
        str(Path(sys.executable).parent / "sandbox"),
        "sample",
        "--config",
        str(lake.root / "sandbox.toml"),
    ]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"SANDBOX_HOME": str(lake.home)}
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("counting"):  # the whole table is read from here on, several times
                running.send_signal(signal.SIGINT)
                break
        rest = running.stderr.read()
    assert rest.strip() == "error: interrupted"
    assert running.returncode == 130


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"id\n1\n", SourceError, "is a file, and neither a folder nor a DuckDB or SQLite database"),
        (b"SQLite format 3\0broken", SourceError, "cannot be read as a SQLite file"),
        (bytes(8) + b"DUCK" + bytes(5000), SourceError, "cannot be read as a DuckDB file"),
        (None, SourceError, "is not there"),
    ],
)
def test_files_that_are_no_database(
    lake: SourceProject, content: bytes | None, error: type[Exception], words: str
) -> None:
    if content is not None:
        (lake.root / "a.db").write_bytes(content)
    with pytest.raises(error, match=words):
        plan_sample(lake.project(ONE, uri="a.db"), threads=1, progress=SilentProgress())


def test_a_table_that_a_database_lacks(lake: SourceProject) -> None:
    sqlite_file(lake, "create table peeple (id integer)")
    with pytest.raises(ConfigError, match="the source has no table people") as caught:
        plan_sample(lake.project(ONE, uri="a.db"), threads=1, progress=SilentProgress())
    assert caught.value.hint == 'did you mean "peeple"?'
