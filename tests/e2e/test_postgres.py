"""Pipelines that work in the stack's Postgres, through the command."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.projects import Shop

PIPELINE = """\
import os

import psycopg

url = os.environ["SANDBOX_DATABASE_URL"]
assert os.environ["DATABASE"] == url
with psycopg.connect(url, autocommit=True) as connection:
    connection.execute(
        "create table value as select customer_id, country, coalesce(sum(amount), 0)::numeric(12, 2) as total, "
        "count(order_id) as orders, now() as made from customers left join orders using (customer_id) group by 1, 2"
    )
    connection.execute("create schema marts; create view marts.counts as select country, sum(orders) as n from value group by 1")
    connection.execute("update customers set country = 'XX' where customer_id = 7")
    own = connection.execute("select current_database()").fetchone()[0]
    others = connection.execute("select datname from pg_database where datname <> %s", [own]).fetchall()
for (other,) in others:
    try:
        psycopg.connect(url.replace(f"/{own}?", f"/{other}?")).close()
    except psycopg.OperationalError:
        continue
    raise SystemExit(f"{other} is open to this run")
"""
DOCKER = {"SANDBOX_RUNTIME": "docker"}


@pytest.fixture
def database(shop: Shop, engine: str) -> Iterator[Shop]:
    """Give a project whose pipeline works in Postgres; nothing of it is left in the engine afterwards."""
    shop.edit("sandbox.toml", 'production = "main"', 'production = "main"\ninputs = ["postgres"]')
    shop.edit("sandbox.toml", "[outputs.value]", '[pipeline.env]\nDATABASE = "{database_url}"\n\n[outputs.value]')
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nrequirements = "requirements.txt"\n[stack.limits]')
    (shop.root / "requirements.txt").write_text("psycopg[binary]\n")
    (shop.root / "pipeline.py").write_text(PIPELINE)
    shop.git("add", "-A")
    shop.git("commit", "-m", "Postgres")
    yield shop
    shop.run("rm", "--yes", env=DOCKER)
    assert held(shop) == []


def held(shop: Shop) -> list[str]:
    """Give the containers and volumes of the project."""
    label = f"label=dev.sandbox.path={shop.root}"
    found = []
    for kind in (["ps", "--all", "--format", "{{.Names}}"], ["volume", "ls", "--format", "{{.Name}}"]):
        command = ["docker", *kind, "--filter", label]
        found += subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return found


def asked(shop: Shop, created: dict[str, Any], query: str) -> list[tuple[Any, ...]]:
    """Ask the Postgres that a call of `create` brought up, as the user's own client does."""
    (service,) = created["services"]
    password = (shop.root / ".sandbox" / "services" / "default" / "pgpass").read_text().strip().split(":")[-1]
    with psycopg.connect(service["url"], password=password) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
@pytest.mark.docker
def test_runs_have_databases_of_their_own_and_what_they_leave_is_compared(database: Shop) -> None:
    """Takes long: containers of several diffs, each with a database of its own."""
    shop = database
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    done = shop.run("diff", "--json", env=DOCKER)
    assert done.status == 1, done.stderr
    outputs = done.json["outputs"]
    assert set(outputs) == {
        "customers",
        "marts.counts",
        "value",
    }  # a new table and a view, and one that was changed; orders is as it was
    assert outputs["marts.counts"]["rows"]["changed"] + outputs["marts.counts"]["rows"]["added"] > 0
    columns = outputs["value"]["columns"]
    assert outputs["value"]["rows"]["changed"] > 0
    assert {name for name, one in columns.items() if one["changed"]} <= {"orders", "made"}
    assert columns["orders"]["changed"] > 0
    assert outputs["value"]["tainted"] == ["made"]  # the clock is no change of the code
    created = json.loads(shop.run("create", "--json", env=DOCKER).stdout)
    assert created["services"][0]["url"].startswith("postgresql://sandbox@127.0.0.1:")
    databases = {row[0] for row in asked(shop, created, "select datname from pg_database")}
    assert not [name for name in databases if name.startswith("run_")]
    assert asked(shop, created, "select rolname from pg_roles where rolname like 'run%'") == []
    [(kept,)] = asked(shop, created, "select count(*) from customers where country = 'XX'")
    assert kept == 0
    keys = asked(
        shop,
        created,
        "select conrelid::regclass::text from pg_constraint where contype = 'p' and connamespace = 'public'::regnamespace order by 1",
    )
    assert [row[0] for row in keys] == ["customers", "orders"]
    label = f"label=dev.sandbox.path={shop.root}"
    command = ["docker", "ps", "--format", "{{.Image}}", "--filter", label]
    (image,) = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    (used,) = (shop.home / "images").glob(f"{image.partition(':')[2]}*")  # so that gc knows it
    assert len(used.name) == 64


