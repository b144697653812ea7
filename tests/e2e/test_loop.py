"""The commands of docs/loop.md, as they are there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.projects import GIT_SETTINGS, SHOP_PIPELINE, Shop, create_shop, write_query

if TYPE_CHECKING:
    from tests.projects import Done

PAGE = Path(__file__).parents[2] / "docs" / "loop.md"
CUSTOMERS = """
select i as customer_id, 'c' || i || '@example.org' as email, ['DE', 'DE', 'FR', 'US'][1 + i % 4] as country
from range(1, 1001) t(i)
"""
ORDERS = """
select i as order_id, 1 + (hash(i) % 1000)::integer as customer_id, PAID as paid,
  ((hash(i, 1) % 9900 + 100) / 100)::decimal(8, 2) as amount
from range(FIRST, LAST) t(i)
"""


def _write_orders(path: Path, first: int, last: int, paid: str) -> None:
    select = ORDERS.replace("FIRST", str(first)).replace("LAST", str(last)).replace("PAID", paid)
    write_query(path, select)


@pytest.fixture
def project(tmp_path: Path, sandbox_home: Path) -> Shop:
    """Give a pipeline in a repository, with production's tables beside it."""
    [rules] = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    ignored = ("warehouse/", "arrived/", "before/", "live/", "rules.toml", "pipeline_before.py")
    files = {"pipeline.py": SHOP_PIPELINE, ".gitignore": "\n".join(ignored) + "\n", "rules.toml": f"\n{rules}"}
    shop = create_shop(tmp_path / "loop", sandbox_home, files)
    write_query(shop.root / "warehouse" / "customers" / "0.parquet", CUSTOMERS)
    known = "['card', 'cash'][1 + (hash(i, 2) % 2)::integer]"
    _write_orders(shop.root / "warehouse" / "orders" / "0.parquet", 0, 6000, known)
    _write_orders(shop.root / "arrived" / "1.parquet", 6000, 7000, f"if(i % 7 = 0, 'points', {known})")
    return shop


def _run(project: Shop, command: str) -> tuple[int, Done | None]:
    words = shlex.split(command, comments=True)
    if words[0] == "sandbox":
        done = project.run(*words[1:])
        return done.status, done
    python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    settings = {"GIT_CONFIG_COUNT": str(len(GIT_SETTINGS)), "PATH": python}
    for number, setting in enumerate(GIT_SETTINGS):
        name, _, value = setting.partition("=")
        settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    called = subprocess.run(command, shell=True, cwd=project.root, env=os.environ | settings, check=False)
    return called.returncode, None


def test_the_page_is_the_whole_way_of_a_change(project: Shop) -> None:
    """It draws twice, and runs a diff: the whole way of a change."""
    page = PAGE.read_text("utf-8")
    blocks = re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL)
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    outputs: dict[str, list[str]] = {}
    for command in commands:
        expected = re.search(r"# (\d+)$", command)
        status, done = _run(project, command)
        assert status == (int(expected[1]) if expected else 0), (command, done)
        if done is not None:
            outputs.setdefault(command, []).append(done.stdout)
    assert "value: total total: " in outputs["sandbox score --before before"][0]
    assert "cannot be told: other data" not in outputs["sandbox score --before before"][0]
    assert "too few to tell: " in outputs["sandbox score --list"][0]
    assert "5 of 5 tests hold in production" in outputs["sandbox test --production"][0]
    checks = outputs["sandbox sample --check"]
    assert [text.partition(":")[0] for text in checks] == ["fresh", "drifting", "fresh"]
    assert "wrote 5 pages and 2 reports" in outputs["sandbox report --site public"][0]
    assert "the column paid has a new value points in 2." in checks[1]
    _check_scores(project)


def _check_scores(project: Shop) -> None:
    """Check the figures of a score, and that other data in between leave nothing to tell."""
    score = project.run("score", "--before", "before", "--json").json
    figures = {figure["figure"]: figure for figure in score["figures"]}
    assert figures["total total"]["outcome"] in {"hit", "miss"}
    assert figures["units_affected"]["truth"] == figures["rows_changed"]["truth"] > 100
    assert figures["rows_added"]["truth"] == 0
    assert score["figures"][score["counted"]]["status"] == "estimated"
    kept = (project.root / ".sandbox" / "scores.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["diff"] for line in kept] == [score["diff"], score["diff"]]

    live = project.root / "live" / "value.parquet"
    quoted = str(live).replace("'", "''")
    write_query(
        project.root / "later" / "value.parquet", f"select * replace (customer_id + 1 as customer_id) from '{quoted}'"
    )
    later = project.run("score", "--before", "before", "--after", "later", "--json").json
    assert {figure["outcome"] for figure in later["figures"]} == {"untold"}
    assert later["figures"][0]["reason"] == "other data arrived between the two: 1 unit came and 1 unit went"
    assert later["counted"] is None
    assert project.run("score", "--before", "before", "--after", "nowhere").status == 10
    assert project.run("score").status == 2
    assert project.run("score", "--before", "live").status == 10
    assert project.run("score", "--before", "before", "--record", "pipeline.py").status == 13
