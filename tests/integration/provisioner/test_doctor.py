from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.containers import ownership
from sandbox.containers.docker import engine_api as plan
from sandbox.model import RUN_GROUP_ID
from sandbox.provisioner.doctor import address_pool, machine_checks
from sandbox.provisioner.doctor.doctor import run_doctor
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.containers.docker import images
    from sandbox.provisioner.doctor.check import DoctorCheck


def by_name(found: list[DoctorCheck]) -> dict[str, DoctorCheck]:
    named = {check.name: check for check in found}
    assert len(named) == len(found), "a check's name is unique"
    return named


@pytest.mark.docker
def test_a_working_engine_passes_what_is_tried_in_containers(
    engine: images.Client, home: Path, tmp_path: Path, progress: Any
) -> None:
    found = by_name(run_doctor(tmp_path, home=home, runtime="docker", progress=progress))
    tried = ("build", "files belong to you", "memory limit", "process limit", "no network")
    assert {name: found[name].detail for name in tried if not found[name].ok} == {}
    for name in (
        "container engine",
        "base image",
        "space for images",
        "addresses for networks",
        "engine's clock",
        "git",
        "uv",
    ):
        assert found[name].ok, found[name]
    assert "Python for local runs" not in found
    assert not list(home.glob(".staged-*"))
    json.dumps([check.fields() for check in found.values()])


@pytest.mark.docker
def test_a_network_of_a_check_that_was_killed_goes_with_the_next(engine: images.Client) -> None:
    # What is labelled with another start than the process of this number has is a process that has ended.
    gone = replace(ownership.identify_owner(), start_time="0").labels
    made = engine.api.create_network(
        "sbx-doctor-killed",
        driver="bridge",
        internal=True,
        labels=plan.build_container_labels({"role": "doctor", **gone}),
    )["Id"]
    mine = engine.api.create_network("not-ours", driver="bridge", internal=True)["Id"]
    try:
        assert address_pool.check_address_pool(engine).ok
        left = {one["Id"] for one in engine.api.networks()}
        assert made not in left
        assert mine in left
        assert not [one for one in engine.api.networks() if one["Name"].startswith("sbx-doctor-")]
    finally:
        engine.api.remove_network(mine)


def test_a_refusing_socket_fails_one_check_and_the_rest_is_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    place = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as refusing:  # bound, and nobody listens
        refusing.bind(str(place))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
        found = by_name(run_doctor(None, home=tmp_path, runtime="docker", progress=progress))
    failed = [check for check in found.values() if check.ok is False]
    assert [check.name for check in failed] == ["container engine"]
    assert "connection refused" in failed[0].detail
    assert failed[0].fix
    waiting = [check for check in found.values() if check.ok is None]
    assert len(waiting) == 10
    assert {check.detail for check in waiting} == {"no engine answers"}
    assert {check.fix for check in waiting} == {""}


def test_the_local_runtime_asks_nothing_of_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    found = by_name(run_doctor(None, home=tmp_path, runtime="local", progress=progress))
    assert "container engine" not in found
    assert "Python 3." in found["Python for local runs"].detail


def test_a_tool_that_is_not_there_is_named_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = by_name(run_doctor(None, home=tmp_path, runtime="local", progress=progress))
    assert found["git"].ok is False
    assert "install git" in found["git"].fix


