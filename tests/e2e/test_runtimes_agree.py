"""What a run gives does not depend on the runtime: the same outputs, byte for byte, and the same endings."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop

pytestmark = [pytest.mark.docker, pytest.mark.slow]
RUNTIMES = ("docker", "local")
TAKE_TOO_MUCH = "python3 -c \\\"x = b'x' * (3 * 10**9)\\\""


def test_the_demo_has_the_same_outputs_byte_for_byte(shop: Shop, tmp_path: Path, engine: str) -> None:
    root = tmp_path / "demo"
    made = shop.run("demo", str(root), "--scale", "0.05", env={"SANDBOX_RUNTIME": "local"})
    assert made.status == 0, made.stderr
    demo = dataclasses.replace(shop, root=root)
    records = {}
    for runtime in RUNTIMES:
        done = demo.run("run", "main", "--json", env={"SANDBOX_RUNTIME": runtime})
        assert done.status == 0, done.stderr
        records[runtime] = done.json
    docker, local = (records[name] for name in RUNTIMES)
    assert docker["outputs"] == local["outputs"]
    assert len(docker["outputs"]) == 5
    assert docker["sample"] == local["sample"]
    assert (docker["environment"]["runtime"], local["environment"]["runtime"]) == RUNTIMES
    assert local["environment"]["base"].startswith(f"CPython {local['environment']['python']}")
    told = {name: docker["isolation"][name] for name in ("network", "root_filesystem", "sample")}
    assert told == {"network": "none", "root_filesystem": "read-only", "sample": "read-only"}
    told = {name: local["isolation"][name] for name in ("network", "root_filesystem", "sample", "capabilities")}
    assert told == {
        "network": "host",
        "root_filesystem": "writable",
        "sample": "writable",
        "capabilities": "host",
    }
    said = demo.run("run", "main", env={"SANDBOX_RUNTIME": "local"}).stderr
    assert "No network or filesystem isolation" in said


@pytest.mark.parametrize(
    ("command", "status", "ending", "own", "signal"),
    [
        ("exit 3", 15, "failed", 3, None),
        ("trap '' TERM; while :; do sleep 1; done", 16, "timed_out", None, 9),
        (f"{TAKE_TOO_MUCH}; exit 0", 17, "out_of_memory", 0, None),
    ],
    ids=["fails", "takes too long", "has a child that takes too much"],
)
def test_a_run_ends_the_same_way_in_a_container_and_without(
    shop: Shop, engine: str, command: str, status: int, ending: str, own: int | None, signal: int | None
) -> None:
    """Takes long: runs wait for their time limit, in both runtimes."""
    shop.edit("sandbox.toml", 'command = "python pipeline.py"', f'command = "{command}"')
    shop.edit("sandbox.toml", 'timeout = "600s"', 'timeout = "4s"')
    shop.edit("sandbox.toml", 'memory = "1GB"', 'memory = "300MB"')
    found: dict[str, Any] = {}
    for runtime in RUNTIMES:
        assert shop.run("run", env={"SANDBOX_RUNTIME": runtime}).status == status
        (folder,) = set((shop.root / ".sandbox" / "runs").glob("[0-9]*")) - {one["folder"] for one in found.values()}
        record = json.loads((folder / "run.json").read_text())
        found[runtime] = {"folder": folder, **record}
        assert (record["ending"], record["status"], record["signal"]) == (ending, own, signal), runtime
        assert record["environment"]["runtime"] == runtime
