"""Postgres as a source: the same rows as from files, one moment of it, and clear errors."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import duckdb
import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from sandbox.demo import warehouse
from sandbox.engine.database_schema import DeclaredReference
from sandbox.engine.duckdb.session import Session
from sandbox.engine.duckdb.table_functions import build_table_function
from sandbox.engine.postgres import catalog
from sandbox.engine.postgres.snapshot import PostgresLimits, PostgresSnapshot
from sandbox.errors import ConfigError, DataRuleError, SourceError, StoreError
from sandbox.model import SilentProgress
from sandbox.provisioner.images import service
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sampler.profile.compare import profile_stored_sample
from sandbox.scan.scan import scan_source
from sandbox.sources.adapters import postgres
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.store.paths import find_packaged_folder
from tests.e2e import test_baseball
from tests.integration.sources.server import PASSWORD, Server
from tests.integration.sources.writers import fill_server
from tests.prn_vectors import check_vectors
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from tests.integration.sources.conftest import Arrow, Contents
    from tests.projects import SourceProject


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """An empty database of the test's own."""
    name = re.sub(r"\W", "_", request.node.name)[:60]
    server.execute(f'create database "{name}"')
    yield replace(server, database=name)
    server.execute(f'drop database "{name}" with (force)')


def test_only_rows_that_may_be_drawn_leave_the_database(lake: SourceProject, filled: Server) -> None:
    filled.execute("alter system set log_statement = 'all'", "select pg_reload_conf()")
    try:
        before = (filled.folder / "log").stat().st_size
        lake.draw(uri=filled.uri)
        log = (filled.folder / "log").read_bytes()[before:].decode()
    finally:
        filled.execute("alter system reset log_statement", "select pg_reload_conf()")
    asked = re.findall(r"COPY \((.*)\) TO STDOUT", log)
    for table, condition in {
        "people": "% 2147483647) + ", "words": "SHA256", "tokens": "SHA256", "days": "SHA256", "lines": "SHA256",
        "visits": "= any('{", "parts": "in (select * from unnest('{",
    }.items():  # fmt: skip
        narrowed = [one for one in asked if f'"public"."{table}" as r where' in one]
        assert any(condition in one for one in narrowed), (table, asked)
        for one in narrowed:
            [(rows,)] = filled.execute(f"select count(*) from ({one}) as q")
            [(all_rows,)] = filled.execute(f'select count(*) from "{table}"')
            assert rows < all_rows * 0.75, one


def test_the_published_vectors_hold_in_its_sql(database: Server) -> None:
    check_vectors(database.execute, "postgres")


def test_the_catalogue_gives_keys_references_types_and_sizes(database: Server) -> None:
    database.execute(
        "create schema other",
        "create domain other.cents as numeric(12, 2)",
        "create domain other.price as other.cents check (value > 0)",
        "create type other.mood as enum ('sad', 'ok')",
        "create table other.orders (year int, number text, price other.price, mood other.mood[], primary key (year, number))",
        'create table "Lines" (id bigint primary key, year int, number text, other int unique, gone int, '
        "foreign key (year, number) references other.orders)",
        'alter table "Lines" drop column gone',
        "create table parted (id int, day date, primary key (id, day)) partition by range (day)",
        "create table parted_1 partition of parted for values from ('2020-01-01') to ('2021-01-01')",
        "insert into parted select n, '2020-02-03' from generate_series(1, 1000) n",
        "create view seen as select id from parted",
        "analyze",
    )
    with PostgresSnapshot(database.uri, PostgresLimits()) as snapshot:
        found = {f"{one.declaration.schema}.{one.declaration.table}": one for one in catalog.list_tables(snapshot)}
    assert set(found) == {"other.orders", "public.Lines", "public.parted", "public.seen"}
    lines, orders = found["public.Lines"], found["other.orders"]
    assert lines.declaration.key == ("id",)
    assert lines.declaration.references == (
        DeclaredReference(columns=("year", "number"), schema="other", table="orders", key=("year", "number")),
    )
    assert [one.name for one in lines.columns] == ["id", "year", "number", "other"]
    assert orders.declaration.key == ("year", "number")
    price, mood = orders.columns[2:]
    assert (price.type, price.modifier - 4) == ("numeric", 12 << 16 | 2)
    assert (mood.type, mood.kind, mood.is_array) == ("mood", "e", True)
    assert (found["public.parted"].rows, found["public.parted"].is_ordinary) == (1000, False)
    assert found["public.parted"].bytes > 0


