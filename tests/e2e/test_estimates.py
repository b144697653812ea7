"""Estimates through the command: the whole truth lies in them, and what cannot be scaled up says why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from tests.projects import Shop

BUG = ("coalesce(sum(amount), 0)", "coalesce(sum(amount) filter (amount < 90), 0)")
RANK = (
    "count(order_id) as orders",
    "count(order_id) as orders, rank() over (order by count(order_id)) as place",
)


def truth(shop: Shop) -> tuple[int, float]:
    """How many of all customers the bug touches, and by how much the total falls."""
    orders = shop.root / "warehouse" / "orders.csv"
    with duckdb.connect() as connection:
        [found] = connection.execute(
            "select count(distinct customer_id), -sum(amount) from read_csv(?) where amount >= 90",
            [str(orders)],
        ).fetchall()
    return found


def test_the_truth_lies_within_the_estimate_that_every_report_and_the_gate_show(shop: Shop) -> None:
    shop.edit("pipeline.py", *BUG)
    customers, moved = truth(shop)
    said = " ".join(shop.run("diff").stdout.split())
    [folder] = (shop.root / ".sandbox" / "diffs").iterdir()
    document = json.loads((folder / "diff.json").read_text("utf-8"))
    found = document["outputs"]["value"]["estimate"]
    assert (found["status"], found["population"]) == ("estimated", 400)
    assert found["units_affected"]["low"] <= customers <= found["units_affected"]["high"]
    total = found["totals"]["total"]["change"]
    assert total["status"] == "estimated"
    assert total["low"] <= moved <= total["high"]
    html = (folder / "report.html").read_text("utf-8")
    for report in (said, html, (folder / "comment.md").read_text("utf-8")):
        assert "In production about" in report
        assert "of 400 customers" in report
        assert "would get another total; the total falls by" in report
    assert 'class="interval"' in html
    [rule] = [one for one in document["gate"] if one["rule"] == "changed_rows"]
    assert "weighted to production" in rule["found"]
    assert rule["found"].startswith(f"{found['share']['estimate'] * 100:.2f}".rstrip("0").rstrip("."))


def test_the_half_is_run_once_for_all_that_is_compared_with_one_baseline(shop: Shop) -> None:
    first = shop.run("diff")
    assert "at main on half of the sample" in first.stderr
    assert "at main on the other half, enlarged to 400 customers (" in first.stderr
    assert "working tree on half" not in first.stderr, "what does not differ depends on nothing new"
    said = " ".join(first.stdout.split())
    assert "No difference; a change that affects more than" in said
    assert "customers would have been seen with 95 % probability." in said
    file = shop.root / "sandbox.toml"
    text = file.read_text("utf-8")
    shop.edit("pipeline.py", *BUG)
    for limit, held in (("60%", True), ("0.1%", False)):
        gate = f'[gate]\nchanged_rows = "100%"\n[gate.total_change]\n"value.total" = "{limit}"\n'
        file.write_text(f"{text}\n{gate}", "utf-8")
        steps = shop.run("diff").stderr
        assert "at main on half" not in steps, "another candidate does not make another baseline"
        assert ("working tree on half" in steps) is held, "the candidate's is run once"
        done = shop.run("diff", "--accept-rules", "--json")
        [rule] = [one for one in done.json["gate"] if one["rule"] == "total_change value.total"]
        assert rule["held"] is held
        assert "95 %" in rule["found"]
        assert done.status == (0 if held else 1)


def test_rows_that_depend_on_other_units_are_not_estimated(shop: Shop) -> None:
    shop.edit("pipeline.py", *RANK)
    shop.git("commit", "-am", "rank customers")
    shop.edit("pipeline.py", *BUG)
    found = shop.run("diff", "--json").json["outputs"]["value"]["estimate"]
    assert found["status"] == "not_estimated"
    assert "depend on other" in found["reason"]
    assert "place" in found["reason"]
    assert found["totals"] == {}
    assert found["units_affected"]["estimate"] is None
    assert found["units_affected"]["sample"] > 0


def test_a_share_that_only_the_change_brings_in_is_not_estimated(shop: Shop) -> None:
    shop.edit("pipeline.py", BUG[0], "coalesce(sum(amount), 0) / sum(sum(amount)) over ()")
    found = shop.run("diff", "--json").json["outputs"]["value"]["estimate"]
    assert found["status"] == "not_estimated"
    assert found["reason"].startswith("in the changed version, its rows of customers depend on")
    assert "(in total)" in found["reason"]


def test_a_rank_in_a_column_of_its_own_takes_no_estimate_from_the_others(shop: Shop) -> None:
    shop.edit("pipeline.py", *RANK)
    shop.edit("pipeline.py", *BUG)
    output = shop.run("diff", "--json").json["outputs"]["value"]
    assert output["schema"]["added"] == ["place"]
    assert output["estimate"]["status"] == "estimated"


def test_a_baseline_that_fails_on_the_half_still_gives_a_verdict(shop: Shop) -> None:
    guard = "if duckdb.sql(f\"select count(*) from '{sample}/customers/*.parquet'\").fetchall()[0][0] < 150: raise SystemExit(3)\n"
    shop.edit("pipeline.py", "duckdb.sql(f", guard + "duckdb.sql(f")
    shop.git("commit", "-am", "insist on many customers")
    shop.edit("pipeline.py", *BUG)
    done = shop.run("diff", "--json")
    assert done.status == 1, done.stdout
    found = done.json["outputs"]["value"]["estimate"]
    assert found["status"] == "not_estimated"
    assert "half of the sample" in found["reason"]
    assert "status 3" in found["reason"]


def test_a_limit_that_binds_only_in_production_shows_on_the_enlarged_half(shop: Shop) -> None:
    shop.edit("pipeline.py", "order by customer_id", "order by total desc, customer_id limit 300")
    shop.git("commit", "-am", "the best customers")
    shop.edit("pipeline.py", *BUG)
    done = shop.run("diff", "--json")
    found = done.json["outputs"]["value"]["estimate"]
    assert found["status"] == "not_estimated"
    assert "on the other half, enlarged, " in found["reason"]
    assert len(done.json["separability"]["runs"]) == 2, "half of the sample does not show it"
    assert 1.5 < done.json["separability"]["cost"] < 3.5
    file = shop.root / "sandbox.toml"
    text = file.read_text("utf-8")
    for checks, reason in (("half", "has a limit of 300 (limit)"), ("none", 'checks = "none"')):
        file.write_text(f'{text}\n[estimate]\nchecks = "{checks}"\n', "utf-8")
        less = shop.run("diff", "--json").json
        found = less["outputs"]["value"]["estimate"]
        assert found["status"] == "not_estimated"
        assert reason in found["reason"], "half of the sample does not show it, and the code does"
        [rule] = [rule for rule in less["gate"] if rule["rule"] == "rules"]
        assert not rule["held"], "fewer checks loosen the rules"


TWO_UNITS = """
[sample.also.products]
rate = 0.5
[tables.products]
key = ["product_id"]
[tables.items]
references = { order_id = "orders.order_id", product_id = "products.product_id" }
belongs_to = "orders"
[tables.reviews]
references = { product_id = "products.product_id" }
"""
TWO_OUTPUTS = """
for name, query in {
    "spending": "select customer_id, sum(n) * 2 as n from o join i using (order_id) join p using (product_id) group by all",
    "rating": "select product_id, sum(stars) * 2 as stars from r group by all",
    "sold": "select product_id, sum(n) * 2 as n from i group by all",
    "kinds": "select kind, sum(stars) * 2 as stars from p join r using (product_id) group by all",
    "taste": "select customer_id, sum(stars) * 2 as stars from o join i using (order_id) join r using (product_id) group by all",
}.items():
    for short, table in {"o": "orders", "i": "items", "p": "products", "r": "reviews"}.items():
        duckdb.sql(f"create or replace view {short} as from '{sample}/{table}/*.parquet'")
    duckdb.sql(f"copy ({query}) to '{output}/{name}.parquet'")
