from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.containers import docker_plan as plan
from sandbox.containers import owner
from sandbox.stack import check_pool
from sandbox.stack.doctor import doctor

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.containers import docker_images as images
    from sandbox.stack.checks import Check


def by_name(found: list[Check]) -> dict[str, Check]:
    named = {check.name: check for check in found}
    assert len(named) == len(found), "a check's name is unique"
    return named


@pytest.mark.docker
def test_a_working_engine_passes_what_is_tried_in_containers(
    engine: images.Client, home: Path, tmp_path: Path, progress: Any
) -> None:
    found = by_name(doctor(tmp_path, home=home, runtime="docker", progress=progress))
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
    assert not list(home.glob(".doctor-*"))
    json.dumps([check.fields() for check in found.values()])


@pytest.mark.docker
def test_a_network_of_a_check_that_was_killed_goes_with_the_next(engine: images.Client) -> None:
    # What is labelled with another start than the process of this number has is a process that has ended.
    gone = replace(owner.current(), started="0").labels
    made = engine.api.create_network(
        "sbx-doctor-killed", driver="bridge", internal=True, labels=plan.labels({"role": "doctor", **gone})
    )["Id"]
    mine = engine.api.create_network("not-ours", driver="bridge", internal=True)["Id"]
    try:
        assert check_pool.pool(engine).ok
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
        found = by_name(doctor(None, home=tmp_path, runtime="docker", progress=progress))
    failed = [check for check in found.values() if check.ok is False]
    assert [check.name for check in failed] == ["container engine"]
    assert "connection refused" in failed[0].detail
    assert failed[0].fix
    waiting = [check for check in found.values() if check.ok is None]
    assert len(waiting) == 11
    assert {check.detail for check in waiting} == {"no engine answers"}
    assert {check.fix for check in waiting} == {""}


def test_the_local_runtime_asks_nothing_of_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    found = by_name(doctor(None, home=tmp_path, runtime="local", progress=progress))
    assert "container engine" not in found
    assert "Python 3." in found["Python for local runs"].detail


def test_a_tool_that_is_not_there_is_named_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = by_name(doctor(None, home=tmp_path, runtime="local", progress=progress))
    assert found["git"].ok is False
    assert "install git" in found["git"].fix
