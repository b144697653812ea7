"""MariaDB as a source, beside the contract: types, the rule in its SQL, one snapshot, collations, and clear errors."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import pytest

from sandbox.engine.database_schema import DeclaredReference
from sandbox.engine.duckdb.session import Session
from sandbox.engine.duckdb.table_functions import build_table_function
from sandbox.engine.mysql import catalog
from sandbox.engine.mysql.snapshot import MySQLLimits, MySQLSnapshot
from sandbox.errors import ConfigError, DataRuleError, SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import build_select
from sandbox.suggest import build_proposal
from tests.prn_vectors import check_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.sources.mariadb import MariaDB
    from tests.projects import SourceProject

ODD = '[sample]\nunit = "odd"\nrate = 1.0\n[tables.odd]\nkey = ["id"]\n'


@pytest.fixture
def database(mariadb: MariaDB, request: pytest.FixtureRequest) -> Iterator[MariaDB]:
    """An empty database of the test's own."""
    name = "of_" + re.sub(r"\W", "_", request.node.name)[:60]  # everybody may do everything in test_…
    mariadb.execute(f"create database `{name}`")
    yield replace(mariadb, database=name)
    left = mariadb.execute(f"select id from information_schema.processlist where db = '{name}'")
    mariadb.execute(*(f"kill {number}" for (number,) in left), f"drop database `{name}`")


VALUES = {
    "tiny tinyint": ("-128", "TINYINT", "-128"),
    "flag boolean": ("true", "TINYINT", "1"),
    "small smallint unsigned": ("65535", "USMALLINT", "65535"),
    "medium mediumint": ("-8388608", "INTEGER", "-8388608"),
    "big bigint": ("-9223372036854775808", "BIGINT", "-9223372036854775808"),
    "huge bigint unsigned": ("18446744073709551615", "UBIGINT", "18446744073709551615"),
    "padded int(8) zerofill": ("42", "UINTEGER", "42"),
    "price decimal(38, 10)": ("'1234567890123456789012345678.0000000001'", "DECIMAL(38,10)", "1234567890123456789012345678.0000000001"),
    "wide decimal(65, 30)": ("'0.000000000000000000000000000001'", "VARCHAR", "0.000000000000000000000000000001"),
    "ratio double": ("0.1e0 + 0.2e0", "DOUBLE", "0.30000000000000004"),
    "part float": ("16777215", "FLOAT", "16777215.0"),
    "bits bit(64)": ("b'1000000000000000000000000000000000000000000000000000000000000001'", "UBIGINT", "9223372036854775809"),
    "day date": ("'9999-12-31'", "DATE", "9999-12-31"),
    "moment datetime(6)": ("'2020-01-02 03:04:05.123456'", "TIMESTAMP", "2020-01-02 03:04:05.123456"),
    "instant timestamp(6) null": ("'2020-01-02 03:04:05.000001'", "TIMESTAMP WITH TIME ZONE", "2020-01-02 03:04:05.000001+00"),
    "span time(6)": ("'-838:59:59.000001'", "VARCHAR", "-838:59:59.000001"),
    "season year": ("2026", "SMALLINT", "2026"),
    "mood enum('sad', 'ok')": ("'ok'", "VARCHAR", "ok"),
    "moods set('a', 'b', 'c')": ("'a,c'", "VARCHAR", "a,c"),
    "document json": ("'{\"a\": 1}'", "VARCHAR", '{"a": 1}'),  # MariaDB declares it as text
    "bytes binary(4)": ("x'00ff'", "BLOB", "\\x00\\xFF\\x00\\x00"),
    "raw longblob": ("x'27005c'", "BLOB", "\\x27\\x00\\x5C"),
    "latin varchar(20) character set latin1": ("'ä''\\\\ß'", "VARCHAR", "ä'\\ß"),
    "words text": ("'客 😀'", "VARCHAR", "客 😀"),
    "net inet6": ("'2001:db8::1'", "VARCHAR", "2001:db8::1"),
}  # fmt: skip


def test_every_type_comes_without_loss_or_as_its_text(lake: SourceProject, database: MariaDB) -> None:
    """The types are those of the catalogue, so a table without rows has the same."""
    columns = ", ".join(VALUES)
    database.execute(
        f"create table odd (id int primary key, {columns}) character set utf8mb4",
        "set time_zone = '+00:00'",
        f"insert into odd values (1, {', '.join(value for value, _, _ in VALUES.values())})",
        f"insert into odd values (2{', null' * len(VALUES)})",
        "create table empty like odd",
    )
    masks = '[tables.odd.mask]\nlatin = "none"\nmoment = "none"\n'
    sample, manifest = lake.draw(f"{ODD}{masks}[tables.empty]\n", uri=database.uri)
    names = [column.split()[0] for column in VALUES]
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        first, second = connection.sql(
            f"select columns(* exclude id)::varchar from {build_table_function(sample.tables['odd'])} order by id"
        ).fetchall()
    kinds = {column.name: column.type for column in manifest.tables["odd"].columns if column.name != "id"}
    expected = dict(zip(names, VALUES.values(), strict=True))
    assert kinds == {name: kind for name, (_, kind, _) in expected.items()}
    assert dict(zip(names, first, strict=True)) == {name: text for name, (_, _, text) in expected.items()}
    assert set(second) == {None}
    assert manifest.tables["empty"].columns == manifest.tables["odd"].columns


