"""SIGKILL at every step: the same command again converges, to the same, and leaves nothing of ours behind."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.containers.docker import images
from sandbox.containers.docker.client import open_client
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.manifest.lock import LockDocument, LockedLibrary, PlatformLock
from sandbox.model import SilentProgress
from sandbox.provisioner.environments import ensure_environment
from sandbox.provisioner.lock import pins
from sandbox.provisioner.lock.request import StackRequest
from sandbox.provisioner.lock.resolver import compute_inputs
from tests.kill_points import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop

pytestmark = [pytest.mark.docker, pytest.mark.slow]
MODULES = [
    "sandbox.cli",
    "sandbox.cli.sandboxes",
    "sandbox.cli.runs",
    "sandbox.project.create",
    "sandbox.project.pipeline_run",
    "sandbox.containers.docker.runtime",
    "sandbox.containers.docker.images",
    "sandbox.sampler.plan.planner",
    "sandbox.sampler.draw.draw",
    "sandbox.provisioner.images.environment",
    "sandbox.report.terminal.sandboxes",
]
COMMAND = """
import os, sys
os.chdir({root!r})
sys.argv = ["sandbox", *{words!r}]
from sandbox.cli import main
status = main()
"""
RESET = """
import shutil
for path in {removed!r}:
    shutil.rmtree(path, ignore_errors=True)
"""
# What a killed client had asked the engine for last is still carried out: whoever comes next removes it. What is half-made
# belongs to nobody, and goes when it is a minute old.
CHECK = """
import json, os, time
from pathlib import Path
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.scratch import STAGED_PREFIX, remove_leftover_paths
root, home, runtime = Path({root!r}), Path({home!r}), DockerRuntime()
until = time.monotonic() + 300
while (left := runtime.list_objects({{"path": str(root)}})) and time.monotonic() < until:
    runtime.remove_leftovers()
    time.sleep(0.05)
assert not left, left
for path in [*root.rglob(STAGED_PREFIX + "*"), *home.rglob(STAGED_PREFIX + "*")]:
    if not path.exists():  # it lay in one that is swept already
        continue
    os.utime(path, (1, 1))
    remove_leftover_paths(path.parent)
    assert not path.exists(), path
record = json.loads((root / ".sandbox/sandboxes/default.json").read_text())
assert record["sample"] == {fingerprint!r}, record
assert [path.name for path in (home / "samples").glob("[0-9a-f]*")] == [record["sample"]]
for run in (root / ".sandbox/runs").glob("[0-9]*"):
    found = json.loads((run / "run.json").read_text())
    assert found["ending"] == "succeeded", found
    files = {{name: [file["sha256"] for file in one["files"]] for name, one in found["outputs"].items()}}
    assert files == {outputs!r}, files
"""


@dataclass(frozen=True, kw_only=True)
class Turns:
    """A project whose commands are killed, again and again."""

    shop: Shop
    env: dict[str, str]
    fingerprint: str
    outputs: dict[str, list[str]]

    def killed(self, *words: str, removed: list[Path], most: int) -> list[str]:
        """Kill a command at its steps, check everything after each, and give what the steps were."""
        root, home = str(self.shop.root), str(self.shop.home)
        check = CHECK.format(root=root, home=home, fingerprint=self.fingerprint, outputs=self.outputs)
        asked = {
            "modules": MODULES,
            "program": COMMAND.format(root=root, words=words),
            "reset": RESET.format(removed=[str(path) for path in removed]),
            "check": check,
            "most": most,
            "every": 1,
        }
        return carried_out(asked, self.env)


def carried_out(asked: dict[str, Any], env: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.integration.faults.killed"],
        cwd=ROOT,
        input=json.dumps(asked),
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert not found["wrong"], (found["wrong"], done.stderr[-4000:])
    return [found["steps"][number - 1] for number in found["killed"]]


@pytest.fixture
def turns(shop: Shop, tmp_path: Path, engine: str) -> Turns:
    copied = 'command = "cp -r $SANDBOX_SAMPLE/orders $SANDBOX_OUTPUT/"'
    shop.edit("sandbox.toml", 'command = "python pipeline.py"', copied)
    own = dataclasses.replace(shop, home=tmp_path / "home")
    runtime = {"SANDBOX_RUNTIME": "docker"}
    done = own.run("run", "--json", env=runtime)
    assert done.status == 0, done.stderr
    assert own.run("create", env=runtime).status == 0
    outputs = {name: [file["sha256"] for file in one["files"]] for name, one in done.json["outputs"].items()}
    return Turns(shop=own, env=own.environment | runtime, fingerprint=done.json["sample"], outputs=outputs)


def test_create_killed_at_any_step_is_completed_by_the_next(turns: Turns) -> None:
    """Takes long: a sandbox is created for each step."""
    root, home = turns.shop.root, turns.shop.home
    made = [root / ".sandbox", home / "samples", home / "images", home / "projects"]
    steps = turns.killed("create", removed=made, most=24)
    assert len(steps) >= 20
    assert "os.rename" in steps


def test_run_killed_at_any_step_is_done_by_the_next(turns: Turns) -> None:
    """Takes long: a run for each step."""
    steps = turns.killed("run", removed=[turns.shop.root / ".sandbox" / "runs"], most=28)
    assert len(steps) >= 20
    assert steps.count("http.client.send") >= 8


SERVICES = """
import shutil
from pathlib import Path
from sandbox.containers.docker.runtime import DockerRuntime
runtime = DockerRuntime()
for one in sorted(runtime.list_objects({{"path": {root!r}}}), key=lambda one: one.kind):  # containers before their volumes
    runtime.remove_object(one)
