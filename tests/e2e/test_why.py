"""``sandbox why``: the smallest case in which an output differs, and a test of it.

It can take over 20 s: each trial runs two versions of the pipeline.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from tests.projects import Shop


def run_written_test(shop: Shop, folder: Path) -> int:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", folder],
        cwd=shop.root,
        env={**os.environ, "PATH": path},
        capture_output=True,
        check=False,
    )
    return done.returncode


def test_the_witness_is_one_customer_and_its_test_tells_the_versions_apart(shop: Shop, tmp_path: Path) -> None:
    """Takes long: both versions run on some fifteen parts of the sample."""
    same = shop.run("why")
    assert same.status == 2
    assert "no row of any output differs" in same.stderr

    shop.edit("pipeline.py", "count(order_id)", "count(case when amount > 50 then 1 end)")
    done = shop.run("why", "--json")
    assert done.status == 0, done.stderr
    witness, folder = done.json["witness"], Path(done.json["path"])
    assert (witness["unit"], witness["unit_count"], witness["rows"]) == ("customers", 1, {"customers": 1, "orders": 1})
    assert witness["is_minimal"]
    assert witness["runs"] <= 25
    [order] = pq.read_table(next((folder / "sample" / "orders").glob("*.parquet"))).to_pylist()
    assert order["amount"] <= 50
    assert len((folder / "inputs" / "orders.csv").read_text("utf-8").splitlines()) == 2
    assert run_written_test(shop, folder) == 1
    shop.git("stash")
    assert run_written_test(shop, folder) == 0
    shop.git("stash", "pop")

    report = folder.parents[1]
    stored = json.loads((report / "diff.json").read_text("utf-8"))
    assert stored["causes"]["value"]["smallest"] == {"customers": 1, "orders": 1}
    lead = "smallest case: 1 row of customers and 1 row of orders"
    assert lead in (report / "comment.md").read_text("utf-8")
    diffed = shop.run("diff")
    assert lead in " ".join(diffed.stdout.split())

    again = shop.run("why", "--json").json
    assert (again["runs"], again["witness"]) == (0, witness)
    hidden = shop.run("why", "--json", "--no-values").json
    assert hidden["witness"]["units"] is None
    assert [path.name for path in Path(hidden["path"]).iterdir()] == ["witness.json"]

    shown = shop.run("why", "--expect", "candidate", "--to", "witness of it")
    assert shown.status == 0, shown.stderr
    assert shown.stdout.startswith("value differs with 1 row of customers, of ")
    assert run_written_test(shop, shop.root / "witness of it") == 0
    assert shop.run("why", "--to", str(shop.root)).status == 2

    shop.edit("sandbox.toml", "[outputs.value]", "[why]\nruns = 2\n[outputs.value]")
    few = shop.run("why", "--json").json
    assert few["runs"] == 2
    assert not few["witness"]["is_minimal"]
    assert json.loads((Path(few["path"]) / "witness.json").read_text("utf-8"))["unit_count"] > 1


EDITS = """\
import os

import duckdb

sample, output = (os.environ[name].replace("'", "''") for name in ("SANDBOX_SAMPLE", "SANDBOX_OUTPUT"))
duckdb.sql(f"create table t as select customer_id, 0 as total from '{sample}/customers/*.parquet'")
FIRST = "0"
# 1
# 2
# 3
# 4
SECOND = "0"
# 5
# 6
# 7
# 8
LEFT = "0"
# 9
# 10
# 11
# 12
RIGHT = "0"
duckdb.sql(f"update t set total = total + {FIRST} where customer_id % 4 = 0")
duckdb.sql(f"update t set total = total + {SECOND} where customer_id % 4 = 1")
duckdb.sql(f"update t set total = total + {LEFT} * {RIGHT} where customer_id % 4 = 2")
duckdb.sql(f"copy (from t order by customer_id) to '{output}/value.parquet'")
"""


def test_each_row_is_attributed_to_the_edit_that_changed_it(shop: Shop) -> None:
    (shop.root / "pipeline.py").write_text(EDITS, "utf-8")
    shop.git("commit", "-q", "-a", "-m", "four places")
    for name in ("FIRST", "SECOND", "LEFT", "RIGHT"):
        shop.edit("pipeline.py", f'{name} = "0"', f'{name} = "1"')
    done = shop.run("why", "--change", "--json")
    assert done.status == 0, done.stderr
    output = done.json["outputs"]["value"]
    found = {(one["kind"], *(part.partition(":")[2] for part in one["parts"])) for one in output["explanations"]}
    assert found == {("alone", "7"), ("alone", "12"), ("together", "17", "22")}
    assert sum(one["rows"] for one in output["explanations"]) == output["rows"]
    assert all(one["units"] == one["rows"] for one in output["explanations"])
    report = json.loads((Path(done.json["path"]).parent / "diff.json").read_text("utf-8"))
    assert {one["kind"] for one in report["causes"]["value"]["explanations"]} == {"alone", "together"}
    page = (Path(done.json["path"]).parent / "report.html").read_text("utf-8")
    assert "pipeline.py:17 + pipeline.py:22, only together" in page.replace("\N{NO-BREAK SPACE}", " ")
    shown = shop.run("why", "--change", "--by", "file").stdout
    assert "pipeline.py" in shown
    assert shop.run("why", "--by", "file").status == 2


def test_rows_are_attributed_to_commits_and_to_what_is_not_committed(shop: Shop) -> None:
    (shop.root / "pipeline.py").write_text(EDITS, "utf-8")
    shop.git("commit", "-q", "-a", "-m", "four places")
    shop.git("switch", "-q", "-c", "change")
    for name in ("FIRST", "LEFT"):
        shop.edit("pipeline.py", f'{name} = "0"', f'{name} = "1"')
        shop.git("commit", "-q", "-a", "-m", f"set {name}")
    shop.git("commit", "-q", "--allow-empty", "-m", "nothing")
    shop.edit("pipeline.py", 'RIGHT = "0"', 'RIGHT = "1"')
    done = shop.run("why", "--change", "--by", "commit", "--json")
    assert done.status == 0, done.stderr
    assert [part.partition(" ")[2] for part in done.json["parts"]] == ["set FIRST", "set LEFT", "tree"]
    [alone, together] = sorted(done.json["outputs"]["value"]["explanations"], key=lambda one: str(one["kind"]))
    assert (alone["kind"], alone["parts"][0].endswith(" set FIRST")) == ("alone", True)
    assert (together["kind"], together["parts"][1]) == ("together", "working tree")
    shop.git("commit", "-q", "-a", "-m", "set RIGHT, then FIRST again")
    shop.edit("pipeline.py", 'FIRST = "1"', 'FIRST = "2"')
    shop.git("commit", "-q", "-a", "-m", "again")
    failed = shop.run("why", "--change", "--by", "commit", "--json").json["failed"]
    assert any("does not apply without the other commits" in reason for reason in failed.values()), failed
    shop.git("switch", "-q", "-c", "other", "main")
    shop.git("commit", "-q", "--allow-empty", "-m", "elsewhere")
    refused = shop.run("why", "--change", "--by", "commit", "--baseline", "change")
    assert refused.status == 2
    assert "git rebase change" in refused.stderr
