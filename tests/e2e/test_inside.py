"""Working inside the sandbox: queries on the sample, and single commands."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

import sandbox
from tests.projects import give_own_home
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.projects import Shop


def test_a_query_sees_the_sample_its_weights_and_the_last_runs_outputs(shop: Shop) -> None:
    assert shop.run("run").status == 0
    found = shop.run(
        "sql",
        "--json",
        "select count(*) as n, round(sum(weight))::bigint as stands_for, count(o.total) as outputs "
        "from customers join weights.customers using (customer_id) join output.value o using (customer_id)",
    )
    assert found.status == 0, found.stderr
    sampled = found.json["rows"][0][0]
    assert 100 < sampled < 300
    assert found.json["rows"] == [[sampled, 400, sampled]]
    assert found.json["complete"] is True


def test_a_home_whose_name_is_a_pattern_is_read_by_its_name(shop: Shop, tmp_path: Path) -> None:
    own = give_own_home(shop, tmp_path / "home [a]?" / "day=1")
    assert own.run("sample").status == 0
    found = own.run("sql", "--json", "select * from weights.customers")
    assert found.status == 0, found.stderr
    assert "day" not in [column["name"] if isinstance(column, dict) else column for column in found.json["columns"]]
    assert found.json["rows"]


def test_the_rows_of_a_diff_are_files_and_tables(shop: Shop, tmp_path: Path) -> None:
    unavailable = shop.run("sql", "select * from diff.value_changed")
    assert unavailable.status == 13
    assert "compare something first" in unavailable.stderr
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    folder = tmp_path / "röws of it"
    document = shop.run("diff", "--json", "--rows", str(folder)).json
    assert document["verdict"] == "outside_gate"
    counts = {kind: document["outputs"]["value"]["rows"][kind] for kind in ("added", "removed", "changed")}
    assert json.loads((folder / "rows.json").read_text("utf-8"))["outputs"] == {"value": counts}
    written = pq.read_table(folder / "value" / "changed.parquet").to_pylist()
    assert len(written) == counts["changed"] > 0

    listed = [row[0] for row in shop.run("sql", "--json", "show tables").json["rows"]]
    assert {"orders", "weights.customers", "baseline.value", "candidate.value", "diff.value_changed"} <= {*listed}
    joined = shop.run(
        "sql",
        "--json",
        "select count(*) from diff.value_changed d join baseline.value b using (customer_id) "
        "join candidate.value c using (customer_id) where b.orders = d.orders and c.orders = d.orders__candidate",
    )
    assert joined.json["rows"] == [[counts["changed"]]]

    assert shop.run("diff", "--rows", str(shop.root)).status == 2
    assert shop.run("diff", "--rows", str(folder), "--no-values").status == 2
    hidden = shop.run("diff", "--json", "--no-values").json["id"]
    refused = shop.run("sql", "--diff", hidden, "select 1")
    assert refused.status == 2
    assert "--no-values" in refused.stderr
    assert shop.run("sql", "--diff", document["id"], "from diff.value_changed").status == 0


def test_csv_tells_null_from_an_empty_text_and_quotes_what_needs_it(shop: Shop) -> None:
    found = shop.run("sql", "--csv", "select null as a, '' as b, 'x,\"y\"' as \"c d\", 1.50::decimal(5,2) as e")
    assert found.stdout == 'a,b,c d,e\n,"","x,""y""",1.50\n'
    assert list(csv.reader(io.StringIO(found.stdout)))[1] == ["", "", 'x,"y"', "1.50"]


def test_a_wrong_query_says_what_is_there_instead(shop: Shop) -> None:
    found = shop.run("sql", "select * from customer")
    assert found.status == 12
    assert "customer" in found.stderr
    assert "customers" in found.stderr.split("hint:")[1]
    assert shop.run("sql", "select 1; select 2").status == 12


def test_an_answer_on_the_terminal_is_cut_and_says_so(shop: Shop) -> None:
    short = shop.run("sql", "select range as n from range(80)")
    assert "50 rows; there are more" in short.stdout
    assert "79" in shop.run("sql", "--all", "select range as n from range(80)").stdout


