"""``sandbox init``: what it finds in real and in hostile sources, and that what it writes works at once."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox import suggest
from sandbox.model import SilentProgress
from sandbox.suggest import hash_slice
from tests.projects import Shop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, sandbox_home: Path) -> Shop:
    """Give an empty project in a path that is hard to quote."""
    root = tmp_path / "a 'ne\" prøject"
    root.mkdir()
    return Shop(root=root, home=sandbox_home)


def table(folder: Shop, name: str, sql: str, form: str = "parquet") -> None:
    place = folder.root / "data"
    place.mkdir(exist_ok=True)
    target = str(place / f"{name}.{form}").replace("'", "''")
    options = "(format json)" if form == "jsonl" else ""
    duckdb.sql(f"copy ({sql}) to '{target}' {options}")


def settings(folder: Shop) -> dict[str, Any]:
    return tomllib.loads((folder.root / "sandbox.toml").read_text("utf-8"))


def references(section: dict[str, Any]) -> dict[tuple[str, ...], tuple[str, tuple[str, ...]]]:
    short = section.get("references", {}).items()
    long = section.get("reference", [])
    return {(column,): (where.rpartition(".")[0], (where.rpartition(".")[2],)) for column, where in short} | {
        tuple(one["columns"]): (one["table"], tuple(one["key"])) for one in long
    }


def test_baseball_is_understood_and_can_be_planned_at_once(folder: Shop, baseball: Path) -> None:
    done = folder.run("init", str(baseball))
    assert done.status == 0, done.stderr
    found = settings(folder)
    assert found["source"]["uri"] == str(baseball)
    assert found["sample"]["unit"] == "People"
    tables = found["tables"]
    assert tables["Teams"]["key"] == ["yearID", "teamID"]
    assert tables["People"]["mask"].keys() == {"nameFirst", "nameLast", "nameGiven"}
    people, teams = ("People", ("playerID",)), ("Teams", ("yearID", "teamID"))
    for name in ("Salaries", "BattingPost", "PitchingPost", "AllstarFull"):
        assert references(tables[name]) == {("playerID",): people, ("yearID", "teamID"): teams}
    assert references(tables["Teams"]) == {("franchID",): ("TeamsFranchises", ("franchID",))}
    assert references(tables["CollegePlaying"]) == {
        ("playerID",): people,
        ("schoolID",): ("Schools", ("schoolID",)),
    }
    # Counted once more, by a join on the files.
    ((share,),) = (
        duckdb.connect()
        .execute(
            f"select avg((exists (from '{baseball}/Teams.csv' t where t.yearID = a.yearID and t.teamID = a.teamID))::int) "
            f"from '{baseball}/AllstarFull.csv' a"
        )
        .fetchall()
    )
    assert f"# yearID, teamID → Teams: {share * 100:.1f} % of rows" in (folder.root / "sandbox.toml").read_text()
    planned = folder.run("plan", "--json")
    assert planned.status == 0, planned.stderr


def test_keys_that_are_not_the_primary_one_and_several_ways_to_the_unit(folder: Shop) -> None:
    table(
        folder,
        "users",
        "select i as id, 'x' || i || '@example.org' as mail, i % 3 = 0 as active from range(3000) t(i)",
    )
    table(
        folder,
        "orders",
        "select i as order_id, i % 3000 as user_id, 2020 as order_year, i as order_number from range(9000) t(i)",
    )
    table(
        folder,
        "payments",
        "select i as id, 2020 as order_year, i as order_number, i % 3000 as user_id from range(9000) t(i)",
        "csv",
    )
    table(folder, "clicks", "select i as click_id, i % 50 as page from range(150000) t(i)", "jsonl")
    assert folder.run("init", "data").status == 0
    found = settings(folder)
    assert found["source"]["uri"] == "data/"
    assert (found["sample"]["unit"], found["sample"]["strata"]) == ("users", ["active"])
    assert found["tables"]["users"]["mask"] == {"mail": "email"}
    assert references(found["tables"]["payments"]) == {
        ("user_id",): ("users", ("id",)),
        ("order_year", "order_number"): ("orders", ("order_year", "order_number")),
    }
    assert found["tables"]["payments"]["belongs_to"] == "users"
    assert found["sample"]["also"]["clicks"]["rate"] == 0.1  # nothing leads from it to users
    planned = folder.run("plan", "--json")
    assert planned.status == 0, planned.stderr


def test_names_of_any_kind_and_tables_that_cannot_be_read(folder: Shop) -> None:
    table(
        folder,
        'kunden "größe" #1',
        'select i as "the \'id\'", i % 2 as "a.b", \'z\' || i % 4 as "stufe\n""x""" from range(700) t(i)',
    )
    table(folder, "käufe", 'select i as "käufe.id", i % 700 as "the \'id\'" from range(2000) t(i)')
    (folder.root / "data" / "broken.parquet").write_text("no")
    assert folder.run("init", "data").status == 0
    found = settings(folder)
    assert found["sample"]["unit"] == 'kunden "größe" #1'
    assert references(found["tables"]["käufe"]) == {("the 'id'",): ('kunden "größe" #1', ("the 'id'",))}
    assert "broken" not in found["tables"]
    assert "#   broken: " in (folder.root / "sandbox.toml").read_text("utf-8")
    planned = folder.run("plan", "--json")
    assert planned.status == 0, planned.stderr


