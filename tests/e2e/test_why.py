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
    shown = shop.run("why", "--change", "--by", "file").stdout
    assert "pipeline.py" in shown
    assert shop.run("why", "--by", "file").status == 2