TYPES = """create table types (
    id bigint primary key, flag boolean, small smallint, whole integer, real real, double double precision,
    loose numeric, price numeric(12, 2), wide numeric(60, 10), thousands numeric(5, -3), words text, fixed char(5), short varchar(10),
    bytes bytea, day date, moment timestamp, instant timestamptz, clock time, clock_there timetz, span interval, token uuid,
    document json, parsed jsonb, numbers int[], texts text[], tokens uuid[], prices numeric(5, 1)[], days date[], mood mood, moods mood[],
    spread int4range, cents cents, fee money, address inet, bits bit(3))"""
VALUES = """insert into types values (1, true, 2, 3, 1.5, 0.1, 1.50, 3.10, 12345678901234567890123456789012345678901234567890.5, 12000,
    'ä', 'ab', 'x', '\\x01ff', '2020-01-02', '2020-01-02 03:04:05.123456', '2020-01-02 03:04:05+02', '01:02:03.5', '01:02:03+02',
    '1 mon 2 days 00:00:00.000001', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a":1}', '{"a": 1}', '{1,2,null}', '{a,NULL,"b,c"}',
    '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{1.5}', '{2020-01-01}', 'ok', '{ok,sad}', '[1,5)', 4.2, 5, '10.0.0.1', '101')"""
