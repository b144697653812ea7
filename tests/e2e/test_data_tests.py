"""Data tests of a project: carried out on both sides, judged by the gate, shown everywhere."""

from __future__ import annotations

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
