"""A sample that ages: checked against production, and said wherever the sample is used."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.projects import Shop


AGO = r"(less than a minute|\d+ minutes?) ago"


def test_drift_is_found_and_said_wherever_the_sample_is_used(shop: Shop) -> None:
    """One way through all commands that name the sample: each of them needs the drawn one."""
    assert shop.run("sample", "--check").status == 13
    assert shop.run("sample").status == 0
    assert shop.run("sample", "--check", "--refresh").status == 2
    done = shop.run("sample", "--check", "--json")
    assert (done.status, done.json["verdict"], done.json["findings"]) == (0, "fresh", [])
    [kept] = (shop.root / ".sandbox" / "drift").iterdir()
    assert json.loads(kept.read_text("utf-8")) == done.json
    orders = shop.root / "warehouse" / "orders.csv"
    lines = orders.read_text("utf-8").splitlines()
    for number, line in enumerate(lines[1:]):
        head, _, amount = line.rpartition(",")
        lines[number + 1] = f"{head},{float(amount) * 2}"
    orders.write_text("\n".join(lines) + "\n", "utf-8")
    drifting = shop.run("sample", "--check")
    assert drifting.status == 0, drifting.stderr
    assert re.search(f"drifting: the sample was drawn {AGO}; 1 finding in", drifting.stdout)
    assert "the sum of orders.amount per row of customers grew from" in drifting.stdout
    created = shop.run("create")
    assert re.search(f"drawn {AGO}, drifting {AGO}; to draw again", created.stdout)
    done = shop.run("diff", "--json")
    assert (done.json["sample"]["drift"], done.status) == ("drifting", 0)
    folder = shop.root / ".sandbox" / "diffs" / done.json["id"]
    for name in ("comment.md", "report.html"):
        assert re.search(f"drawn {AGO}, drifting {AGO}", (folder / name).read_text("utf-8"))
    customers = shop.root / "warehouse" / "customers.csv"
    customers.write_text(customers.read_text("utf-8").replace("country", "land", 1), "utf-8")
    stale = shop.run("sample", "--check")
    assert stale.status == 1, stale.stderr
    assert "to draw again: sandbox sample --refresh" in stale.stdout