EXPECTED = {
    "flag": ("BOOLEAN", "true"), "small": ("SMALLINT", "2"), "whole": ("INTEGER", "3"), "real": ("FLOAT", "1.5"),
    "double": ("DOUBLE", "0.1"), "loose": ("DECIMAL(18,2)", "1.50"), "price": ("DECIMAL(12,2)", "3.10"),
    "wide": ("VARCHAR", "12345678901234567890123456789012345678901234567890.5000000000"), "thousands": ("DECIMAL(8,0)", "12000"),
    "words": ("VARCHAR", "ä"), "fixed": ("VARCHAR", "ab"), "short": ("VARCHAR", "x"), "bytes": ("BLOB", "\\x01\\xFF"),
    "day": ("DATE", "2020-01-02"), "moment": ("TIMESTAMP", "2020-01-02 03:04:05.123456"),
    "instant": ("TIMESTAMP WITH TIME ZONE", "2020-01-02 01:04:05+00"), "clock": ("TIME", "01:02:03.5"),
    "clock_there": ("VARCHAR", "01:02:03+02"), "span": ("VARCHAR", "1 mon 2 days 00:00:00.000001"),
    "token": ("UUID", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "document": ("JSON", '{"a":1}'), "parsed": ("JSON", '{"a": 1}'),
    "numbers": ("INTEGER[]", "[1, 2, NULL]"), "texts": ("VARCHAR[]", "[a, NULL, 'b,c']"),
    "tokens": ("UUID[]", "[a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11]"), "prices": ("DECIMAL(5,1)[]", "[1.5]"),
    "days": ("DATE[]", "[2020-01-01]"), "mood": ("VARCHAR", "ok"), "moods": ("VARCHAR[]", "[ok, sad]"),
    "spread": ("VARCHAR", "[1,5)"), "cents": ("DECIMAL(12,2)", "4.20"), "fee": ("DECIMAL(18,2)", "5.00"),
    "address": ("VARCHAR", "10.0.0.1/32"), "bits": ("VARCHAR", "101"),
}  # fmt: skip


def one(table: str, key: str = "id", *, more: str = "") -> str:
    return (
        f'[sample]\nunit = "{table}"\nrate = 1.0\n[tables."{table}"]\nkey = ["{key}"]\n'
        f'[tables."{table}".mask]\n{more}\n'
    )


def test_every_type_comes_without_loss_or_as_its_text(lake: SourceProject, database: Server) -> None:
    database.execute(
        "create type mood as enum ('sad', 'ok')", "create domain cents as numeric(12, 2)", TYPES, VALUES,
        "insert into types (id) values (2)",
    )  # fmt: skip
    sample, manifest = lake.draw(one("types", more='address = "none"\nmoment = "none"'), uri=database.uri)
    kinds = {column.name: column.type for column in manifest.tables["types"].columns}
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.sql(
            f"select columns(*)::varchar from {build_table_function(sample.tables['types'])} order by id"
        )
        first, second = (dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall())
    assert {name: (kinds[name], first[name]) for name in EXPECTED} == EXPECTED
    assert {value for name, value in second.items() if name != "id"} == {None}


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("date", "'infinity'", "infinity"),
        ("timestamptz", "'-infinity'", "infinity"),
        ("timestamp", "'294276-12-31 23:59:59'", "after the year 294246"),
        ("timestamptz", "'294276-12-31 23:59:59+00'", "after the year 294246"),
        ("numeric(10, 2)", "'NaN'", "NaN"),
        ("numeric", "'NaN'", "NaN"),
        ("int[]", "'{{1,2},{3,4}}'", "arrays of arrays"),
        ("text[]", "'[0:1]={a,b}'", "do not begin at 1"),
        ("numeric", "'1' || repeat('0', 40)", "41 digits"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_kept_is_refused_with_its_column_and_read_as_text_where_that_is_asked_for(
    lake: SourceProject, server: Server, kind: str, value: str, said: str
) -> None:
    server.execute(
        "drop table if exists odd", f'create table odd (id int primary key, "the value" {kind})',
        f"insert into odd select 1, ({value})::{kind}",
    )  # fmt: skip
    with pytest.raises(SourceError, match=re.escape("odd.the value")) as caught:
        lake.draw(one("odd"), uri=server.uri)
    assert said in caught.value.message
    assert "[tables." in caught.value.hint
    assert not [*lake.home.glob("samples/*/tables")]
    as_text = f'{one("odd")}[tables.odd.types]\n"the value" = "VARCHAR"\n'
    _, manifest = lake.draw(as_text, uri=server.uri)
    assert manifest.tables["odd"].rows == 1


def test_a_key_without_a_declared_scale_is_whole_or_has_a_fixed_type(lake: SourceProject, database: Server) -> None:
    sections = one("loose").replace("rate = 1.0", "rate = 0.5")
    database.execute(
        "create table loose (id numeric primary key)",
        "insert into loose select n from generate_series(1, 400) n",
    )
    _, whole = lake.draw(sections, uri=database.uri)
    database.execute("alter table loose alter id type numeric(18, 0)")
    _, declared = lake.draw(sections, uri=database.uri)
    assert whole.tables["loose"].content == declared.tables["loose"].content
    assert 0 < whole.tables["loose"].rows < 400

    database.execute("alter table loose alter id type numeric", "insert into loose values (0.25)")
    with pytest.raises(DataRuleError, match=r"loose\.id is numeric without a scale .* up to 2 digits") as caught:
        lake.draw(sections, uri=database.uri)
    fixed = 'id = "DECIMAL(18,2)"'
    assert fixed in caught.value.hint
    _, manifest = lake.draw(f"{sections}[tables.loose.types]\n{fixed}\n", uri=database.uri)
    assert manifest.tables["loose"].rows > 0


def test_names_of_other_schemas_cases_and_scripts(lake: SourceProject, database: Server) -> None:
    database.execute(
        'create schema "Vertrieb ä"',
        'create table "Vertrieb ä"."Kunden ""x"" 客" ("K" text primary key, "Wert k" int, "k " int, r int, x int)',
        'insert into "Vertrieb ä"."Kunden ""x"" 客" select \'é\'\'\\\' || n, n, n, n, n from generate_series(1, 400) n',
        'create table bills (id int primary key, "who?" text references "Vertrieb ä"."Kunden ""x"" 客")',
        "insert into bills select n, 'é''\\' || (n % 400 + 1) from generate_series(1, 1000) n",
    )
    name = 'Vertrieb ä.Kunden \\"x\\" 客'
    sections = (
        f'[sample]\nunit = "{name}"\nrate = 0.25\n[tables."{name}"]\nkey = ["K"]\n[tables.bills]\nkey = ["id"]\n'
        f'[[tables.bills.reference]]\ncolumns = ["who?"]\ntable = "{name}"\nkey = ["K"]\n'
    )
    _, manifest = lake.draw(sections, uri=database.uri)
    counts = {table: found.rows for table, found in manifest.tables.items()}
    assert 60 < counts['Vertrieb ä.Kunden "x" 客'] < 140
    assert 150 < counts["bills"] < 350
    assert all(reference.holds_in_sample for reference in manifest.tables["bills"].references)


def test_a_name_in_another_case_or_schema_is_an_error_that_knows_the_right_one(
    lake: SourceProject, database: Server
) -> None:
    database.execute(
        'create table "Orders" (id int primary key)',
        "create schema sales",
        "create table sales.bills (id int)",
    )
    with pytest.raises(ConfigError, match="no table orders") as caught:
        lake.draw(one("orders"), uri=database.uri)
    assert '"Orders"' in caught.value.hint
    with pytest.raises(ConfigError, match="no table bills") as caught:
        lake.draw(one("bills"), uri=database.uri)
    assert "sales.bills" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "password", "said"),
    [
        ({}, "wrong", "password authentication failed"),
        ({"port": 1}, PASSWORD, "refused"),
        ({"database": "nowhere"}, PASSWORD, 'database "nowhere" does not exist'),
    ],
)
def test_a_database_that_cannot_be_reached_says_why_and_where_the_password_belongs(
    lake: SourceProject,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    password: str,
    said: str,
) -> None:
    monkeypatch.setenv("PGPASSWORD", password)
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        lake.draw(one("people"), uri=replace(server, **change).uri)
    assert said in caught.value.message
    assert "PGPASSWORD" in caught.value.hint
    assert password not in caught.value.message + caught.value.hint