@dataclass(kw_only=True)
class Broken:
    """The command, and an engine whose questions and answers are changed on the way: each text for one as long."""

    root: Path
    proxy: Proxy
    socket: Path
    asked: dict[str, int] = field(default_factory=dict)

    def question(self, before: bytes, after: bytes) -> None:
        assert len(before) == len(after)
        previous = self.proxy.question

        def changed(chunk: bytes) -> bytes:
            self.asked[before.decode()] = self.asked.get(before.decode(), 0) + chunk.count(before)
            return previous(chunk).replace(before, after)

        self.proxy.question = changed

    def doctor(self, *words: str) -> subprocess.CompletedProcess[str]:
        home = {"SANDBOX_HOME": str(self.root / "home"), "SANDBOX_RUNTIME": "docker", "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "sandbox", "doctor", *words],
            cwd=self.root,
            env=os.environ | home | {"DOCKER_HOST": f"unix://{self.socket}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def broken(engine: images.Client, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    path = tmp_path_factory.mktemp("p") / "s"
    proxy = Proxy(path)
    yield Broken(root=tmp_path, proxy=proxy, socket=path)
    proxy.close()


PROMISES = (
    (b'"Memory": 100663296', b'"Memory":         0'),
    (b'"MemorySwap": 100663296', b'"MemorySwap":        -1'),
    (b'"PidsLimit": 32', b'"PidsLimit": -1'),
    (b'"NetworkMode": "none"', b'"NetworkMode": "host"'),
    (b"networkmode=none", b"networkmode=host"),
)
UNKEPT = {
    "memory limit": "a run that took twice its memory succeeded",
    "process limit": "a run that may have 32 processes started 200",
    "no network": "a run sees ",
    "engine's clock": "differs from this machine's by ",
}


def failures(document: Any) -> dict[str, Any]:
    """The checks that failed, but for what others may have left in the engine meanwhile."""
    failed = {one["name"]: one for one in document["checks"] if one["ok"] is False}
    failed.pop("leftovers", None)
    return failed


@pytest.mark.docker
@pytest.mark.slow
def test_an_engine_that_keeps_no_promise_fails_each_check_with_one_fix(broken: Broken) -> None:
    for before, after in PROMISES:
        broken.question(before, after)
    # Ten years ago; containers and images, whose times are told alike, are not asked for it.
    broken.proxy.answer = lambda chunk: re.sub(rb'("SystemTime":")20[23]', rb"\g<1>201", chunk)
    done = broken.doctor("--json")
    assert all(broken.asked[before.decode()] for before, _ in PROMISES), broken.asked
    assert done.returncode == 14, done.stderr
    document = json.loads(done.stdout)
    failed = failures(document)
    assert document["healthy"] is False
    assert sorted(failed) == sorted(["build", *UNKEPT]), failed
    assert all(one["fix"] and "\n" not in one["fix"] for one in failed.values())
    for name, detail in UNKEPT.items():
        assert failed[name]["detail"].startswith(detail), failed[name]
    assert "cannot build the image sandbox/doctor:" in failed["build"]["detail"]
    assert "of 16 checks failed: " in done.stderr
    shown = broken.doctor()
    assert shown.returncode == 14
    for one in failed.values():
        assert one["fix"] in shown.stdout
        assert re.search(rf"^{re.escape(one['name'])} +failed", shown.stdout, flags=re.MULTILINE)


@pytest.mark.docker
def test_what_is_needed_offline_and_not_there_is_said_with_what_makes_it(broken: Broken) -> None:
    broken.question(b"sandbox/base:trixie", b"sandbox/base:absent")
    broken.question(b"slim-trixie", b"slim-absent")
    broken.question(b"dev.sandbox.role%3Dimage", b"dev.sandbox.role%3Dnoone")
    done = broken.doctor("--json")
    assert done.returncode == 14
    checks = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    assert broken.asked["dev.sandbox.role%3Dimage"] > 0
    for name in ("base image", "images"):
        assert (checks[name]["ok"], checks[name]["fix"]) == (False, "sandbox create")
        assert "offline" in checks[name]["detail"]
    waiting = {one["name"]: one["detail"] for one in checks.values() if one["ok"] is None}
    tried = ("build", "files belong to you", "memory limit", "process limit", "no network")
    assert waiting == dict.fromkeys(tried, "there is no base image")
    shown = broken.doctor().stdout
    assert shown.count("sandbox create") == 2
    assert shown.count("not checked") == 5


@pytest.mark.docker
def test_a_user_that_may_not_write_is_named_with_its_fix(broken: Broken) -> None:
    ours = f"1000:{RUN_GROUP_ID}" if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"
    broken.question(f'"User": "{ours}"'.encode(), f'"User": "{"9" * 4}:{"9" * (len(ours) - 5)}"'.encode())
    done = broken.doctor("--json")
    (failed,) = failures(json.loads(done.stdout)).values()
    assert failed["name"] == "files belong to you"
    assert "Permission denied" in failed["detail"]
    assert "SANDBOX_HOME" in failed["fix"]


@pytest.mark.docker
def test_images_are_counted_and_named_in_json_only(broken: Broken, engine: images.Client) -> None:
    tag = "sandbox/own:doctor-counts"
    _labelled(engine, tag, role="image")
    try:
        checks = {one["name"]: one for one in json.loads(broken.doctor("--json").stdout)["checks"]}
        shown = broken.doctor().stdout
    finally:
        engine.api.remove_image(tag)
    assert tag in checks["images"]["items"]
    assert re.fullmatch(r"\d+ built, \d+\.\d GB", checks["images"]["detail"])
    assert tag not in shown
    assert re.search(r"^images +ok +\d+ built", shown, flags=re.MULTILINE)


def _labelled(engine: images.Client, tag: str, **labels: str) -> None:
    container = engine.api.create_container("sandbox/base:trixie", "true")["Id"]
    changes = [f'LABEL "dev.sandbox.{name}"="{value}"' for name, value in {"managed": "true", **labels}.items()]
    try:
        name, _, version = tag.partition(":")
        engine.api.commit(container, repository=name, tag=version, changes=changes)
    finally:
        engine.api.remove_container(container)


@pytest.mark.docker
def test_a_disk_with_less_space_than_is_needed_fails_wherever_something_lies_on_it(
    engine: images.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    monkeypatch.setattr(machine_checks, "MIN_FREE_BYTES", 2 * shutil.disk_usage(tmp_path).total)
    found = by_name(run_doctor(tmp_path, home=tmp_path, runtime="docker", progress=progress))
    where = {"space for samples": tmp_path, "space for runs": tmp_path}
    where["space for images"] = Path(str(engine.info()["DockerRootDir"]))
    assert [name for name, check in found.items() if check.ok is False] == [
        "space for samples",
        "space for runs",
        "space for images",
    ]
    for name, place in where.items():
        assert found[name].fix == f"free some space at {place}"
        assert "are needed" in found[name].detail


def test_a_clock_before_this_program_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine_checks, "EARLIEST_TIME", machine_checks.EARLIEST_TIME.replace(year=2999))
    found = by_name(machine_checks.check_machine(tmp_path, None))
    assert found["clock"].ok is False
    assert "which cannot be" in found["clock"].detail
    assert "timedatectl" in found["clock"].fix


def test_a_python_that_is_not_the_stacks_is_named_with_how_to_get_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    monkeypatch.setattr(machine_checks, "SUPPORTED_PYTHONS", ("3.99",))
    found = by_name(run_doctor(None, home=tmp_path, runtime="local", progress=progress))["Python for local runs"]
    assert (found.ok, found.fix) == (False, "uv python install 3.99")
    assert "the stack has 3.99" in found.detail