@pytest.mark.slow
@pytest.mark.docker
def test_the_service_of_a_project_that_was_deleted_goes_with_gc(database: Shop) -> None:
    shop = database
    assert shop.run("create", env=DOCKER).status == 0
    names = held(shop)
    assert len(names) == 3
    assert shop.run("gc", "--yes", env=DOCKER).status == 0
    assert held(shop) == names
    shutil.rmtree(shop.root / ".sandbox")
    left = json.loads(shop.run("doctor", "--json").stdout)["checks"][-1]
    assert set(names) <= set(left["items"])
    assert shop.run("gc", "--yes", env=DOCKER).status == 0
    assert held(shop) == []


@pytest.mark.slow
@pytest.mark.docker
def test_what_a_run_leaves_is_read_with_the_rights_of_the_run(database: Shop) -> None:
    """Reading calls functions of the run's own: casts of its types."""
    (database.root / "pipeline.py").write_text(
        """\
import os

import psycopg

with psycopg.connect(os.environ["SANDBOX_DATABASE_URL"], autocommit=True) as connection:
    connection.execute("create type mood as enum ('glad')")
    connection.execute(
        "create function shown(mood) returns text language sql as $$ select current_user || ' ' || current_setting('is_superuser') $$"
    )
    connection.execute("create cast (mood as text) with function shown(mood)")
    connection.execute("create table value as select 'glad'::mood as mood")
    connection.execute("create view broken as select 1 / count(*) as x from value where false")
    connection.execute('create table "../../../escaped" as select 1 as x')
"""
    )
    done = database.run("run", "--json", env=DOCKER)
    assert done.status == 0, done.stderr
    file = f"{done.json['path']}/output/value.parquet".replace("'", "''")
    [(said,)] = duckdb.connect().execute(f"select mood from '{file}'").fetchall()
    assert said.startswith("run_")
    assert said.endswith(" off")
    assert done.json["not_compared"] == {"broken": "it is a view of Postgres that could not be evaluated"}
    assert set(done.json["outputs"]) == {"value", "%2E.%2F..%2F..%2Fescaped"}
    assert not list(database.root.rglob("escaped.parquet"))


@pytest.mark.slow
@pytest.mark.docker
def test_two_creates_bring_up_one_service_which_stop_ends_and_create_makes_again(database: Shop) -> None:
    shop = database
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: shop.run("create", "--json", env=DOCKER), range(2)))
    assert [one.status for one in done] == [0, 0], done[0].stderr + done[1].stderr
    assert done[0].json["services"] == done[1].json["services"]
    names = held(shop)
    assert len(names) == 3
    listed = shop.run("ls", "--json", env=DOCKER).json["sandboxes"][0]
    assert listed["services"] == done[0].json["services"]
    [container] = [name for name in names if name.endswith("-postgres")]
    described = json.loads(subprocess.run(["docker", "inspect", container], check=True, capture_output=True).stdout)
    host = described[0]["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert {one["HostIp"] for ports in host["PortBindings"].values() for one in ports} == {"127.0.0.1"}
    password = (shop.root / ".sandbox" / "services" / "default" / "password").read_text()
    assert password not in json.dumps(described)
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    again = shop.run("create", "--json", env=DOCKER)
    assert asked(shop, again.json, "select count(*) > 0 from orders") == [(True,)]
    assert shop.run("stop", env=DOCKER).status == 0
    assert held(shop) == []


@pytest.mark.slow
@pytest.mark.docker
def test_the_lock_names_the_packages_of_the_service_and_another_home_gets_the_same(
    database: Shop, tmp_path: Path
) -> None:
    shop = database
    assert shop.run("create", env=DOCKER).status == 0
    made = json.loads((shop.root / "sandbox.lock").read_text())
    [(platform, entry)] = [one for one in made["platforms"].items() if one[1]["packages"]]
    packages = {one["name"]: one for one in entry["packages"]["postgres"]}
    assert packages["postgresql-17"]["version"].startswith("17.")
    names = held(shop)
    other = dataclasses.replace(shop, home=tmp_path / "home")
    again = other.run("create", "--frozen", env=DOCKER)
    assert again.status == 0, again.stderr
    assert held(shop) == names  # the same container: its image follows from the packages
    assert json.loads((shop.root / "sandbox.lock").read_text()) == made

    older = {**packages["postgresql-17"], "version": "17.0-1"}
    entry["packages"]["postgres"] = sorted([*packages.values(), older], key=lambda one: one["name"])
    entry["packages"]["postgres"].remove(packages["postgresql-17"])
    (shop.root / "sandbox.lock").write_text(json.dumps(made))
    refused = shop.run("create", env=DOCKER)
    assert refused.status == 18
    assert f"postgresql-17 is {packages['postgresql-17']['version']}, and was 17.0-1" in refused.stderr
    assert "sandbox lock --upgrade" in refused.stderr

    entry["packages"] = {}
    (shop.root / "sandbox.lock").write_text(json.dumps(made))
    refused = shop.run("create", "--frozen", env=DOCKER)
    assert refused.status == 18
    assert f"no packages for the image postgres on {platform}" in refused.stderr


@pytest.mark.slow
@pytest.mark.docker
def test_its_sample_answers_queries_that_only_read_and_its_log_is_shown(database: Shop) -> None:
    shop = database
    query = (
        "select customer_id, country as a, 'x' as a, 1.50::numeric(6,2) as money, customer_id > 0 as yes, null::date as no, "
        "array[1, 2] as list from customers order by 1"
    )
    done = shop.run("sql", "--service", "postgres", "--json", query, env=DOCKER)
    assert done.status == 0, done.stderr
    plain = shop.run("sql", "--json", "select customer_id, country from customers order by 1", env=DOCKER).json
    kinds = ["BIGINT", "VARCHAR", "VARCHAR", "DECIMAL(6,2)", "BOOLEAN", "DATE", "INT4[]"]
    names = ["customer_id", "a", "a_1", "money", "yes", "no", "list"]
    assert done.json["columns"] == [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)]
    assert [row[:2] for row in done.json["rows"]] == plain["rows"]
    assert all(row[2:] == ["x", "1.50", True, None, "{1,2}"] for row in done.json["rows"])
    for refused in (
        "delete from customers",
        "select 1; drop table orders",
        "select setval('x', 1)",
        "selekt",
    ):
        asked_for = shop.run("sql", "--service", "postgres", refused, env=DOCKER)
        assert asked_for.status == 12, refused
        assert "the query: " in asked_for.stderr
    done = shop.run("sql", "--service", "postgres", "--csv", "select count(*) as n from orders", env=DOCKER)
    assert done.stdout.splitlines()[0] == "n"
    assert int(done.stdout.splitlines()[1]) > 0
    shown = shop.run("logs", "--service", "postgres", env=DOCKER)
    assert "database system is ready to accept connections" in shown.stdout
    assert 'syntax error at or near "selekt"' in shown.stdout
    assert shop.run("logs", "--service", "postgres", "20260101", env=DOCKER).status == 2
    wrong = shop.run("logs", "--service", "postgress", env=DOCKER)
    assert wrong.status == 2
    assert 'did you mean "postgres"?' in wrong.stderr