def test_what_the_role_may_not_read_is_named(lake: SourceProject, database: Server) -> None:
    database.execute(
        "create table people (id int primary key, name text, salary int)", "insert into people values (1, 'a', 2)",
        "create table secrets (id int primary key)",
        "drop role if exists reader", f"create role reader login password '{PASSWORD}'",
        "grant select (id, name) on people to reader",
    )  # fmt: skip
    uri = database.uri.replace("postgres@", "reader@")
    with pytest.raises(SourceError, match=r'"public"\."people".* may not read its columns salary'):
        lake.draw(one("people"), uri=uri)
    with pytest.raises(SourceError, match=r'"public"\."secrets".* may not read it'):
        lake.draw(one("secrets"), uri=uri)
    database.execute("drop owned by reader", "drop role reader")


class Watching(SilentProgress):
    """Does something when a step begins, and hears what is said."""

    def __init__(self, begins: str, act: Callable[[], None]) -> None:
        self.begins, self.act = begins, act
        self.said: list[str] = []

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        if name == self.begins:
            self.begins = ""
            self.act()
        yield lambda _: None

    def print_message(self, message: str) -> None:
        self.said.append(message)


def surveyed_and_drawn(project: Project, home: Path, progress: SilentProgress) -> Sample:
    return draw_sample(
        project,
        plan_sample(project, threads=2, progress=SilentProgress()),
        home=home,
        threads=2,
        progress=progress,
    )