@pytest.mark.parametrize(
    ("kind", "value"), [("date", "0000-00-00"), ("datetime", "2020-00-00 00:00:00"), ("timestamp", "0")]
)
def test_a_zero_date_is_refused_by_its_column_and_kept_as_text(
    lake: SourceProject, database: MariaDB, kind: str, value: str
) -> None:
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("set sql_mode = ''")
        cursor.execute(f"create table odd (id int primary key, `the day` {kind})")
        cursor.execute(f"insert into odd values (1, '{value}')")
    with pytest.raises(SourceError, match=r"odd\.the day holds zero dates") as caught:
        lake.draw(ODD, uri=database.uri)
    line = '"the day" = "VARCHAR"'
    assert line in caught.value.hint
    _, manifest = lake.draw(f"{ODD}[tables.odd.types]\n{line}\n", uri=database.uri)
    assert manifest.tables["odd"].rows == 1
    proposal = build_proposal(database.uri, base=lake.root, progress=SilentProgress())
    assert proposal.tables["odd"].reading.fixed_types == {"the day": ("VARCHAR", "holds zero dates (0000-00-00)")}


def test_the_published_vectors_hold_in_its_sql(database: MariaDB) -> None:
    check_vectors(database.execute, "mysql")


def test_only_rows_that_may_be_drawn_leave_the_database(lake: SourceProject, database: MariaDB) -> None:
    database.execute(
        "create table people (id int primary key, name varchar(20) character set latin1 collate latin1_german1_ci unique)",
        "insert into people select seq, concat('ü', seq) from seq_1_to_2000",
        "create table visits (id int primary key, person varchar(20) character set latin1 collate latin1_german1_ci, "
        "foreign key (person) references people (name))",
        "insert into visits select seq, concat('ü', 1 + seq % 2000) from seq_1_to_6000",
        "set global general_log = 1",
        "set global log_output = 'TABLE'",
        "truncate mysql.general_log",
    )
    sections = (
        '[sample]\nunit = "people"\nrate = 0.1\n[tables.people]\nkey = ["name"]\nmask = { name = "none" }\n'
        '[tables.visits]\nkey = ["id"]\nreferences = { person = "people.name" }\nmask = { person = "none" }\n'
    )
    try:
        _, manifest = lake.draw(sections, uri=database.uri)
        texts = [text for (text,) in database.execute("select convert(argument using utf8mb4) from mysql.general_log")]
    finally:
        database.execute("set global general_log = 0")
    for table, rows in (("people", manifest.tables["people"].rows), ("visits", manifest.tables["visits"].rows)):
        sent = [text for text in texts if f'."{table}" as "r" where' in text]
        assert sent, texts
        for statement in sent:
            with closing(database.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("set names utf8mb4 collate utf8mb4_bin, sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
                cursor.execute(statement)
                assert len(cursor.fetchall()) == rows


def test_a_sample_under_writes_is_of_one_moment(lake: SourceProject, database: MariaDB) -> None:
    database.execute(
        "create table odd (id int primary key, x int)",
        "insert into odd select seq, 1 from seq_1_to_500",
        "create table later (id int primary key, odd int, foreign key (odd) references odd (id))",
        "create table plain (id int primary key) engine = aria",
    )
    project = lake.project(
        f'{ODD}[tables.later]\nreferences = {{ odd = "odd.id" }}\n[tables.plain]\n', uri=database.uri
    )
    plan = plan_sample(project, threads=2, progress=SilentProgress())
    database.execute("update odd set x = 2", "insert into odd values (501, 2)", "insert into later values (1, 501)")
    sample = draw_sample(project, plan, home=lake.home, threads=2, progress=SilentProgress())
    with duckdb.connect() as connection:
        found = {
            name: connection.sql(f"select count(*), min(id) from {build_table_function(files)}").fetchall()
            for name, files in sample.tables.items()
        }
        twos = connection.sql(
            f"select count(*) from {build_table_function(sample.tables['odd'])} where x = 2"
        ).fetchall()
    assert (found["odd"], found["later"], twos) == ([(500, 1)], [(0, None)], [(0,)])
    assert [
        warning for warning in plan.warnings if warning.startswith("plain has a storage engine without transactions")
    ]
    assert database.execute("select count(*) from information_schema.processlist where db = database()") == [(1,)]


def test_results_take_turns_on_the_one_connection(database: MariaDB, lake: SourceProject) -> None:
    """A query ends the wait of an open result by reading it into memory; one that is not read to its end is cancelled."""
    database.execute("create table odd (id int primary key)", "insert into odd select seq from seq_1_to_60000")
    with closing(MySQLSnapshot(database.uri, MySQLLimits())) as snapshot:
        first = snapshot.fetch_batches("select id from odd order by id")
        second = snapshot.fetch_batches("select id from odd order by id desc")
        pairs = [next(first), next(second), next(first), next(second)]
        assert [rows[0][0] for rows in pairs] == ["1", "60000", "10001", "50000"]
        assert snapshot.fetch_rows("select count(*) from odd") == [("60000",)]
        assert sum(map(len, first)) == sum(map(len, second)) == 40000
        half = snapshot.fetch_batches("select a.id from odd a join odd b")
        assert len(next(half)) == 10_000
        half.close()
        assert snapshot.fetch_rows("select count(*) from odd") == [("60000",)]
    with closing(list_source(database.uri, base=lake.root)) as listing, Session(threads=2) as session:
        table = open_table(session, listing, "odd")
        select = build_select(table)
        both = f"select count(*) from ({select}) a join ({select}) b using (id)"
        assert session.fetch_rows(both) == [(60000,)]
        assert session.fetch_rows(f"select count(*) from ({select} union all {select})") == [(120000,)]


def test_the_catalogue_gives_keys_references_and_views(lake: SourceProject, database: MariaDB) -> None:
    name = database.database
    database.execute(
        "create table `a b` (y int, n varchar(20), t text, primary key (y, n), unique (t(5)))",
        "create table c (id int, y int, n varchar(20), maybe int unique, must int not null unique, foreign key (y, n) references `a b` (y, n))",
        "create view v as select id from c",
        "create sequence s",
    )
    with closing(MySQLSnapshot(database.uri, MySQLLimits())) as snapshot:
        found = {table.declaration.table: table for table in catalog.list_tables(snapshot)}
    assert set(found) == {"a b", "c", "v"}
    assert found["a b"].declaration.key == ("y", "n")
    assert found["c"].declaration.key == ("must",)
    assert found["c"].declaration.references == (
        DeclaredReference(columns=("y", "n"), schema=name, table="a b", key=("y", "n")),
    )
    database.execute("insert into `a b` select seq, 'x', seq from seq_1_to_300")
    proposal = build_proposal(database.uri, base=lake.root, progress=SilentProgress())
    assert set(proposal.tables) == {"a b", "c"}
    assert set(proposal.skipped_tables) == {"v"}


def test_what_cannot_be_reached_or_read_says_why(
    lake: SourceProject, database: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(
        "create table odd (id int primary key)", "create table shown (id int primary key, a int, b int)",
        "create or replace user reader@'127.0.0.1' identified by 'a password of these tests'",
        f"grant select (id, b) on `{database.database}`.shown to reader@'127.0.0.1'",
        f"grant insert on `{database.database}`.odd to reader@'127.0.0.1'",
    )  # fmt: skip
    reader = replace(database, user="reader")
    with pytest.raises(SourceError, match="denied") as caught:
        lake.draw(ODD.replace("odd", "shown"), uri=reader.uri)
    assert "grant select" in caught.value.hint
    with pytest.raises(SourceError, match="denied") as caught:
        lake.draw(ODD, uri=reader.uri)
    assert "grant select" in caught.value.hint
    with pytest.raises(ConfigError, match="holds a password") as config:
        lake.draw(ODD, uri=database.uri.replace("owner@", "owner:geheim@"))
    assert "MYSQL_PWD" in config.value.message
    assert "geheim" not in config.value.message
    monkeypatch.setenv("MYSQL_PWD", "wrong")
    with pytest.raises(SourceError, match="cannot be reached: Access denied") as caught:
        lake.draw(ODD, uri=database.uri)
    assert "MYSQL_PWD" in caught.value.hint
    with pytest.raises(SourceError, match="cannot be reached"):
        lake.draw(ODD, uri=replace(database, port=1).uri)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(lake: SourceProject, database: MariaDB) -> None:
    database.execute("create view odd as select sleep(60) as id")
    with pytest.raises(SourceError, match="ended a statement") as caught:
        lake.draw(ODD, uri=database.uri, more='[source.mysql]\nstatement_timeout = "1s"')
    assert "statement_timeout" in caught.value.hint


def test_keys_that_only_a_collation_makes_equal_are_refused(lake: SourceProject, database: MariaDB) -> None:
    database.execute(
        "create table odd (id varchar(20) primary key) collate utf8mb4_general_ci",
        "create table child (n int primary key, odd varchar(20), foreign key (odd) references odd (id)) collate utf8mb4_general_ci",
        "insert into odd values ('abc'), ('x')",
        "insert into child values (1, 'abc'), (2, 'ABC'), (3, 'x ')",
    )
    sections = f'{ODD}[tables.child]\nreferences = {{ odd = "odd.id" }}\n'
    with pytest.raises(DataRuleError, match=r"child\.odd → odd\.id: 2 rows are equal only by the collation") as caught:
        lake.draw(sections, uri=database.uri)
    assert "utf8mb4_general_ci" in caught.value.message
    database.execute(
        "set foreign_key_checks = 0",
        "update child set odd = 'abc' where n = 2",
        "update child set odd = 'x' where n = 3",
    )
    _, manifest = lake.draw(sections, uri=database.uri)
    assert manifest.tables["child"].rows == 3
