"""Postgres as databases are: odd relations, declared references, row-level security, views and values at the ends of ranges."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import pytest

from sandbox.engine.database_schema import DeclaredReference
from sandbox.engine.duckdb.session import Session
from sandbox.engine.duckdb.table_functions import build_table_function
from sandbox.engine.postgres import catalog
from sandbox.engine.postgres.snapshot import PostgresLimits, PostgresSnapshot
from sandbox.errors import SourceError
from sandbox.model import SilentProgress
from sandbox.report import settings_file
from sandbox.sampler.plan.planner import plan_sample
from sandbox.scan.scan import scan_source
from sandbox.sources.discover import list_configured_source, list_source
from sandbox.sources.open_table import open_table
from sandbox.suggest import build_proposal
from tests.integration.sources.server import PASSWORD, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.suggest import Proposal
    from tests.projects import SourceProject

PEOPLE = (
    "create table people (id int primary key, country text)",
    "insert into people select n, 'land ' || n % 3 from generate_series(1, 500) n",
)
SECTIONS = '[sample]\nunit = "people"\nrate = 1.0\n[tables.people]\nkey = ["id"]\n'


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """An empty database of the test's own."""
    name = re.sub(r"\W", "_", request.node.name)[:60]
    server.execute(f'create database "{name}"')
    yield replace(server, database=name)
    server.execute(f'drop database "{name}" with (force)')


def propose(lake: SourceProject, database: Server) -> Proposal:
    return build_proposal(database.uri, base=lake.root, progress=SilentProgress())


def render(proposal: Proposal) -> str:
    context = settings_file.ProjectContext(project="shop", salt="2026", production="main", command="true")
    return settings_file.render_settings(proposal, context)


def find_declarations(database: Server) -> dict[str, tuple[DeclaredReference, ...]]:
    with PostgresSnapshot(database.uri, PostgresLimits()) as snapshot:
        return {table.declaration.table: table.declaration.references for table in catalog.list_tables(snapshot)}


def refer(*columns: str, table: str = "people", key: tuple[str, ...] = ("id",)) -> DeclaredReference:
    return DeclaredReference(columns=columns, schema="public", table=table, key=key)


def test_a_foreign_key_on_every_partition_is_the_tables(database: Server) -> None:
    """The partitions' columns have other numbers than the table's, and one partition is partitioned itself."""
    database.execute(
        *PEOPLE,
        "create table visits (id int, day date, person int) partition by range (day)",
        "create table visits_old (gone int, person int references people, day date, id int)",
        "alter table visits_old drop column gone",
        "alter table visits attach partition visits_old for values from ('2000-01-01') to ('2010-01-01')",
        "create table visits_new partition of visits for values from ('2010-01-01') to ('2020-01-01') partition by list (id)",
        "create table visits_new_1 partition of visits_new for values in (1)",
        "alter table visits_new add foreign key (person) references people",
        "create table sales (id int, day date, person int) partition by range (day)",
        "create table sales_old partition of sales (foreign key (person) references people) "
        "for values from ('2000-01-01') to ('2010-01-01')",
        "create table sales_new partition of sales for values from ('2010-01-01') to ('2020-01-01')",
        "create table parts (id int, day date, person int references people, primary key (id, day)) partition by range (day)",
        "create table parts_1 partition of parts for values from ('2000-01-01') to ('2010-01-01')",
        "create table notes (part int, day date, foreign key (part, day) references parts_1 (id, day))",
    )
    assert find_declarations(database) == {
        "people": (),
        "visits": (refer("person"),),
        "sales": (),  # half of its rows may refer to anybody
        "parts": (refer("person"),),
        "notes": (refer("part", "day", table="parts", key=("id", "day")),),
    }