OURS = "from pg_stat_activity where application_name like 'sandbox%'"


def test_a_connection_that_is_ended_in_the_middle_ends_the_draw_and_the_next_goes_on(
    lake: SourceProject, filled: Server, plain: tuple[Path, SampleManifest]
) -> None:
    project = lake.project(uri=filled.uri)
    watching = Watching("drawing visits", lambda: filled.just(f"select pg_terminate_backend(pid) {OURS}"))
    with pytest.raises(SourceError, match="ended the connection") as caught:
        surveyed_and_drawn(project, lake.home, watching)
    assert caught.value.status == 11
    assert "goes on where this one was" in caught.value.hint
    again = Watching("no step", lambda: None)
    assert surveyed_and_drawn(project, lake.home, again).fingerprint == plain[1].fingerprint
    assert again.said[0].startswith("resuming: ")


def test_no_connection_is_left_when_a_sample_is_drawn(lake: SourceProject, filled: Server) -> None:
    lake.draw(uri=filled.uri)
    assert filled.execute(f"select count(*) {OURS}") == [(0,)]


def test_a_draw_that_was_interrupted_goes_on_only_if_nothing_was_written(
    lake: SourceProject, filled: Server, plain: tuple[Path, SampleManifest]
) -> None:
    project = lake.project(uri=filled.uri)

    def interrupt() -> None:
        raise KeyboardInterrupt

    for written in (False, True):
        with pytest.raises(KeyboardInterrupt):
            surveyed_and_drawn(project, lake.home, Watching("drawing visits", interrupt))
        if written:
            filled.execute("create table something (a int)", "drop table something")
        again = Watching("", lambda: None)
        sample = surveyed_and_drawn(project, lake.home, again)
        assert sample.fingerprint == plain[1].fingerprint
        assert any("resuming" in one for one in again.said) != written
        shutil.rmtree(lake.home / "samples")


def test_a_table_that_is_dropped_before_it_is_opened_is_an_error(lake: SourceProject, database: Server) -> None:
    database.execute("create table people (id int primary key)", "insert into people values (1)")
    found = list_source(database.uri, base=lake.root)
    database.execute("drop table people")
    with Session() as session, pytest.raises(SourceError, match="does not exist; it was there") as caught:
        open_table(session, found, "people")
    assert caught.value.status == 11


def test_a_table_cannot_be_dropped_between_counting_and_drawing(lake: SourceProject, filled: Server) -> None:
    project = lake.project(uri=filled.uri)
    refused: list[str] = []

    def drop() -> None:
        with pytest.raises(adbc_driver_manager.Error, match="lock timeout") as caught:
            filled.execute("set lock_timeout = '200ms'", "drop table visits")
        refused.append(str(caught.value))

    surveyed_and_drawn(project, lake.home, Watching("drawing people", drop))
    assert refused