"""


def test_an_output_of_one_unit_may_not_read_what_was_drawn_with_another(shop: Shop) -> None:
    warehouse = shop.root / "warehouse"
    for name, query in {
        "products": "select i as product_id, i % 7 as kind from range(300) t(i)",
        "items": "select 1 + i % 2000 as order_id, (i * 7919) % 300 as product_id, 1 + i % 3 as n from range(6000) t(i)",
        "reviews": "select (i * 31) % 300 as product_id, i % 5 as stars from range(2000) t(i)",
    }.items():
        target = str(warehouse / f"{name}.csv").replace("'", "''")
        duckdb.execute(f"copy ({query}) to '{target}'").fetchall()
    file, code = shop.root / "sandbox.toml", shop.root / "pipeline.py"
    file.write_text(file.read_text("utf-8") + TWO_UNITS, "utf-8")
    code.write_text(code.read_text("utf-8") + TWO_OUTPUTS, "utf-8")
    shop.git("commit", "-am", "two units")
    shop.edit("pipeline.py", "* 2", "* 3")
    outputs = shop.run("diff", "--json").json["outputs"]
    found = {name: output["estimate"] for name, output in outputs.items()}
    assert {name: (one["unit"], one["status"]) for name, one in found.items()} == {
        "value": ("customers", "estimated"),
        "spending": ("customers", "estimated"),
        "rating": ("products", "estimated"),
        "sold": ("products", "not_estimated"),
        "kinds": (None, "not_estimated"),
        "taste": ("customers", "not_estimated"),
    }
    assert (
        "a sample of customers and products has no random groups, and one of a single unit table has"
        in found["kinds"]["reason"]
    )
    assert found["spending"]["left_out"] == {"baseline": 0, "candidate": 0, "different": 0}


def test_outputs_by_country_are_estimated_from_random_groups(shop: Shop) -> None:
    """Over 20 seconds: the pipeline runs on some thirty parts of the sample."""
    made = """
