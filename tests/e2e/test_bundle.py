"""A sample and its stack on a machine without a network: bundled on one machine, used on another."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.projects import run_git
from tests.requirements import skip_or_fail
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.projects import Done, Shop

NO_INDEX = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/", "PIP_INDEX_URL": "http://127.0.0.1:9/"}


def copy_repository(shop: Shop, target: Path) -> Shop:
    """Give a clone of a project, without its source, to somebody with an empty home."""
    run_git(target.parent, "clone", "-q", str(shop.root), str(target))
    return dataclasses.replace(shop, root=target, home=target.parent / "other home")


@dataclasses.dataclass(frozen=True)
class OtherMachine:
    """A network namespace without any network, with a Docker Engine that holds nothing."""

    namespace: str
    socket: Path

    def run(self, *command: str, cwd: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        return subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.namespace}", *command],
            cwd=cwd, env=variables | {"DOCKER_HOST": f"unix://{self.socket}"}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def other_machine(engine: str) -> Iterator[OtherMachine]:
    """Start a second dockerd with an empty data root in a network namespace of its own."""
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("dockerd", "ip", "nsenter")):
        skip_or_fail("a second dockerd needs root, dockerd, ip and nsenter (apt-get install iproute2)")
    name = f"sandbox-test-{os.getpid()}"
    folder = Path(tempfile.mkdtemp(prefix=name))  # a short path: those of sockets are limited
    machine = OtherMachine(namespace=name, socket=folder / "docker.sock")
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{name}", "dockerd", f"--host=unix://{machine.socket}", f"--data-root={folder}/data",
             f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until(
            lambda: (
                daemon.poll() is not None
                or machine.run("docker", "version", cwd=folder, variables=dict(os.environ)).returncode == 0
            ),
            describe=lambda: (folder / "log").read_text("utf-8"),
        )
        assert daemon.poll() is None, (folder / "log").read_text("utf-8")
        yield machine
    finally:
        daemon.terminate()
        daemon.wait()
        subprocess.run(["ip", "netns", "delete", name], check=True)
        subprocess.run(["umount", folder / "data"], check=False)  # dockerd mounts it on itself
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.docker
def test_bundle_is_used_on_a_machine_without_a_network(shop: Shop, other_machine: OtherMachine, tmp_path: Path) -> None:
    """Takes long: two images, together 600 MB, are saved, loaded into an empty engine and used there."""
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nservices = ["postgres"]\n[stack.limits]')
    file = tmp_path / "shop.bundle"
    bundled = shop.run("bundle", str(file), "--json", env={"SANDBOX_RUNTIME": "docker"})
    assert bundled.status == 0, bundled.stderr
    shop.git("add", "-A")
    shop.git("commit", "-q", "-m", "a database, and the lock")
    away = copy_repository(shop, tmp_path / "clone")

    def run_there(*arguments: str) -> subprocess.CompletedProcess[str]:
        variables = away.environment | NO_INDEX | {"SANDBOX_RUNTIME": "docker"}
        return other_machine.run(sys.executable, "-m", "sandbox", *arguments, cwd=away.root, variables=variables)

    done = run_there("unbundle", str(file), "--digest", bundled.json["digest"], "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == bundled.json["images"]
    created = run_there("create", "--json")
    assert created.returncode == 0, created.stderr
    assert [service["service"] for service in json.loads(created.stdout)["services"]] == ["postgres"]
    away.edit("pipeline.py", "sum(amount)", "sum(amount * 2)")
    compared = run_there("diff", "--json")
    assert compared.returncode == 1, compared.stderr
    document = json.loads(compared.stdout)
    assert document["sample"]["fingerprint"] == bundled.json["sample"]
    assert document["environment"]["runtime"] == "docker"
    assert run_there("rm", "--yes").returncode == 0


def test_bundle_of_the_local_runtime_is_refused_where_it_does_not_match(shop: Shop, tmp_path: Path) -> None:
    """Takes long where no other test has made the environment yet."""
    file = tmp_path / "shop.bundle"
    bundled = shop.run("bundle", str(file), "--json")
    assert bundled.status == 0, bundled.stderr
    shop.git("add", "-A")
    shop.git("commit", "-q", "-m", "the lock")
    away = copy_repository(shop, tmp_path / "clone")

    def unbundle(*arguments: str, path: Path = file) -> Done:
        return away.run("unbundle", str(path), *arguments, env=NO_INDEX)

    other = unbundle("--digest", "0" * 64)
    assert (other.status, bundled.json["digest"] in other.stderr) == (13, True)
    content = file.read_bytes()
    (tmp_path / "short").write_bytes(content[: len(content) // 2])
    assert "copy it again" in unbundle(path=tmp_path / "short").stderr
    at = content.index(b"PAR1") + 4  # the first part of the sample
    (tmp_path / "flipped").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    flipped = unbundle(path=tmp_path / "flipped")
    assert (flipped.status, "is damaged" in flipped.stderr) == (13, True)
    away.edit("sandbox.toml", 'salt = "test"', 'salt = "other"')
    asked = unbundle()
    assert (asked.status, "asks for another sample" in asked.stderr) == (18, True)
    away.edit("sandbox.toml", 'salt = "other"', 'salt = "test"')
    lock = json.loads((away.root / "sandbox.lock").read_text("utf-8"))
    (away.root / "sandbox.lock").write_text(json.dumps(lock | {"sample": "0" * 64}), "utf-8")
    assert "sandbox.lock is not the one in" in unbundle().stderr
    (away.root / "sandbox.lock").unlink()
    first, again = unbundle("--json"), unbundle("--json")
    assert first.status == 0, first.stderr
    assert (first.json["files"] > 0, again.json["files"]) == (True, 0)
    assert (away.root / "sandbox.lock").read_bytes() == (shop.root / "sandbox.lock").read_bytes()