def test_a_single_command_sees_the_sample_and_gives_its_own_status(shop: Shop) -> None:
    script = "import os, sys; print(sorted(os.listdir(os.environ['SANDBOX_SAMPLE']))); sys.exit(7)"
    found = shop.run("exec", "python", "-c", script)
    assert found.status == 7
    assert found.stdout == "['customers', 'orders']\n"
    assert shop.run("exec", "sh", "-c", "kill -9 $$").status == 128 + 9


def test_a_single_command_that_takes_too_long_is_ended(shop: Shop) -> None:
    shop.edit("sandbox.toml", 'timeout = "600s"', 'timeout = "1s"')
    found = shop.run("exec", "sleep", "3600")
    assert found.status == 16
    assert "sleep 3600 did not end within 1 s" in found.stderr


def test_logs_show_the_latest_run_and_follow_one_that_goes_on(shop: Shop) -> None:
    assert shop.run("logs").status == 2
    (shop.root / "pipeline.py").write_text(
        "import sys, time\n"
        "for n in range(12):\n    print('line', n, flush=True)\n    time.sleep(0.25)\n"
        "print('to stderr', file=sys.stderr)\n"
    )
    command = [sys.executable, "-m", "sandbox", "run", "--json"]
    going = subprocess.Popen(
        command, cwd=shop.root, env=shop.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    runs = shop.root / ".sandbox" / "runs"
    while going.poll() is None and not list(runs.glob(".staged-*/stderr.log")):
        time.sleep(0.05)
    followed = shop.run("logs", "-f")
    assert "going on" in followed.stderr
    assert followed.stdout == "".join(f"line {n}\n" for n in range(12))
    assert "to stderr" in followed.stderr
    assert going.wait(PATIENCE_SECONDS) == 15  # it left no output
    shown = shop.run("logs")
    assert (shown.status, shown.stdout) == (0, followed.stdout)
    name = next(runs.glob("2*")).name
    assert shop.run("logs", name[:20]).stdout == followed.stdout
    assert shop.run("logs", "1999").status == 2


def test_logs_and_queries_pass_over_the_run_on_half_of_the_sample(shop: Shop) -> None:
    count = "duckdb.sql(f\"select count(*) from '{sample}/customers/*.parquet'\").fetchall()[0][0]"
    shop.edit("pipeline.py", "duckdb.sql(f", f"print({count})\nduckdb.sql(f")
    shop.git("commit", "-am", "count")
    assert "half of the sample" in shop.run("diff").stderr
    printed = {path.name: shop.run("logs", path.name).stdout for path in shop.root.glob(".sandbox/runs/2*")}
    [[whole, outputs]] = shop.run(
        "sql", "--json", "select (select count(*) from customers), count(*) from output.value"
    ).json["rows"]
    assert whole == outputs
    assert int(printed[max(printed)]) != whole, "the latest run is one of the check"
    assert shop.run("logs").stdout == f"{whole}\n"


def test_a_query_may_end_in_a_semicolon_and_a_comment(shop: Shop) -> None:
    found = shop.run("sql", "--json", "select ';--' as a; -- done")
    assert found.status == 0, found.stderr
    assert found.json["rows"] == [[";--"]]


def test_the_api_gives_the_same_as_the_commands(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    project = sandbox.open(shop.root)
    sample = project.sample()
    assert sample.tables.keys() == {"customers", "orders"}
    customers = sample.arrow("customers").num_rows
    assert sample.weights("customers").num_rows == customers
    with sample.duckdb() as connection:
        assert connection.sql("select count(*) from customers").fetchall() == [(customers,)]
    assert project.run("main").outputs == ["value"]
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    diff = project.diff()
    assert diff.verdict == "outside_gate"
    assert diff.outputs["value"].rows("changed").num_rows == diff.outputs["value"].result.rows.changed > 0
    assert diff.estimates["value"].unit == "customers"
    assert diff.report.is_file()