def test_odd_relations_never_hide_the_others(lake: SourceProject, database: Server) -> None:
    """`init` leaves out what cannot be read, with the reason, and proposes types that hold every value."""
    database.execute(
        *PEOPLE,
        "create table nothing ()",
        "create table dropped (a int)",
        "alter table dropped drop column a",
        "create materialized view later as select id from people with no data",
        "create view broken as select 1 / 0 as id",
        "create view fine as select id from people",
        "create table odd (id int primary key, person int references people, grid int[], late timestamptz, never date, days date[], "
        "clock timetz, share numeric, deep numeric, price numeric(9, 2), moments timestamp[])",
        "insert into odd values (1, 1, '{{1,2},{3,4}}', '294276-12-31 23:59:59+00', 'infinity', '{-infinity}', '24:00:00-15:59:59', 'NaN', "
        "('1' || repeat('0', 40))::numeric, 'NaN', '{294276-12-31}')",
        "create table plain (id int primary key, grid int[], late timestamptz, clock timetz, days date[])",
        "insert into plain values (1, '{1,2}', '294247-01-10 04:00:54.775806+00', '00:00:00+15:59:59', '{0044-03-15 BC}')",
        "create table bills (id int primary key, person int references people, shop int)",
    )
    proposal = propose(lake, database)
    assert set(proposal.tables) == {"people", "odd", "plain", "bills"}
    assert {name: re.split("[:;(]", reason)[0] for name, reason in proposal.skipped_tables.items()} == {
        "nothing": '"public"."nothing" has no columns', "dropped": '"public"."dropped" has no columns',
        "later": "a view",
        "broken": "a view", "fine": "a view",
    }  # fmt: skip
    types = {column: kind for column, (kind, _) in proposal.tables["odd"].reading.fixed_types.items()}
    text = dict.fromkeys(("grid", "late", "never", "days", "deep", "moments"), "VARCHAR")
    assert types == {**text, "share": "DOUBLE", "price": "DOUBLE"}
    assert not proposal.tables["plain"].reading.fixed_types
    [reference] = proposal.tables["bills"].references
    assert (reference.columns, reference.table, reference.share) == (("person",), "people", 1.0)
    written = render(proposal)
    assert 'never = "VARCHAR"  # it holds infinity' in written

    sections = written[written.index("[sample]") : written.index("[stack]")].replace("rate = ", "rate = 1.0 # ", 1)
    sample, manifest = lake.draw(sections, uri=database.uri)
    assert {name: table.rows for name, table in manifest.tables.items()} == {
        "people": 500, "odd": 1, "plain": 1, "bills": 0,
    }  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        [odd], [plain] = (
            connection.sql(f"select columns(*)::varchar from {build_table_function(sample.tables[name])}").fetchall()
            for name in ("odd", "plain")
        )
    assert odd == (
        "1", "1", "{{1,2},{3,4}}", "294276-12-31 23:59:59+00", "infinity", "{-infinity}", "24:00:00-15:59:59", "nan",
        "1" + "0" * 40, "nan", '{"294276-12-31 00:00:00"}',
    )  # fmt: skip
    assert plain == ("1", "[1, 2]", "294247-01-10 04:00:54.775806+00", "00:00:00+15:59:59", "['0044-03-15 (BC)']")

    project = lake.project(sections + "[tables.broken]\n[tables.later]\n", uri=database.uri)
    scanned = scan_source(project, now=dt.datetime(2026, 11, 26, tzinfo=dt.UTC), progress=SilentProgress())
    unreadable = {finding.table: finding.message for finding in scanned.findings if finding.kind == "unreadable"}
    assert set(unreadable) == {"broken", "later"}
    assert "never populated" in unreadable["later"]
    assert set(scanned.tables) == {"people", "odd", "plain", "bills", "broken"}


