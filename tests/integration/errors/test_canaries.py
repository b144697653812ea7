"""No command prints or stores a value of a masked column, or of one that looks personal, whatever goes wrong.

Canaries stand in such columns of real sources. Each case breaks one thing, calls commands, and looks for canaries in all
that they print and in every file that they leave.
"""

from __future__ import annotations

import gzip
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from sandbox import cli
from tests.headers import build_header
from tests.integration.sources.server import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.sources.server import Server
    from tests.projects import Shop

WORD, NUMBER = "zqcanary", "73169485"  # each canary holds one of these
SETTINGS = (
    build_header("{uri}")
    + """
[sample]
salt = "s"
unit = "people"
rate = 0.5
min_per_stratum = 0
[tables.people]
key = {key}
{where}
[tables.people.mask]
email = "email"
note = "redact"
tax = "key"
{masks}
{more}
"""
)
ROWS = 40
COLUMNS = ["id", "email", "note", "tax", "phone"]


class Commands:
    """A project, and commands in it whose every word is kept."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.root, self.source, self.home = root / "project", root / "project" / "source", root / "home"
        self._capture, self._patch = capture, patch
        self.source.mkdir(parents=True)
        patch.chdir(self.root)
        patch.setenv("SANDBOX_HOME", str(self.home))
        patch.setenv("SANDBOX_MASK_KEY", "not a secret, for these tests only")

    def write_settings(self, **parts: str) -> None:
        """Write ``sandbox.toml``; a mask on ``phone`` only where a part says so."""
        given = {"uri": "source", "key": '["id"]', "where": "", "masks": "", "more": "", **parts}
        (self.root / "sandbox.toml").write_text(SETTINGS.format_map(given))

    def call(self, *arguments: str) -> tuple[int, str]:
        """Call a command as the command line does; its status and all that it printed."""
        self._patch.setattr(sys, "argv", ["sandbox", *arguments])
        self._capture.readouterr()
        status = cli.main()
        return status, "".join(self._capture.readouterr())

    def check(self, *arguments: str, fails: int | None = None) -> str:
        """Call a command, and find no canary in what it prints and leaves."""
        printed = ""
        for flags in ((), ("--json",)):
            status, printed = self.call(*arguments, *flags)
            assert fails is None or status == fails, printed
            assert not find_canaries(printed), printed
        for place in (self.root / ".sandbox", self.home, self.root / "sandbox.toml"):
            check_files(place)
        return printed


def check_files(place: Path) -> None:
    """Find no canary in a file, or in the files of a folder."""
    for file in [place] if place.is_file() else place.rglob("*"):
        if file.is_file():
            assert not find_canaries(read_text(file)), file


def read_text(file: Path) -> str:
    """Return the text of a file, of Parquet that of its values, without what a run itself left."""
    if "output" in file.parts:
        return ""
    if file.suffix == ".parquet":
        return str(pq.read_table(file).to_pydict())
    content = file.read_bytes()
    return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode(errors="replace")


def find_canaries(text: str) -> bool:
    return WORD in text.lower() or NUMBER in text.replace(",", "").replace("_", "")


def people(phone: bool = True) -> list[list[Any]]:
    """Return the rows of the table: canaries in all columns but the first."""
    return [
        [n, f"{WORD}{n}@example.org", f"{WORD} note {n}", int(f"{NUMBER}{n:03d}"), f"+49 {NUMBER}{n:03d}" * phone]
        for n in range(ROWS)
    ]


def csv_text(rows: list[list[Any]]) -> str:
    return "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]) + "\n"


def jsonl_text(rows: list[list[Any]]) -> str:
    text = [
        f'{{"id": {row[0]}, "email": "{row[1]}", "note": "{row[2]}", "tax": {row[3]}, "phone": "{row[4]}"}}'
        for row in rows
    ]
    return "\n".join(text) + "\n"


@pytest.fixture
def commands(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Commands(tmp_path, capfd, monkeypatch)
    for number, handler in kept.items():
        signal.signal(number, handler)


MASKED = 'phone = "phone"'
BROKEN_LINES = {
    "too many fields": f"7,{WORD}@example.org,{WORD},1,{WORD},{WORD}\n".encode(),
    "a quote without an end": f'7,"{WORD}@example.org,{WORD},1,x\n'.encode(),
    "not UTF-8": f"7,{WORD}\xff@example.org,{WORD},1,x\n".encode("latin-1"),
}


@pytest.mark.parametrize("line", BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_a_broken_line_of_csv_is_named_by_its_number(commands: Commands, line: bytes) -> None:
    (commands.source / "people.csv").write_bytes(csv_text(people()).encode() + line)
    commands.write_settings(masks=MASKED)
    assert f"line {ROWS + 2}" in commands.check("plan", fails=11)
    commands.check("sample", fails=11)
    commands.check("scan")
    # For a file in another encoding init writes down which one that is.
    commands.check("init", "source", "--force", fails=0 if b"\xff" in line else 11)


@pytest.mark.parametrize(
    "line", [f"{WORD}\n", f'"{WORD}"\n', f'{{"id": "{WORD}"\n', f'["{WORD}"]\n'], ids=["word", "text", "open", "list"]
)
def test_a_broken_line_of_json_lines_is_named_by_its_number(commands: Commands, line: str) -> None:
    (commands.source / "people.jsonl").write_text(jsonl_text(people()) + line)
    commands.write_settings(masks=MASKED)
    commands.check("plan", fails=11)
    commands.check("scan")
    commands.check("init", "source", "--force", fails=11)


def write_source(commands: Commands, form: str, rows: list[list[Any]]) -> None:
    file = commands.source / f"people.{form}"
    if form == "csv":
        file.write_text(csv_text(rows))
    elif form == "jsonl":
        file.write_text(jsonl_text(rows))
    elif form in ("parquet", "delta", "iceberg"):
        table = pa.table(dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))
        if form == "parquet":
            pq.write_table(table, file)
        elif form == "delta":
            deltalake.write_deltalake(str(commands.source / "people"), table)
        else:
            with closing(
                SqlCatalog("c", uri=f"sqlite:///{commands.source}/catalog.db", warehouse=str(commands.source))
            ) as catalog:
                catalog.create_namespace("shop")
                catalog.create_table("shop.people", schema=table.schema).append(table)
    elif form == "duckdb":
        with duckdb.connect(file) as connection:
            connection.execute("create table people (id int, email text, note text, tax bigint, phone text)")
            connection.executemany("insert into people values (?, ?, ?, ?, ?)", rows)
    else:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("create table people (id int, email text, note text, tax, phone text)")
            connection.executemany("insert into people values (?, ?, ?, ?, ?)", rows)
            connection.commit()


def uri(form: str) -> str:
    if form == "iceberg":
        return "iceberg+sqlite:///source/catalog.db?namespace=shop"
    return f"source/people.{form}" if form in ("duckdb", "sqlite") else "source"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "duckdb", "sqlite", "delta", "iceberg"])
def test_types_conditions_and_keys_that_do_not_fit(commands: Commands, form: str) -> None:
    write_source(commands, form, [*people(), *people()[:3]])
    place = uri(form)
    commands.write_settings(uri=place, masks=MASKED, more='[tables.people.types]\nemail = "BIGINT"')
    commands.check("plan")
    if form in ("csv", "jsonl"):
        assert "written like 'aaaaaaaa9@aaaaaaa.aaa'" in commands.check("sample", fails=12)
    commands.check("scan")
    for key, masks in (("phone", ""), ("tax", MASKED)):
        commands.write_settings(uri=place, key=f'["{key}"]', masks=masks)
        assert "repeat" in commands.check("plan")
        commands.check("scan")
    for condition in (
        "email::int > 3",
        "tax::tinyint = 1",
        "error(note)",
        "strptime(phone, '%Y') > '2020-01-01'",
        "json_extract_string(note, '$.a') = 'x'",
        "note::enum('a', 'b') = 'a'",
        "from_base64(email) is null",
        "tax * 1000000000000000000 > 3",
        "date_part(note, date '2024-01-01') = 3",
    ):
        commands.write_settings(uri=place, where=f"where = {condition!r}", masks=MASKED)
        status, printed = commands.call("plan", "--verbose")
        assert status, printed
        assert not find_canaries(printed)


def test_columns_that_look_personal_are_as_secret_as_masked_ones(commands: Commands) -> None:
    write_source(commands, "csv", [*people(), *people()[:3]])
    commands.write_settings(key='["phone"]')
    commands.check("plan", fails=12)
    commands.write_settings(key='["id"]', more='[tables.people.types]\nphone = "DATE"')
    commands.check("sample", fails=12)
    commands.write_settings(key='["phone"]', more='[tables.other]\nkey = ["phone"]\n')
    shutil.copy(commands.source / "people.csv", commands.source / "other.csv")
    commands.check("scan")
    commands.check("init", "source", "--force")


def test_what_a_reference_binds_to_a_mask_is_as_secret(commands: Commands) -> None:
    write_source(commands, "csv", people())
    lines = [f"{n},{NUMBER}{n + 20:03d}" for n in range(ROWS)]
    (commands.source / "sales.csv").write_text("\n".join(["nr,who", *lines]) + "\n")
    sales = '[tables.sales]\nkey = ["nr"]\nreferences = { who = "people.tax" }\n'
    commands.write_settings(key='["tax"]', masks=MASKED, more=sales)
    assert "names no row of people" in commands.check("scan")
    commands.check("plan", fails=0)
    commands.check("sample", fails=0)


def test_files_that_are_not_what_their_suffix_says(commands: Commands) -> None:
    rows = pa.table({"id": range(ROWS), "email": [f"{WORD}{n}@example.org".encode() + b"\xff" for n in range(ROWS)]})
    texts = rows.set_column(1, "email", rows["email"].combine_chunks().view(pa.string()))
    pq.write_table(texts, commands.source / "people.parquet")
    bare = "\n".join(line for line in SETTINGS.splitlines() if not line.startswith(("note", "tax")))
    (commands.root / "sandbox.toml").write_text(bare.format(uri="source", key='["id"]', where="", masks="", more=""))
    commands.check("plan")
    commands.check("sample", fails=11)
    commands.check("scan")
    for content in (WORD.encode() * 100, b"PAR1" + WORD.encode() * 9 + b"\x08\0\0\0PAR1"):
        (commands.source / "people.parquet").write_bytes(content)
        commands.check("plan", fails=11)
        commands.check("scan")
        commands.check("init", "source", "--force", fails=11)
    (commands.source / "people.parquet").unlink()
    with closing(sqlite3.connect(commands.source / "people.sqlite")) as connection:
        connection.execute("create table people (id integer primary key, email text, mixed)")
        text = f"{WORD}@example.org".encode() + b"\xff"
        connection.executemany("insert into people values (?, cast(? as text), ?)", [(n, text, "x") for n in range(9)])
        connection.execute("update people set mixed = 5 where id = 3")
        connection.commit()
    commands.write_settings(uri="source/people.sqlite")
    commands.check("plan", fails=11)
    commands.check("init", "source/people.sqlite", "--force")


def test_outputs_tests_and_tables_given_by_hand(commands: Commands) -> None:
    left, right = commands.root / "left.csv", commands.root / "right.csv"
    left.write_text(csv_text(people()))
    for line in BROKEN_LINES.values():
        right.write_bytes(csv_text(people()).encode() + line)
        commands.check("diff", str(left), str(right), "--no-values")
    right = commands.root / "right.parquet"
    right.write_bytes(WORD.encode() * 100)
    commands.check("diff", str(left), str(right), "--no-values", fails=11)
    right = commands.root / "right.jsonl"
    right.write_text(jsonl_text(people()) + f"{WORD}\n")
    commands.check("diff", str(left), str(right), "--no-values", fails=11)


PIPELINE = """
import os
import duckdb
label = "zq" + "canary"
columns = f"select customer_id, '{label}' || customer_id as label"
sample, output = (os.environ[name].replace("'", "''") for name in ("SANDBOX_SAMPLE", "SANDBOX_OUTPUT"))
duckdb.sql(f"copy ({columns} from '{sample}/customers/*.parquet') to '{output}/value.parquet'")
"""
TESTS = """
[[tests]]
name = "cast"
sql = "select * from value where label::int > 3"
[[tests]]
name = "own words"
sql = "select error(label) from value"
"""


def test_outputs_data_tests_and_queries(shop: Shop) -> None:
    (shop.root / "pipeline.py").write_text(PIPELINE)
    with (shop.root / "sandbox.toml").open("a") as settings:
        settings.write(TESTS)
    shop.git("commit", "-am", "labels")
    done = [shop.run("diff", "--json")]
    assert "cannot be converted to INT32" in done[0].stdout
    done += [shop.run("sql", f"select {one} from output.value") for one in ("label::int", "error(label)")]
    assert [one.status for one in done[1:]] == [12, 12]
    broken = f"""{PIPELINE}
