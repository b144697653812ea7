"""A forecast that is scored: a change is promoted, deployed at full scale, and compared with its record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.projects import write_query

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop


def _deploy(shop: Shop, source: Path, output: Path) -> None:
    """Run the pipeline of the working tree on all of production."""
    output.mkdir()
    env = os.environ | {"SANDBOX_SAMPLE": str(source), "SANDBOX_OUTPUT": str(output)}
    subprocess.run([sys.executable, "pipeline.py"], cwd=shop.root, env=env, check=True)


def test_a_record_is_scored_after_the_deployment(shop: Shop, tmp_path: Path) -> None:
    """One way from the change to its score: it needs a diff."""
    source = tmp_path / "all"
    for name in ("customers", "orders"):
        quoted = str(shop.root / "warehouse" / f"{name}.csv").replace("'", "''")
        write_query(source / name / "0.parquet", f"from read_csv('{quoted}')")
    _deploy(shop, source, tmp_path / "before")
    assert shop.run("score", "--before", str(tmp_path / "before"), "--after", str(tmp_path)).status == 13
    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "coalesce(sum(amount) filter (amount < 80), 0)")
    assert shop.run("diff").status == 1
    assert shop.run("promote", "--reason", "large orders are void").status == 0
    _deploy(shop, source, tmp_path / "after")
    places = ("--before", str(tmp_path / "before"), "--after", str(tmp_path / "after"))
    done = shop.run("score", *places, "--json")
    assert done.status == 0, done.stderr
    figures = {figure["figure"]: figure for figure in done.json["figures"]}
    assert figures["total total"]["outcome"] in {"hit", "miss"}
    assert figures["rows_added"]["truth"] == 0, figures
    assert figures["units_affected"]["truth"] == figures["rows_changed"]["truth"] > 100
    assert figures["units_affected"]["outcome"] == "hit", figures
    assert done.json["figures"][done.json["counted"]]["status"] == "estimated"
    kept = (shop.root / ".sandbox" / "scores.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in kept] == [done.json]
    listed = shop.run("score", "--list")
    assert "too few to tell: " in listed.stdout
    assert "selected by the gate" in listed.stdout

    # New data arrived between the two: nothing can be told.
    write_query(source / "customers" / "1.parquet", "select 100000 as customer_id, 'x@y' as email, 'DE' as country")
    _deploy(shop, source, tmp_path / "later")
    done = shop.run("score", "--before", str(tmp_path / "before"), "--after", str(tmp_path / "later"), "--json")
    assert {figure["outcome"] for figure in done.json["figures"]} == {"untold"}
    assert done.json["figures"][0]["reason"] == "other data arrived between the two: 1 unit came"
    assert done.json["counted"] is None
    assert shop.run("score", "--before", str(tmp_path / "before"), "--after", "nowhere").status == 10
    assert shop.run("score", "--before", "a").status == 2
    assert shop.run("score", "--before", "a", "--after", "a").status == 10