def test_views_are_left_out_and_not_counted(lake: SourceProject, database: Server) -> None:
    """`init` and `plan` never evaluate a view that is not named; the plan warns of one that is."""
    database.execute(
        *PEOPLE,
        "create view slow as select id, 1 / (id - id) as x from people",
        "create view named as select id from people",
    )
    proposal = propose(lake, database)
    assert set(proposal.tables) == {"people"}
    assert "# Left out:\n#   named: a view" in render(proposal)
    plan = plan_sample(lake.project(SECTIONS, uri=database.uri), progress=SilentProgress())
    plan.listing.close()
    assert plan.not_sampled == ("named", "slow")
    assert plan.warnings == ()
    plan = plan_sample(lake.project(f"{SECTIONS}[tables.named]\n", uri=database.uri), progress=SilentProgress())
    plan.listing.close()
    [warning] = plan.warnings
    assert warning.startswith("named is a view: production computed its rows from all units")


@contextlib.contextmanager
def signed_in_as_reader(database: Server, *grants: str) -> Iterator[Server]:
    database.execute("drop role if exists seer", f"create role seer login password '{PASSWORD}'", *grants)
    try:
        yield replace(database, user="seer")
    finally:
        database.execute("drop owned by seer", "drop role seer")


def test_row_level_security_is_an_error_or_is_accepted(lake: SourceProject, database: Server) -> None:
    database.execute(
        *PEOPLE,
        "alter table people enable row level security",
        "create policy half on people using (id <= 250)",
        "create policy writers on people for insert with check (true)",
        "create table closed (id int primary key)",
        "alter table closed enable row level security",
        "create view through as select id from people",
    )
    with signed_in_as_reader(
        database, "grant select on people, closed to seer", "alter view through owner to seer"
    ) as reader:
        with pytest.raises(SourceError, match="row-level security") as caught:
            lake.draw(SECTIONS, uri=reader.uri)
        assert 'the role seer would see only some rows, by policy "half"' in caught.value.message
        assert 'row_security = "accept" in [source]' in caught.value.message
        with pytest.raises(SourceError, match="by the lack of any policy for it"):
            lake.draw(SECTIONS.replace("people", "closed"), uri=reader.uri)
        with (
            closing(list_source(reader.uri, base=lake.root)) as listing,
            Session() as session,
            pytest.raises(SourceError, match='row-level security policy for table "people"') as caught,
        ):
            open_table(session, listing, "through")
        assert 'row_security = "accept"' in caught.value.hint

        project = lake.project(SECTIONS, uri=reader.uri, more='row_security = "accept"')
        plan = plan_sample(project, progress=SilentProgress())
        plan.listing.close()
        assert plan.units["people"].population == 250
        assert plan.warnings == (
            'people has row-level security: its population is the rows that the role seer sees, by policy "half"',
        )
        _, manifest = lake.draw(SECTIONS, uri=reader.uri, more='row_security = "accept"')
        assert manifest.snapshots["people"].role == "seer"
    _, everything = lake.draw(SECTIONS, uri=database.uri)  # a superuser sees all rows
    assert (everything.tables["people"].rows, everything.snapshots["people"].role) == (500, None)


def test_two_roles_never_continue_each_others_draw(lake: SourceProject, database: Server) -> None:
    database.execute(
        *PEOPLE, "alter table people enable row level security", "create policy half on people using (id <= 250)"
    )
    project = lake.project(SECTIONS, uri=database.uri, more='row_security = "accept"')
    with signed_in_as_reader(database, "grant select on people to seer") as reader:
        listings = [
            list_configured_source(project.settings.source.model_copy(update={"uri": server.uri}), base=lake.root)
            for server in (database, reader)
        ]
        identities = {listing.files["people"][1][0].table_path[2] for listing in listings}
        for listing in listings:
            listing.close()
    assert len(identities) == 2


def test_a_failed_query_leaves_the_snapshot_usable(database: Server) -> None:
    database.execute(*PEOPLE)
    with PostgresSnapshot(database.uri, PostgresLimits()) as snapshot:
        database.execute("delete from people where id > 10")
        for _ in range(2):
            with pytest.raises(SourceError, match="division by zero"):
                snapshot.fetch_rows("select 1 / 0")
            assert snapshot.fetch_rows("select count(*) from public.people") == [(500,)]