def test_a_sample_under_write_load_is_of_one_moment_and_blocks_nobody(lake: SourceProject, database: Server) -> None:
    database.execute(
        "create table people (id int primary key)", "insert into people select generate_series(1, 2000)",
        "create table accounts (id int primary key, person int references people, amount bigint)",
        "insert into accounts select n, n % 2000 + 1, 100 from generate_series(1, 20000) n",
    )  # fmt: skip
    sections = (
        '[sample]\nunit = "people"\nrate = 1.0\n[tables.people]\nkey = ["id"]\n'
        '[tables.accounts]\nkey = ["id"]\nreferences = { person = "people.id" }\n'
    )
    project = lake.project(sections, uri=database.uri, more="[source.postgres]\nrows_per_second = 20_000")
    over, moved, blocked = threading.Event(), [0], [0]

    def write() -> None:
        # Each transaction moves money, and adds a person with an account: sums and references hold at every moment.
        move = (
            "with a as (update accounts set amount = amount - 7 where id = {one} returning 1), "
            "b as (update accounts set amount = amount + 7 where id = {other} returning 1), "
            "p as (insert into people values ({new}) returning id) "
            "insert into accounts select {new}, {new}, 0 from a, b"
        )
        with database.connected() as connection, connection.cursor() as cursor:
            while not over.is_set():
                number = moved[0]
                cursor.execute(
                    move.format(one=number % 20000 + 1, other=(number * 7 + 3) % 20000 + 1, new=30000 + number)
                    if number % 20000 != (number * 7 + 3) % 20000
                    else "select 1"
                )
                moved[0] += 1

    def watch() -> None:
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        with database.connected() as connection, connection.cursor() as cursor:
            while not over.wait(0.05):
                cursor.execute(waits)
                blocked[0] += cursor.fetchall()[0][0]

    workers = [threading.Thread(target=write), threading.Thread(target=watch)]
    for worker in workers:
        worker.start()
    try:
        plan = plan_sample(project, threads=2, progress=SilentProgress())
        before = moved[0]
        sample = draw_sample(project, plan, home=lake.home, threads=2, progress=SilentProgress())
        during = moved[0] - before
    finally:
        over.set()
        for worker in workers:
            worker.join()
    with duckdb.connect() as connection:
        found = {
            name: connection.sql(f"select {what} from {build_table_function(sample.tables[name])}").fetchall()[0]
            for name, what in {"accounts": "sum(amount), count(*)", "people": "0, count(*)"}.items()
        }
    (total, accounts), (_, people) = found["accounts"], found["people"]
    assert total == 20000 * 100
    assert accounts - 20000 == people - 2000
    assert people == plan.units["people"].population
    assert during > 0, "nothing was written meanwhile"
    assert blocked == [0]


def test_rows_come_no_faster_than_they_may(filled: Server) -> None:
    with PostgresSnapshot(filled.uri, PostgresLimits(rows_per_second=1000)) as snapshot:
        began = time.monotonic()
        rows = sum(one.num_rows for one in snapshot.fetch_batches("select * from public.visits limit 500"))
        assert (rows, time.monotonic() - began >= 0.5) == (500, True)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(lake: SourceProject, database: Server) -> None:
    database.execute("create view slow as select 1 as id from pg_sleep(3600)")
    more = "[source.postgres]\nstatement_timeout = '1s'"
    with pytest.raises(SourceError, match="statement timeout") as caught:
        lake.draw(one("slow"), uri=database.uri, more=more)
    assert "statement_timeout" in caught.value.hint


