"""Several sandboxes of one project: each has services of its own; sample, runs and reports are the project's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.projects import Shop

DOCKER = {"SANDBOX_RUNTIME": "docker"}
NAMES = ("default", "wide")


def held(shop: Shop, *, all_of_it: bool = True) -> dict[str, str]:
    """Give the project's containers, or those that run, with the name of their sandbox."""
    command = ["docker", "ps", "--filter", f"label=dev.sandbox.path={shop.root}", "--format"]
    done = subprocess.run(
        [*command, '{{.ID}} {{.Label "dev.sandbox.sandbox"}}', *(["--all"] if all_of_it else [])],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return dict(line.split() for line in done.stdout.splitlines())


def listed(shop: Shop) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in shop.run("ls", "--json", env=DOCKER).json["sandboxes"]}


@pytest.fixture
def served(shop: Shop, engine: str) -> Iterator[Shop]:
    """A project with a Postgres; nothing of it is left in the engine afterwards."""
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nservices = ["postgres"]\n[stack.limits]')
    yield shop
    for name in NAMES:
        shop.run("rm", "--yes", "--name", name, env=DOCKER)
    assert held(shop) == {}


@pytest.mark.slow
@pytest.mark.docker
def test_two_sandboxes_of_a_project_do_not_touch_each_other(served: Shop) -> None:
    shop = served
    created = {name: shop.run("create", "--name", name, "--json", env=DOCKER).json for name in NAMES}
    urls = {name: one["services"][0]["url"] for name, one in created.items()}
    assert len(set(urls.values())) == len(NAMES)
    assert {one["sample"] for one in created.values()} == {created["wide"]["sample"]}
    assert sorted(held(shop).values()) == sorted(NAMES)
    found = listed(shop)
    assert {name: one["services"][0]["url"] for name, one in found.items()} == urls
    assert {name: len(one["running"]) for name, one in found.items()} == dict.fromkeys(NAMES, 1)

    counting = ("sql", "--service", "postgres", "--json", "select count(*) from customers")
    rows = [shop.run(*counting, "--name", name, env=DOCKER).json["rows"] for name in NAMES]
    assert rows[0] == rows[1] != [[0]]
    for name in NAMES:
        assert "ready to accept" in shop.run("logs", "--service", "postgres", "--name", name, env=DOCKER).stdout
    ran = [shop.run("run", "--name", name, "--json", env=DOCKER).json for name in NAMES]
    assert [one["cached"] for one in ran] == [False, True], "a run is the project's"

    assert shop.run("stop", "--name", "wide", env=DOCKER).status == 0
    assert sorted(held(shop, all_of_it=False).values()) == ["default"]
    assert {name: one["services"] != [] for name, one in listed(shop).items()} == {
        "default": True,
        "wide": False,
    }
    assert shop.run("create", "--name", "wide", "--json", env=DOCKER).json["services"][0]["url"]

    assert shop.run("rm", "--yes", "--name", "wide", env=DOCKER).status == 0
    assert list(held(shop).values()) == ["default"]
    assert sorted(listed(shop)) == ["default"]
    assert shop.run("verify", Path(ran[0]["path"]).name, env=DOCKER).status == 0, (
        "runs stay as long as there is a sandbox"
    )
    assert shop.run(*counting, env=DOCKER).json["rows"] == rows[0]
    gone = shop.run("stop", "--name", "wide", env=DOCKER)
    assert gone.status == 2
    assert "there are: default" in gone.stderr


def test_a_run_makes_the_sandbox_that_it_names(shop: Shop) -> None:
    assert shop.run("run", "--name", "tried").status == 0
    [entry] = shop.run("ls", "--json").json["sandboxes"]
    assert entry["name"] == "tried"
    record = shop.root / ".sandbox" / "sandboxes" / "tried.json"
    before = json.loads(record.read_text())
    assert shop.run("run", "main", "--name", "tried").status == 0
    assert json.loads(record.read_text()) == before
    assert shop.run("rm", "--yes", "--name", "tried").status == 0
    assert shop.run("ls", "--json").json["sandboxes"] == []


def test_logs_of_runs_have_no_name(shop: Shop) -> None:
    done = shop.run("logs", "--name", "wide")
    assert done.status == 2
    assert "runs belong to the project" in done.stderr
