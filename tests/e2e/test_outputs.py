"""Everything that a run leaves is compared or named: partitioned folders, schemas, views, logs of databases, plain files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.projects import Shop

PIPELINE = """\
import os, pickle, time
from pathlib import Path

import duckdb

sample, output = os.environ["SANDBOX_SAMPLE"], Path(os.environ["SANDBOX_OUTPUT"])
FACTOR = 1
customers = f"(select customer_id, country, customer_id * {FACTOR} as score from '{sample}/customers/*.parquet')".replace("my shöp's", "my shöp''s")
for part in range(2):
    (output / "chunks").mkdir(exist_ok=True)
    duckdb.sql(f"copy (from {customers} where customer_id % 2 = {part}) to '{output}/chunks/{part}.parquet'".replace("shöp's", "shöp''s"))
duckdb.sql(f"copy {customers} to '{output}/partitioned' (format parquet, partition_by (country))".replace("shöp's", "shöp''s"))
(output / "spark.csv").mkdir()
(output / "spark.csv" / "_SUCCESS").write_text("")
(output / "spark.csv" / "part-00000-7.csv").write_text(f"id,score\\n1,{FACTOR}\\n")
(output / "model.pkl").write_bytes(pickle.dumps({"weight": FACTOR}))
(output / "stamp.bin").write_bytes(str(time.time_ns()).encode())
(output / "plain.txt").write_text("always the same")
(output / "lines.csv").write_text("a,b\\n1,2\\n")
connection = duckdb.connect(str(output / "warehouse.duckdb"))
connection.execute(f"create schema marts; create table marts.scores as from {customers}")
connection.execute(f"create view marts.top as select * from {customers} where score < 20")
connection.execute("checkpoint")
connection.execute(f"create table late as select {FACTOR} as x")
os._exit(0)  # what was written last lies in the log beside the database
"""


def _broken_rules(document: dict[str, list[dict[str, object]]]) -> set[tuple[object, object]]:
    return {(result["rule"], result["output"]) for result in document["gate"] if not result["held"]}


@pytest.mark.parametrize("runtime", ["local", pytest.param("docker", marks=pytest.mark.docker)])
def test_whatever_a_change_reaches_is_outside_the_gate(
    shop: Shop, runtime: str, request: pytest.FixtureRequest
) -> None:
    """Takes long: a diff for each part of the code that writes an output."""
    if runtime == "docker":
        request.getfixturevalue("engine")
    shop.edit("sandbox.toml", '[outputs.value]\nkey = ["customer_id"]\n', "")
    (shop.root / "pipeline.py").write_text(PIPELINE, "utf-8")
    shop.git("commit", "-am", "many outputs")
    shop.edit("pipeline.py", "FACTOR = 1\n", "FACTOR = 1  # the same\n")
    same = shop.run("diff", "--json", env={"SANDBOX_RUNTIME": runtime})
    assert (same.status, same.json["verdict"]) == (0, "within_gate"), same.stderr + same.stdout
    statuses = {name: artifact["status"] for name, artifact in same.json["artifacts"].items()}
    assert statuses == {"model.pkl": "same", "plain.txt": "same", "stamp.bin": "nondeterministic"}
    assert same.json["not_compared"] == []
    names = {"chunks", "partitioned", "spark", "lines", "marts.scores", "marts.top", "late"}
    assert set(same.json["outputs"]) == names

    shop.edit("pipeline.py", "FACTOR = 1  # the same\n", "FACTOR = 2\n")
    changed = shop.run("diff", "--json", env={"SANDBOX_RUNTIME": runtime})
    assert changed.status == 1
    assert _broken_rules(changed.json) == {("changed_rows", name) for name in names - {"lines"}} | {("artifacts", None)}
    assert changed.json["artifacts"]["model.pkl"]["status"] == "changed"
    again = shop.run("diff", env={"SANDBOX_RUNTIME": runtime})
    assert "artifacts that differ: model.pkl" in " ".join(again.stdout.split()), again.stdout
    assert again.status == 1


def test_what_is_left_out_is_named_and_what_changes_its_kind_breaks_the_schema(shop: Shop) -> None:
    shop.edit("sandbox.toml", '[outputs.value]\nkey = ["customer_id"]\n', '[gate]\nremoved = "any"\n')
    (shop.root / "pipeline.py").write_text(PIPELINE, "utf-8")
    shop.git("commit", "-am", "many outputs")
    shop.edit("pipeline.py", '("a,b\\n1,2\\n")', '("a,b\\n1,2\\n3,4,5\\n")')
    broken = shop.run("diff", "--json")
    assert (broken.status, _broken_rules(broken.json)) == (1, {("schema", "lines")})
    found = next(result["found"] for result in broken.json["gate"] if not result["held"])
    assert found == "a table in the baseline, in the candidate it cannot be read as CSV"

    shop.git("checkout", "pipeline.py")
    unreadable = (
        'connection.execute(f"copy (select 1 as x) to \'{output}/x.parquet\'".replace("shöp\'s", "shöp\'\'s")); '
    )
    unreadable += (
        'connection.execute(f"create view gone as from \'{output}/x.parquet\'".replace("shöp\'s", "shöp\'\'s")); '
    )
    unreadable += '(output / "x.parquet").unlink()\nos._exit(0)'
    shop.edit("pipeline.py", "os._exit(0)", unreadable)
    left_out = shop.run("diff", "--json")
    assert (left_out.status, _broken_rules(left_out.json)) == (1, {("not_compared", None)}), left_out.stdout
    assert [entry["name"] for entry in left_out.json["not_compared"]] == ["warehouse.duckdb:gone"]
    shop.edit("sandbox.toml", 'removed = "any"\n', 'not_compared = "any"\n')
    accepted = shop.run("diff", "--accept-rules")
    assert accepted.status == 0, accepted.stdout
    assert accepted.stdout.startswith("within the gate: ")
    assert "not compared: warehouse.duckdb:gone" in " ".join(accepted.stdout.split()), accepted.stdout
