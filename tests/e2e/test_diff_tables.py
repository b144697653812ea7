"""`sandbox diff TABLE TABLE`: two tables, without a project."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.projects import Done

if TYPE_CHECKING:
    from pathlib import Path

BASELINE: dict[str, list[Any]] = {"id": [1, 2, 3], "tags": [["a", "b"], [], ["c"]], "x": [1.0, 2.0, 3.0]}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two tables in a folder that is no project, and the command in it."""

    folder: Path

    def write(self, name: str, columns: dict[str, list[Any]]) -> None:
        """Write a table."""
        pq.write_table(pa.table(columns), self.folder / name)

    def diff(self, *arguments: str) -> Done:
        """Compare two tables."""
        done = subprocess.run(
            [sys.executable, "-m", "sandbox", "diff", *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    given = Pair(folder=tmp_path)
    given.write("a.parquet", BASELINE)
    return given


def test_equal_tables_are_the_same_and_others_are_outside_the_gate(pair: Pair) -> None:
    assert pair.diff("a.parquet", "a.parquet").status == 0
    pair.write("b.parquet", {**BASELINE, "x": [1.0, 2.5, 3.0]})
    done = pair.diff("a.parquet", "b.parquet")
    assert done.status == 1
    assert done.stdout.startswith("outside the gate: a: 1 of 3 rows changed (33.3 %)\n")
    assert "key: a: inferred key id\n" in done.stdout
    assert "id 2  x  2.0 → 2.5" in done.stdout
    assert "2.5" not in pair.diff("a.parquet", "b.parquet", "--no-values").stdout


def test_a_key_that_repeats_or_is_null_is_said_so(pair: Pair) -> None:
    pair.write("a.parquet", {"id": [1, 1, None, 4], "x": [1, 2, 3, 4]})
    pair.write("b.parquet", {"id": [1, 1, None, 4], "x": [1, 9, 3, 5]})
    done = pair.diff("a.parquet", "b.parquet", "--key", "id")
    assert "1 changed, 1 removed of 4 rows, 1 added" in done.stdout
    said = "declared key id; rows with a duplicate key: 2 in the baseline, 2 in the candidate; rows with a null key: 1"
    assert said in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", ["b\u202e.parquet", "b\x1b[31m.parquet"])
def test_names_in_errors_are_text(pair: Pair, name: str) -> None:
    (pair.folder / name).write_bytes(b"PAR1 but not for long PAR1")
    done = pair.diff("a.parquet", name)
    assert (done.status, done.stdout) == (11, "")
    assert not {"\u202e", "\x1b"} & set(done.stderr)
    assert f"⟨U+{ord(name[1]):04X}⟩" in done.stderr


RULES = """
[output]
key = ["id"]
ignore = ["loaded"]
rename = { ltv = "x" }
tolerance = { tags = { set = true }, x = { abs = 0.5 } }
gate = { changed_rows = "40%" }
"""


def test_rules_say_what_a_project_would(pair: Pair) -> None:
    loaded, tags = {"loaded": [1, 1, 1]}, [["b", "a", "a"], [], ["c"]]
    pair.write("a.parquet", {**BASELINE, **loaded})
    pair.write("b.parquet", {"id": [1, 2, 3], "ltv": [1.0, 2.5, 4.0], "tags": tags, "loaded": [2, 2, 2]})
    (pair.folder / "rules.toml").write_text(RULES)
    done = pair.diff("a.parquet", "b.parquet", "--rules", "rules.toml", "--json")
    assert done.status == 0, done.stderr
    found = done.json["outputs"]["a"]
    assert (done.json["verdict"], found["rows"]["changed"]) == ("within_gate", 1)
    assert (found["schema"]["renamed"], found["ignored"]) == ({"x": "ltv"}, ["loaded"])
    assert found["columns"]["tags"]["changed"] == 0
    assert found["key"]["source"] == "declared"
    assert pair.diff("a.parquet", "b.parquet").status == 1


def test_rules_say_how_csv_is_written(pair: Pair) -> None:
    for name, amount in (("a.csv", "1.234,50"), ("b.csv", "1234,5")):
        (pair.folder / name).write_bytes(f"id;name;amount\r\n1;Zoë;{amount}\r\n2;-;7\r\n".encode("cp1252"))
    csv = 'csv = { encoding = "cp1252", delimiter = ";", decimal = ",", thousands = ".", null = ["-"] }\n'
    (pair.folder / "rules.toml").write_text(f'[output]\nkey = ["id"]\n{csv}')
    done = pair.diff("a.csv", "b.csv", "--rules", "rules.toml", "--json")
    assert (done.status, done.json["verdict"]) == (0, "same"), done.stderr
    (pair.folder / "b.csv").write_bytes("id;name;amount\r\n1;Zoé;1234,5\r\n2;-;7\r\n".encode("cp1252"))
    assert "Zoë → Zoé" in pair.diff("a.csv", "b.csv", "--rules", "rules.toml").stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[output]\nignor = ['x']\n", 'line 2: output.ignor: unknown key; did you mean "ignore"?'),
        ("[outputs.a]\nkey = ['id']\n", "outputs: unknown key; only [output] belongs here"),
        ("[output]\n\nunit_key = ['id']\n", "line 3: output.unit_key: two tables are no sample"),
        (
            "[output.gate]\ntotal_change = { x = '1%' }\n",
            "output.gate.total_change: two tables are no sample",
        ),
        ("[output]\nkey = ['id']\ntolerance = { id = { abs = 1 } }\n", "id is a key column"),
        ("[output\n", "not valid TOML"),
    ],
)
def test_mistake_in_the_rules_is_named_with_its_line(pair: Pair, text: str, said: str) -> None:
    (pair.folder / "rules.toml").write_text(text)
    done = pair.diff("a.parquet", "a.parquet", "--rules", "rules.toml")
    assert (done.status, done.stdout) == (10, "")
    assert said in done.stderr


def test_the_report_is_written_where_it_is_wanted(pair: Pair) -> None:
    pair.write("b.parquet", {**BASELINE, "x": [1.0, 2.75, 3.0]})
    done = pair.diff("a.parquet", "b.parquet", "--report", "out/report.html")
    place = pair.folder / "out" / "report.html"
    assert f"report: {place}" in done.stdout.replace("\n", "")
    assert "1 of 3 rows changed" in place.read_text("utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "2.75" in place.read_text("utf-8")
    assert pair.diff("a.parquet", "b.parquet", "--report", "out/report.html", "--no-values").status == 1
    assert "2.75" not in place.read_text("utf-8").partition("</style>")[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.parquet"], "name two tables"),
        (["a.parquet", "a.parquet", "--baseline", "main"], "--baseline: goes with a project"),
        (["a.parquet", "a.parquet", "--frozen", "--fresh"], "--fresh, --frozen: goes with a project"),
        (
            ["a.parquet", "a.parquet", "--name", "wide", "--runtime", "local"],
            "--name, --runtime: goes with a project",
        ),
        (["--report", "x.html"], "--report: goes with two tables"),
        (["--key", "id", "--rules", "x.toml"], "--key, --rules: goes with two tables"),
        (["a.parquet", "a.parquet", "--key", "id", "--rules", "rules.toml"], "exclude each other"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(pair: Pair, arguments: list[str], said: str) -> None:
    (pair.folder / "rules.toml").write_text(RULES)
    done = pair.diff(*arguments)
    assert (done.status, done.stdout) == (2, "")
    assert said in done.stderr