shutil.rmtree(Path({root!r}) / ".sandbox/services", ignore_errors=True)
"""
UP = """
import psycopg
from pathlib import Path
from sandbox.containers.docker.runtime import DockerRuntime
held = sorted((one.name.partition("-default-")[2], one.running) for one in DockerRuntime().list_objects({{"path": {root!r}}}))
assert held == [("postgres", True), ("postgres-data", False), ("postgres-socket", False)], held
host, port, _, user, password = (Path({root!r}) / ".sandbox/services/default/pgpass").read_text().strip().split(":")
with psycopg.connect(host=host, port=port, user=user, password=password, dbname="sample") as connection:
    assert connection.execute("select count(*) from orders").fetchone()[0] > 100
"""


def test_create_with_a_service_killed_at_its_steps_is_completed_by_the_next(turns: Turns) -> None:
    """Takes long: a turn for each step, each with a Postgres that is loaded."""
    shop = turns.shop
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nservices = ["postgres"]\n[stack.limits]')
    assert shop.run("create", env={"SANDBOX_RUNTIME": "docker"}).status == 0
    root = str(shop.root)
    asked = {
        "modules": [*MODULES, "sandbox.project.services.postgres"],
        "program": COMMAND.format(root=root, words=["create"]),
        "reset": SERVICES.format(root=root),
        "check": UP.format(root=root),
        "most": 0,
        "every": 3,
    }
    try:
        steps = carried_out(asked, turns.env)
    finally:
        assert shop.run("rm", "--yes", env={"SANDBOX_RUNTIME": "docker"}).status == 0
    assert steps.count("http.client.send") >= 5
    assert DockerRuntime().list_objects({"path": root}) == []


BUILD = """
import contextlib, sys
from pathlib import Path
from sandbox.manifest.lock import LockDocument
from sandbox.model import SilentProgress
from sandbox.provisioner.environments import ensure_environment
from sandbox.provisioner.lock.request import StackRequest
class Steps(SilentProgress):
    @contextlib.contextmanager
    def step(self, name, **_):
        sys.audit("sandbox.test.step", name)
        yield lambda _: sys.audit("sandbox.test.step", name)
request, lock = StackRequest(image="python", python="3.13"), LockDocument.parse({lock!r}, origin="test")
ensure_environment(request, lock, "docker", home=Path({home!r}), progress=Steps())
"""
REMOVED = """
import contextlib, shutil
from pathlib import Path
from sandbox.containers.docker import images
from sandbox.containers.docker.client import open_client
home = Path({home!r})
shutil.rmtree(home / "images", ignore_errors=True)
with contextlib.closing(open_client()) as client:
    for image in images.list_images(client, {{"environment": {id!r}}}):
        images.remove_image(client, image)
"""
BUILT = """
import contextlib, os, time
from pathlib import Path
from sandbox.containers.docker import images
from sandbox.containers.docker.client import open_client
from sandbox.scratch import STAGED_PREFIX, remove_leftover_paths
for path in Path({home!r}).rglob(STAGED_PREFIX + "*"):
    if not path.exists():  # it lay in one that is swept already
        continue
    os.utime(path, (1, 1))
    remove_leftover_paths(path.parent)
    assert not path.exists(), path
with contextlib.closing(open_client()) as client:
    wanted = {{"label": "dev.sandbox.stage=" + {id!r}}}
    until = time.monotonic() + 300
    while client.api.containers(all=True, filters=wanted) and time.monotonic() < until:
        time.sleep(0.1)
    assert not client.api.containers(all=True, filters=wanted)
    assert not images.list_untagged_images(client, {id!r})
    (image,) = images.list_images(client, {{"environment": {id!r}}})
    assert image.tags
"""


def test_a_build_killed_at_its_steps_is_done_by_the_next_and_leaves_no_stage(tmp_path: Path, engine: str) -> None:
    """Takes long: an image is built for each step."""
    request = StackRequest(image="python", python="3.13")
    lock = small_lock(request)
    home = tmp_path / "home"
    (home / "wheels").mkdir(parents=True)
    made = ensure_environment(request, lock, "docker", home=home, progress=SilentProgress())
    names = {"home": str(home), "id": made.id, "lock": lock.to_json_text()}
    asked = {
        "modules": MODULES,
        "program": BUILD.format(**names),
        "reset": REMOVED.format(**names),
        "check": BUILT.format(**names),
        "most": 0,
        "every": 9,
    }
    steps = carried_out(asked, dict(os.environ))
    with contextlib.closing(open_client()) as client:
        for image in images.list_images(client, {"environment": made.id}):
            images.remove_image(client, image)
    assert steps.count("sandbox.test.step") >= 2


def small_lock(request: StackRequest) -> LockDocument:
    """Give a lock of one small library that no other test's equals."""
    unique = f"sha256:{secrets.token_hex(32)}"
    platforms = {}
    for target in pins.list_targets(request.python):
        (library,) = [one for one in pins.read_image_pins(request.image, target) if one.name == "tzdata"]
        own = LockedLibrary(name=library.name, version=library.version, hashes=sorted([*library.hashes, unique]))
        platforms[pins.format_platform_key(target, request.python)] = PlatformLock(
            python=target.python, libraries=[own]
        )
    return LockDocument(inputs=compute_inputs(request), platforms=platforms)