def test_a_heavy_tail_is_drawn_by_size(folder: Shop) -> None:
    table(folder, "users", "select i as user_id, ['DE', 'FR'][1 + i % 2] as country from range(30000) t(i)")
    table(
        folder,
        "orders",
        "select i as order_id, i * 7919 % 30000 as user_id, 2000 + i % 20 as year, 5 + i % 3 as pieces, "
        "(exp(4 * sin(i * 7919 % 30000) + 2 * cos(i)))::decimal(12, 2) as amount, "
        "exp(6 * sin(i * 7919 % 30000)) as salary from range(60000) t(i)",
    )
    done = folder.run("init", "data", "--json")
    assert done.status == 0, done.stderr
    assert done.json["size_stratum"] == {"sum": "orders.amount"}
    assert settings(folder)["sample"]["strata"] == ["country", {"sum": "orders.amount"}]
    text = (folder.root / "sandbox.toml").read_text("utf-8")
    shown = re.search(
        r"carry the sum of orders.amount: drawn at one rate .* ± (.*) %, by size to within ± (.*) %", text
    )
    assert shown
    planned = folder.run("plan", "--json").json["units"]["users"]
    assert f"{planned['total_half_width_95']['sum of orders.amount'] * 100:.1f}" == shown[2]
    assert 2 * float(shown[2]) <= float(shown[1])
    assert planned["totals_without_interval"] == []


def test_a_file_that_is_there_is_kept_unless_told_otherwise(folder: Shop) -> None:
    table(folder, "users", "select i as user_id from range(10) t(i)")
    (folder.root / "sandbox.toml").write_text("mine")
    refused = folder.run("init", "data")
    assert refused.status == 2
    assert "is there already" in refused.stderr
    assert (folder.root / "sandbox.toml").read_text() == "mine"
    assert folder.run("init", "data", "--force").status == 0
    assert settings(folder)["sample"]["rate"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "sandbox init data/"),  # a folder near by that holds tables
        (["nowhere"], 11, "is not there"),
        (["empty"], 11, "holds no table"),
        (["keyless"], 11, "has a key"),
        (["data", "--ci", "github"], 2, "takes no URI"),
    ],
)
def test_what_cannot_be_is_said(folder: Shop, arguments: list[str], status: int, said: str) -> None:
    table(folder, "users", "select i as user_id from range(10) t(i)")
    (folder.root / "empty").mkdir()
    (folder.root / "keyless").mkdir()
    (folder.root / "keyless" / "t.csv").write_text("a,b\n1,1\n1,1\n")
    done = folder.run("init", *arguments)
    assert done.status == status
    assert said in done.stderr
    assert not (folder.root / "sandbox.toml").exists()


def test_large_tables_are_looked_at_in_part_without_being_misled(folder: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of some values: a key that repeats only between far-apart rows, and the share of a reference."""
    table(folder, "customers", "select i as customer_id from range(20000) t(i)")
    # order_id names no row: each is there twice, half of the table apart.
    table(
        folder,
        "orders",
        "select i % 20000 as order_id, i // 20000 as line, (i * 7) % 21500 as customer_id from range(40000) t(i)",
    )
    monkeypatch.setattr(hash_slice, "MAX_FULL_SCAN_ROWS", 4000)
    found = suggest.build_proposal("data/", base=folder.root, progress=SilentProgress())
    orders = found.tables["orders"]
    assert orders.key is not None
    assert orders.key.columns == ("order_id", "line")
    assert "one value in 10" in orders.key.evidence
    (reference,) = orders.references
    assert reference.table == "customers"
    assert abs(reference.share - 40 / 43) < 0.02


def test_what_a_database_declares_is_taken_as_said(folder: Shop) -> None:
    with duckdb.connect(str(folder.root / "shop.duckdb")) as connection:
        connection.execute(
            "create table people (nr bigint primary key, land varchar);"
            "insert into people select i, 'land ' || i % 3 from range(2500) t(i);"
            "create table visits (v bigint primary key, who bigint references people (nr));"
            "insert into visits select i, i % 2500 from range(5000) t(i)"
        )
    assert folder.run("init", "shop.duckdb").status == 0
    found = settings(folder)
    assert (found["sample"]["unit"], found["sample"]["strata"]) == ("people", ["land"])
    assert references(found["tables"]["visits"]) == {("who",): ("people", ("nr",))}  # by its name it is none
    assert 'key = ["nr"]  # declared in the database' in (folder.root / "sandbox.toml").read_text("utf-8")
    planned = folder.run("plan", "--json")
    assert planned.status == 0, planned.stderr


def test_in_a_small_source_customers_are_drawn_and_not_lines_of_orders(folder: Shop) -> None:
    table(folder, "customers", "select i as customer_id from range(120) t(i)")
    table(folder, "orders", "select i as order_id, i % 120 as customer_id from range(300) t(i)")
    table(folder, "lines", "select i // 3 as order_id, i % 3 as line from range(900) t(i)")
    table(folder, "offices", "select i as office_id from range(7) t(i)")
    assert folder.run("init", "data").status == 0
    assert settings(folder)["sample"]["unit"] == "customers"


def test_who_edited_a_row_and_identifiers_made_from_names_are_found(folder: Shop) -> None:
    surnames = "['curie', 'meitner', 'noether', 'franklin', 'hopper', 'hodgkin', 'goodall', 'mirzakhani', 'rubin', 'wu', 'yalow', 'levi']"
    made = f"({surnames})[range + 1]"
    table(
        folder,
        "people",
        f"select range + 1 as id, upper({made}) as surname, {made} || '_' || range as handle, md5({made}) as colour, "
        "1 + range % 12 as last_edited_by from range(12)",
    )
    table(
        folder,
        "articles",
        "select range as id, 1 + range % 12 as edited_by, 1 + range % 3 as total_articles from range(40)",
    )
    assert folder.run("init", "data").status == 0
    tables = settings(folder)["tables"]
    assert references(tables["people"]) == {("last_edited_by",): ("people", ("id",))}
    assert references(tables["articles"]) == {("edited_by",): ("people", ("id",))}
    assert tables["people"]["mask"].keys() == {"surname", "handle"}