def test_pieces_of_a_table_are_read_once_each_and_give_the_same_rows(
    lake: SourceProject, filled: Server, plain: tuple[Path, SampleManifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PIECE_BYTES", 2**15)
    _, manifest = lake.draw(uri=filled.uri)
    assert len(manifest.source["visits"]) > 2
    assert len(manifest.tables["visits"].files) > 2
    assert manifest.fingerprint == plain[1].fingerprint


def test_the_first_strata_are_counted_by_the_server(lake: SourceProject, database: Server) -> None:
    database.execute(
        "create table people (id int, country text, primary key (id))",
        "insert into people select n, (array['DE', 'FR', null])[n % 3 + 1] from generate_series(1, 900) n",
    )
    sections = f"{one('people')}".replace("rate = 1.0", 'rate = 0.1\nstrata = ["country"]\nmin_per_stratum = 5')
    project = lake.project(sections, uri=database.uri)
    plan = plan_sample(project, progress=SilentProgress())
    assert [stratum.population for stratum in plan.units["people"].strata] == [300, 300, 300]


def demo(folder: Path, _: Path) -> str:
    warehouse.write_warehouse(folder, scale=0.02, progress=SilentProgress())
    return (find_packaged_folder("templates") / "demo" / "project" / "sandbox.toml").read_text("utf-8")


def from_csv(folder: Path, baseball: Path) -> str:
    with duckdb.connect() as connection:
        for path in baseball.glob("*.csv"):
            rows = connection.from_csv_auto(str(path), sample_size=-1)
            rows.write_parquet(str(folder / f"{path.stem}.parquet"))
    return test_baseball.SETTINGS


@pytest.mark.parametrize("tables", [demo, from_csv])
def test_real_tables_give_the_same_sample_as_from_files(
    lake: SourceProject,
    database: Server,
    baseball: Path,
    arrow: Arrow,
    contents: Contents,
    tables: Callable[[Path, Path], str],
) -> None:
    settings = tables(lake.source, baseball)
    sections = settings[settings.index("[sample]") : settings.index("[stack")]
    fill_server(database, lake.source, arrow)
    _, files = lake.draw(sections)
    _, rows = lake.draw(sections, uri=database.uri)
    assert contents(rows) == contents(files)
    assert rows.fingerprint == files.fingerprint
    assert all(one.rows for one in rows.tables.values())


def test_a_command_that_waits_for_the_database_is_interrupted_at_once(lake: SourceProject, database: Server) -> None:
    database.execute("create view slow as select 1 as id from pg_sleep(3600)")
    lake.project(one("slow"), uri=database.uri)
    command = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "plan"], cwd=lake.root, stderr=subprocess.PIPE, text=True
    )
    while not database.execute(f"select 1 {OURS} and query like '%slow%' and state = 'active'"):
        time.sleep(0.1)
    command.send_signal(signal.SIGINT)
    _, told = command.communicate(timeout=PATIENCE_SECONDS)
    assert command.returncode == 130, told
    assert "interrupted" in told
    assert database.execute(f"select count(*) {OURS} and state = 'active'") == [(0,)]


def test_a_source_is_planned_scanned_and_compared(lake: SourceProject, filled: Server) -> None:
    project = lake.project(uri=filled.uri)
    found = scan_source(project, now=dt.datetime(2026, 11, 26, tzinfo=dt.UTC), progress=SilentProgress())
    assert found.tables["people"].rows == 600
    assert not [one for one in found.findings if one.severity == "error"]
    sample, manifest = lake.draw(uri=filled.uri)
    plan = plan_sample(project, progress=SilentProgress())
    profile = profile_stored_sample(plan, sample, manifest, ranges={}, memory=2**30, progress=SilentProgress())
    assert set(profile.tables) == set(manifest.tables)
    filled.execute("create table something (a int)", "drop table something")
    with pytest.raises(StoreError, match="changed since the sample was drawn"):
        profile_stored_sample(
            plan_sample(project, progress=SilentProgress()),
            sample,
            manifest,
            ranges={},
            memory=2**30,
            progress=SilentProgress(),
        )


@pytest.fixture
def container(engine: str, sandbox_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server in a container of the image that stacks have."""
    image = service.ensure_service_image("postgres", home=sandbox_home, progress=SilentProgress())
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    start = f"printf %s '{PASSWORD}' > /var/lib/sandbox/password && exec /bin/sh /usr/local/bin/sandbox-postgres"
    made = DockerContainer(image.reference).with_exposed_ports(5432).with_command(["/bin/sh", "-c", start])
    with Network() as network, made.with_network(network) as one:
        port = int(one.get_exposed_port(5432))
        server = Server(port=port, folder=Path(), user="sandbox")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(adbc_driver_manager.Error):
                server.just("select 1")
                break
            assert time.monotonic() < deadline, one.get_logs()
            time.sleep(0.2)
        yield server


@pytest.mark.docker
def test_a_server_in_a_container_gives_the_same_sample(
    lake: SourceProject, container: Server, plain: tuple[Path, SampleManifest], arrow: Arrow, contents: Contents
) -> None:
    fill_server(container, plain[0], arrow)
    _, manifest = lake.draw(uri=container.uri)
    assert contents(manifest) == contents(plain[1])
    assert manifest.fingerprint == plain[1].fingerprint
