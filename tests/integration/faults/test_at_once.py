"""Several commands at once: of one project they make one sandbox, of different projects they do not wait for each other."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop


def started(shop: Shop, *words: str, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", *words],
        cwd=shop.root,
        env=shop.environment | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.docker
@pytest.mark.slow
def test_eight_creates_at_once_make_one_sandbox_and_all_succeed(shop: Shop, tmp_path: Path, engine: str) -> None:
    own = dataclasses.replace(shop, home=tmp_path / "home")
    processes = [started(own, "create", "--json", env={"SANDBOX_RUNTIME": "docker"}) for _ in range(8)]
    ended = [(*process.communicate(timeout=600), process.returncode) for process in processes]
    assert [status for _, _, status in ended] == [0] * 8, [said for _, said, _ in ended]
    made = [json.loads(printed) for printed, _, _ in ended]
    assert sum(one["drawn"] for one in made) == 1
    assert len({(one["sample"], one["environment"]["id"], one["created"]) for one in made}) == 1
    assert [path.name for path in (own.root / ".sandbox" / "sandboxes").glob("*.json")] == ["default.json"]
    assert [path.name for path in (own.home / "samples").glob("[0-9a-f]*")] == [made[0]["sample"]]
    assert not own.left_behind()
    assert not list(own.home.rglob(".staged-*"))
    assert own.run("create", "--json").json["drawn"] is False


@pytest.mark.slow
def test_a_project_does_not_wait_for_another_that_is_stuck(shop: Shop, tmp_path: Path) -> None:
    """The other one waits for ever for an index that does not answer, and holds whatever it holds meanwhile."""
    assert shop.run("create").status == 0
    shutil.rmtree(shop.root / ".sandbox")
    (shop.root / "sandbox.lock").unlink()
    stuck = dataclasses.replace(shop, home=tmp_path / "home")
    shutil.copytree(shop.home / "wheels", stuck.home / "wheels", copy_function=os.link)
    small = next((stuck.home / "wheels").glob("*/tzdata-*.whl"))
    shutil.rmtree(small.parent)
    other = dataclasses.replace(stuck, root=tmp_path / "other")
    shutil.copytree(stuck.root, other.root)
    (other.root / "requirements.txt").write_text("iniconfig\n")
    other.edit("sandbox.toml", "[stack.limits]", '[stack]\nrequirements = "requirements.txt"\n[stack.limits]')
    with socket.create_server(("127.0.0.1", 0)) as index:
        address = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
        waiting = started(stuck, "create", env={"PIP_INDEX_URL": address, "PIP_CONFIG_FILE": os.devnull})
        connection, _ = index.accept()
        with connection:
            done = other.run("create")
            assert done.status == 0, done.stderr
            assert waiting.poll() is None
            waiting.kill()
            waiting.communicate()