duckdb.sql(f\"\"\"
    copy (
        select country, sum(amount) as revenue, avg(amount) as mean, count(*) as orders
        from '{sample}/customers/*.parquet' join '{sample}/orders/*.parquet' using (customer_id)
        group by all order by country
    ) to '{output}/revenue.parquet'
\"\"\")
"""
    file = shop.root / "pipeline.py"
    file.write_text(file.read_text("utf-8") + made, "utf-8")
    shop.git("commit", "-am", "revenue by country")
    shop.edit("pipeline.py", "sum(amount) as revenue", "sum(amount) filter (amount < 60) as revenue")
    orders = shop.root / "warehouse" / "orders.csv"
    with duckdb.connect() as connection:
        [(moved,)] = connection.execute(
            "select -sum(amount) from read_csv(?) where amount >= 60", [str(orders)]
        ).fetchall()
    done = shop.run("diff", "--groups", "--json")
    found = done.json["outputs"]["revenue"]["estimate"]
    assert (found["status"], found["unit"]) == ("estimated", "customers"), found["reason"]
    assert found["groups"]["left_out"].keys() == {"mean"}, "an average does not add up"
    assert set(found["totals"]) == {"revenue", "orders"}
    change = found["totals"]["revenue"]["change"]
    assert change["status"] == "estimated"
    assert change["low"] <= moved <= change["high"]
    assert found["totals"]["orders"]["change"]["status"] == "exact"
    assert [cell["key"]["country"] for cell in found["groups"]["cells"]] == ["DE", "FR", "US"]
    again = shop.run("diff")
    assert "random groups" not in again.stderr, "their sums are kept"
    said = " ".join(again.stdout.split())
    assert f"(from {found['groups']['count']} random groups of customers)" in said
    assert "the total of revenue falls by" in said or "the total falls by" in said
