"""Files for docker compose and development containers, through the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Shop

DOCKER = {"SANDBOX_RUNTIME": "docker"}
CHECK = Path(sys.executable).parent / "check-jsonschema"


@pytest.mark.docker
def test_compose_file_has_the_walls_of_a_run_and_keeps_to_the_schema(shop: Shop, engine: str) -> None:
    done = shop.run("export", "compose", "--json", env=DOCKER)
    assert done.status == 0, done.stderr
    file = Path(done.json["file"])
    checked = subprocess.run(
        [CHECK, "--builtin-schema", "vendor.compose-spec", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    text = file.read_text("utf-8")
    for wall in ("network_mode: none", "read_only: true", "cap_drop: [ALL]", "pull_policy: never"):
        assert wall in text
    assert str(shop.root) in text
    again = shop.run("export", "compose", env=DOCKER)
    assert again.status == 2
    assert "is there already" in again.stderr
    assert shop.run("export", "compose", "--force", env=DOCKER).status == 0


@pytest.mark.docker
def test_devcontainer_names_image_sample_and_limits(shop: Shop, engine: str) -> None:
    done = shop.run("export", "devcontainer", env=DOCKER)
    assert done.status == 0, done.stderr
    assert "needs a network" in done.stdout
    document = json.loads((shop.root / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert document["image"].startswith("sandbox/python:")
    assert "--cap-drop=ALL" in document["runArgs"]
    assert any("readonly" in mount and "/sandbox/sample" in mount for mount in document["mounts"])


def test_without_an_engine_there_is_no_image_to_export(shop: Shop) -> None:
    done = shop.run("export", "compose")
    assert done.status == 14
    assert "no image to export" in done.stderr
