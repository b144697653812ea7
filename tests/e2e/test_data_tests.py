"""Data tests of a project: carried out on both sides, judged by the gate, shown everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.projects import Shop

TESTS = """
[[tests]]
name = "no negative totals"
sql = "select * from value where total < 0"

[[tests]]
name = "every customer is known"
sql = "from value where customer_id not in (select customer_id from sample.customers)"

[gate]
changed_rows = "100%"
"""


def test_a_test_that_newly_fails_is_outside_the_gate(shop: Shop) -> None:
    shop.edit("sandbox.toml", "[outputs.value]", TESTS + "\n[outputs.value]")
    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "coalesce(sum(amount), 0) - 1000000")
    done = shop.run("diff", "--json")
    assert done.status == 1, done.stderr
    outcomes = {test["name"]: test["outcome"] for test in done.json["tests"]}
    assert outcomes == {"no negative totals": "newly_failing", "every customer is known": "passed"}
    [result] = [result for result in done.json["gate"] if result["rule"] == "tests"]
    assert (result["held"], result["output"]) == (False, None)
    assert "no negative totals" in result["found"]
    shown = shop.run("diff")
    assert "no negative totals: newly failing" in shown.stdout + shown.stderr


def test_a_test_that_cannot_be_carried_out_is_not_held(shop: Shop) -> None:
    shop.edit("sandbox.toml", "[outputs.value]", TESTS.replace("total < 0", "totl < 0") + "\n[outputs.value]")
    done = shop.run("diff", "--json")
    assert done.status == 1, done.stderr
    [test] = [test for test in done.json["tests"] if test["outcome"] == "not_evaluated"]
    assert "totl" in test["problems"]["candidate"]


RULES = """
[[tests]]
name = "no negative totals"
sql = "select * from value where total < 0"
on = ["diff", "production"]

[[tests]]
name = "few customers"
sql = "from value"
on = ["production"]

[gate]
changed_rows = "100%"

[outputs.value]
not_null = ["country"]
ranges = { orders = { min = 0 } }
"""


def test_declared_rules_are_asked_in_a_diff_and_of_production(shop: Shop) -> None:
    """One way through both, because they share words and files."""
    shop.edit("sandbox.toml", "[outputs.value]", RULES)
    shop.git("commit", "-qam", "rules")
    shop.edit("pipeline.py", "count(order_id) as orders", "count(order_id) - 100 as orders")
    done = shop.run("diff", "--json")
    assert done.status == 1, done.stderr
    outcomes = {test["name"]: test["outcome"] for test in done.json["tests"]}
    assert outcomes == {
        "value: country is never NULL": "passed",
        "value: orders is at least 0": "newly_failing",
        "no negative totals": "passed",
    }
    run = Path(done.json["report"]).parents[2] / "runs" / done.json["baseline"]["run"] / "output"
    done = shop.run("test", "--production", str(run), "--json")
    assert done.status == 1, done.stderr
    results = {test["name"]: test["outcome"] for test in done.json["tests"]}
    assert results == {
        "value: customer_id is unique": "passed",
        "value: customer_id is never NULL": "passed",
        "value: country is never NULL": "passed",
        "value: orders is at least 0": "passed",
        "no negative totals": "passed",
        "few customers": "failed",
    }
    folder = shop.root / ".sandbox" / "tests" / done.json["id"]
    assert json.loads((folder / "tests.json").read_text("utf-8")) == done.json
    assert {path.name for path in folder.iterdir()} == {"tests.json", "junit.xml", "report.html"}
    shop.edit("sandbox.toml", 'sql = "from value"', 'sql = "from value where false"')
    held = shop.run("test", "--production", str(run))
    assert held.status == 0, held.stdout
    assert "6 of 6 tests hold in production" in held.stdout
    shop.edit("sandbox.toml", "from value where false", "from values where false")
    unjudged = shop.run("test", "--production", str(run))
    assert unjudged.status == 15, unjudged.stdout
    assert "few customers: not evaluated" in unjudged.stdout
    assert shop.run("test", "--production", "nowhere").status == 10
    assert shop.run("test").status == 2
