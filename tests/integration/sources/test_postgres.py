"""Postgres as a source: the same rows as from files, one moment of it, and clear errors."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from sandbox.engine.databases import DeclaredReference
from sandbox.engine.postgres import catalogue
from sandbox.engine.postgres.connection import Manners, Snapshot
from tests.integration.sources.server import PASSWORD, Server, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.manifest.sample import SampleManifest
    from tests.integration.sources.conftest import Arrow, Contents, Lake


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # Not pytest's own folder, which only its owner may enter: the server has a user of its own.
    with (
        tempfile.TemporaryDirectory(prefix="sandbox-pg-") as place,
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(place).chmod(0o755)
        patch.setenv("PGPASSWORD", PASSWORD)
        with started(Path(place) / "server") as one:
            yield one


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """An empty database of the test's own."""
    name = re.sub(r"\W", "_", request.node.name)[:60]
    server.execute(f'create database "{name}"')
    yield replace(server, database=name)
    server.execute(f'drop database "{name}" with (force)')


@pytest.fixture(scope="module")
def filled(server: Server, plain: tuple[Path, SampleManifest], arrow: Arrow) -> Server:
    """The plain tables in a database."""
    server.execute("create database filled")
    found = replace(server, database="filled")
    for path in sorted(plain[0].glob("*.parquet")):
        with duckdb.connect() as connection:
            kinds = dict(row[:2] for row in connection.execute(f"describe from '{path}'").fetchall())
        odd = {
            name: kind.replace("DECIMAL", "numeric")
            for name, kind in kinds.items()
            if kind == "UUID" or kind.startswith("DECIMAL")
        }
        found.put(path.stem, arrow(path), odd)
    return found


def test_the_same_rows_have_the_same_digests_and_the_same_fingerprint(
    lake: Lake, filled: Server, plain: tuple[Path, SampleManifest], contents: Contents
) -> None:
    _, manifest = lake.draw(uri=filled.uri)
    assert contents(manifest) == contents(plain[1])
    assert manifest.fingerprint == plain[1].fingerprint
    assert {one.kind for one in manifest.snapshots.values()} == {"postgres"}
    assert PASSWORD not in manifest.text()


def test_only_rows_that_may_be_drawn_leave_the_database(lake: Lake, filled: Server) -> None:
    filled.execute("alter system set log_statement = 'all'", "select pg_reload_conf()")
    try:
        before = (filled.folder / "log").stat().st_size
        lake.draw(uri=filled.uri)
        log = (filled.folder / "log").read_bytes()[before:].decode()
    finally:
        filled.execute("alter system reset log_statement", "select pg_reload_conf()")
    asked = re.findall(r"COPY \((.*)\) TO STDOUT", log)
    for table, condition in {
        "people": "% 2147483647) + ", "words": "sha256", "tokens": "sha256", "days": "sha256", "lines": "sha256",
        "visits": "= any('{", "parts": "in (select * from unnest('{",
    }.items():  # fmt: skip
        narrowed = [one for one in asked if f'"public"."{table}" as r where' in one]
        assert any(condition in one for one in narrowed), (table, asked)
        for one in narrowed:
            [(rows,)] = filled.execute(f"select count(*) from ({one}) as q")
            [(all_rows,)] = filled.execute(f'select count(*) from "{table}"')
            assert rows < all_rows * 0.75, one


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
    with Snapshot(database.uri, Manners()) as snapshot:
        found = {f"{one.declared.schema}.{one.declared.table}": one for one in catalogue.tables(snapshot)}
    assert set(found) == {"other.orders", "public.Lines", "public.parted", "public.seen"}
    lines, orders = found["public.Lines"], found["other.orders"]
    assert (lines.declared.key, lines.unique) == (("id",), (("id",),))
    assert lines.declared.references == (
        DeclaredReference(columns=("year", "number"), schema="other", table="orders", key=("year", "number")),
    )
    assert [one.name for one in lines.columns] == ["id", "year", "number", "other"]
    assert orders.declared.key == ("year", "number")
    price, mood = orders.columns[2:]
    assert (price.type, price.modifier - 4) == ("numeric", 12 << 16 | 2)
    assert (mood.type, mood.kind, mood.array) == ("mood", "e", True)
    assert (found["public.parted"].rows, found["public.parted"].plain) == (1000, False)
    assert found["public.parted"].bytes > 0