open(output + "/other.csv", "w").write("a,b\\n1,2\\n" + label + "," + label + "," + label + "\\n")
"""
    (shop.root / "pipeline.py").write_text(broken)
    done.append(shop.run("diff"))
    assert done[-1].status == 15
    for one in done:
        assert not find_canaries(one.stdout + one.stderr), one
    check_files(shop.root / ".sandbox")


@pytest.mark.parametrize(
    "address",
    [
        f"sqlite:///u:{WORD}@x", f"postgresql://u:{WORD}@127.0.0.1:1/db", f"mysql+x://u:{WORD}@host/db?x=1",
        f"s3://key:{WORD}@bucket/x", f"postgresql://127.0.0.1:1/db?sslpassword={WORD}", f"iceberg://u:{WORD}@host/x",
        f"s3://bucket/x?secret_key={WORD}", f"snowflake://u:{WORD}@account/db", f"postgresql://u:p/{WORD}@h:1/d",
    ],
)  # fmt: skip
def test_no_password_of_an_address_is_shown(commands: Commands, address: str) -> None:
    status, printed = commands.call("init", address, "--json")
    assert status in (10, 11), printed
    assert WORD not in printed
    commands.write_settings(uri=address)
    for command in ("plan", "scan", "sample"):
        status, printed = commands.call(command)
        assert status in (10, 11), printed
        assert WORD not in printed


def test_an_error_that_nothing_foresaw_shows_where_it_came_from_and_not_what_it_says(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        pa.array([f"{WORD}@example.org"], pa.int64())

    monkeypatch.setattr("sandbox.config.load_project", fail)
    status, printed = commands.call("plan", "--json")
    assert (status, WORD in printed) == (70, False)
    assert "test_canaries.py" in printed
    assert "ArrowInvalid" in printed


@pytest.fixture(scope="module")
def server(postgres_server: Server) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        one = postgres_server.create_database("canaries")
        one.just(
            "create table people (id int primary key, email text, note text, tax bigint, phone text)",
            *("insert into people values ({}, '{}', '{}', {}, '{}')".format(*row) for row in people()),
            "create view numbers as select id, email::int as n from people",
            "create function raise(text) returns int language plpgsql as "
            "$$ begin raise exception '%', $1 using errcode = '22023'; end $$",
            "create view raised as select id, public.raise(email) as n from people",
            "create table odd (id int primary key, n numeric(9, 2), born date)",
            f"insert into odd values (1, 'NaN', '2024-01-01'), (2, {NUMBER[:7]}, 'infinity')",
        )
        yield one


def test_what_postgres_says_of_values(commands: Commands, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    for condition in ("email::int > 3", "tax::tinyint = 1", "note::date > '2024-01-01'"):
        commands.write_settings(uri=server.uri, where=f"where = {condition!r}", masks=MASKED)
        assert "a text like" in commands.check("sample", fails=11) or "tinyint" in condition
    commands.write_settings(uri=server.uri, masks=MASKED, more='[tables.people.types]\nemail = "DATE"')
    commands.check("plan", fails=12)
    for view in ("numbers", "raised", "odd"):
        bare = "\n".join(
            line.replace("people", view)
            for line in SETTINGS.splitlines()
            if not line.startswith(("note", "tax", "email"))
        )
        (commands.root / "sandbox.toml").write_text(
            bare.format(uri=server.uri, key='["id"]', where="", masks='id = "key"', more="")
        )
        commands.check("sample")
        commands.check("scan")
    commands.check("init", server.uri, "--force")