BY_NETWORK = """\
import os
import socket

import psycopg

url = os.environ["SANDBOX_DATABASE_URL"]
assert os.environ["DATABASE"] == f"jdbc:{url}"
assert url.startswith("postgresql://postgres:5432/run_")
with psycopg.connect(url, autocommit=True) as connection:
    connection.execute("create table value as select customer_id, count(*) as orders from orders group by 1")
for host, port in (("1.1.1.1", 53), ("169.254.169.254", 80)):
    try:
        socket.create_connection((host, port), 2)
    except OSError:
        continue
    raise SystemExit(f"{host} is reached")
for name in ("example.org", "deb.debian.org"):
    try:
        socket.getaddrinfo(name, 80)
    except OSError:
        continue
    raise SystemExit(f"{name} is known")
"""


@pytest.mark.slow
@pytest.mark.docker
def test_by_a_network_runs_reach_the_service_and_nothing_outside_and_the_record_says_so(
    database: Shop,
) -> None:
    """Takes long: the service starts again with a network, and names that are not resolved time out."""
    shop = database
    shop.edit("sandbox.toml", "[stack]\n", '[stack]\nnetwork = "services"\n')
    shop.edit("sandbox.toml", '"{database_url}"', '"jdbc:{database_url}"')
    (shop.root / "pipeline.py").write_text(BY_NETWORK)
    done = shop.run("run", "--json", env=DOCKER)
    assert done.status == 0, done.stderr
    assert done.json["isolation"]["network"] == "services"
    assert set(done.json["outputs"]) == {"value"}
    networks = ["docker", "network", "ls", "--format", "{{.Name}} {{.Internal}}"]
    label = f"label=dev.sandbox.path={shop.root}"
    listed = subprocess.run([*networks, "--filter", label], check=True, capture_output=True, text=True).stdout
    [(name, internal)] = [line.split() for line in listed.splitlines()]
    assert (name.endswith("-services"), internal) == (True, "true")
    assert shop.run("run", "--json", env=DOCKER).json["cached"] is True
    assert shop.run("stop", env=DOCKER).status == 0
    assert subprocess.run([*networks, "--filter", label], check=True, capture_output=True).stdout == b""


def test_a_network_for_runs_that_ask_no_service_is_refused(shop: Shop) -> None:
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nnetwork = "services"\n[stack.limits]')
    done = shop.run("run")
    assert done.status == 10
    assert 'write inputs = ["postgres"] in [pipeline]' in done.stderr


def test_services_without_an_engine_are_refused(shop: Shop) -> None:
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nservices = ["postgres"]\n[stack.limits]')
    done = shop.run("create")
    assert done.status == 14
    assert "services are containers" in done.stderr
