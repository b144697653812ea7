from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker.client import is_remote
from sandbox.containers.docker.usage import parse_stats
from sandbox.containers.protocol import Job, Mount
from sandbox.containers.usage import ResourceUsage
from sandbox.model import RUN_GROUP_ID, Environment, ResourceLimits

ENGINE = plan.EngineInfo(
    version="27", storage="overlay2", rootless=False, seccomp=True, selinux=False, memory_bytes=8 * 10**9
)
CODE = Mount(source=Path("/home/ü ser/a, b"), target="/sandbox/code")
OUTPUT = Mount(source=Path("/out"), target="/sandbox/output", writable=True)
JOB = Job(
    name="sbx-shop-1",
    labels={"project": "shop", "managed": "no"},
    environment=Environment(
        id="e",
        runtime="docker",
        reference="sandbox/python:1",
        platform="linux/amd64",
        python="3.13",
        base="b",
    ),
    command="python run.py",
    workdir=CODE,
    mounts=(CODE, OUTPUT),
    variables={"SANDBOX_SEED": "1"},
    limits=ResourceLimits(cpus=1.5, memory_bytes=2**30, timeout_seconds=60, pids=99),
)


def body(**changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "user": plan.ContainerUser(uid=1000, gid=100),
        "engine": ENGINE,
        "owner": {"owner-pid": "1"},
    }
    return plan.build_container_body(JOB, **{**asked, **changes})


def test_everything_that_isolates_is_asked_for() -> None:
    host = body()["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (
        2**30,
        2**30,
        1_500_000_000,
        99,
    )
    assert host["Init"] is True
    assert host["LogConfig"] == {"Type": "none"}
    assert "Binds" not in host
    assert "Privileged" not in host


def test_only_what_is_writable_is_mounted_to_write() -> None:
    mounts = body()["HostConfig"]["Mounts"]
    assert [(mount["Source"], mount["ReadOnly"]) for mount in mounts] == [
        ("/home/ü ser/a, b", True),
        ("/out", False),
    ]
    assert {mount["Type"] for mount in mounts} == {"bind"}


def test_the_body_is_json() -> None:
    assert json.loads(json.dumps(body())) == body()


def test_labels_say_whose_a_container_is_and_a_job_cannot_deny_it() -> None:
    labels = body()["Labels"]
    assert labels["dev.sandbox.managed"] == "true"
    assert labels["dev.sandbox.owner-pid"] == "1"
    assert plan.parse_labels({**labels, "com.example": "x"})["project"] == "shop"
    assert "com.example" not in plan.parse_labels({**labels, "com.example": "x"})


def test_files_that_the_engine_labels_for_others_can_be_read_where_it_does() -> None:
    engine = plan.parse_engine_info({"SecurityOptions": ["name=seccomp,profile=default", "name=selinux"]})
    assert "label=disable" in body(engine=engine)["HostConfig"]["SecurityOpt"]


@pytest.mark.parametrize(
    ("uid", "rootless", "expected"),
    [
        (0, False, plan.ContainerUser(uid=1000, gid=RUN_GROUP_ID, needs_chown=True)),
        (501, False, plan.ContainerUser(uid=501, gid=20)),
        (501, True, plan.ContainerUser(uid=0, gid=0)),
        (0, True, plan.ContainerUser(uid=0, gid=0)),
    ],
)
def test_a_run_is_the_caller_and_never_root_of_the_machine(
    uid: int, rootless: bool, expected: plan.ContainerUser
) -> None:
    assert plan.choose_user(uid, 20 if uid else 0, rootless=rootless) == expected


def inspected(**changes: Any) -> dict[str, Any]:
    return {
        "Config": {"User": "1000:100"},
        "HostConfig": {**body()["HostConfig"], **changes},
        "Mounts": [
            {"Destination": "/sandbox/code", "RW": False},
            {"Destination": "/sandbox/output", "RW": True},
        ],
    }


def test_isolation_is_what_the_engine_says() -> None:
    isolation = plan.parse_isolation(inspected(), mounts=JOB.mounts, engine=ENGINE)
    assert isolation.is_complete
    assert (isolation.capabilities, isolation.no_new_privileges, isolation.seccomp) == (
        "none",
        True,
        "default",
    )
    assert (isolation.memory_bytes, isolation.cpus, isolation.pids) == (2**30, 1.5, 99)


def test_isolation_that_the_engine_did_not_put_in_force_is_not_claimed() -> None:
    unlike = {"NetworkMode": "bridge", "ReadonlyRootfs": False, "CapDrop": None, "SecurityOpt": None}
    answer = inspected(**unlike, Memory=0, NanoCpus=0, PidsLimit=None)
    answer["Mounts"][0]["RW"] = True
    engine = plan.parse_engine_info({"SecurityOptions": []})
    isolation = plan.parse_isolation(answer, mounts=JOB.mounts, engine=engine)
    assert not isolation.is_complete
    assert (isolation.network, isolation.root_filesystem, isolation.sample) == (
        "services",
        "writable",
        "writable",
    )
    assert (isolation.capabilities, isolation.no_new_privileges, isolation.seccomp) == ("some", False, "none")
    assert (isolation.memory_bytes, isolation.cpus, isolation.pids) == (None, None, None)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("unix:///var/run/docker.sock", False),
        ("npipe:////./pipe/docker_engine", False),
        ("tcp://127.0.0.1:2375", False),
        ("tcp://[::1]:2375", False),
        ("tcp://localhost:2375", False),
        ("tcp://10.1.2.3:2375", True),
        ("tcp://build.example.org:2376", True),
        ("https://build.example.org:2376", True),
        ("ssh://user@localhost", True),
        ("build.example.org:2375", True),
    ],
)
def test_an_engine_is_remote_unless_its_address_is_of_this_machine(address: str, expected: bool) -> None:
    assert is_remote(address) == expected


def test_figures_of_the_engine_are_read_for_both_versions_of_control_groups() -> None:
    first = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"stats": {"total_rss": 1000, "total_shmem": 24}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 7}, {"op": "Total", "value": 7}]},
    }
    second = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"stats": {"anon": 1000, "shmem": 24}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 7}]},
    }
    expected = ResourceUsage(cpu_seconds=2.5, memory_bytes=1024, bytes_read=7, bytes_written=0)
    assert parse_stats(first) == parse_stats(second) == expected


def test_of_a_container_that_has_ended_the_engine_says_nothing() -> None:
    ended = {
        "cpu_stats": {"cpu_usage": {"total_usage": 0}},
        "memory_stats": {},
        "blkio_stats": {"io_service_bytes_recursive": None},
    }
    assert parse_stats(ended) == ResourceUsage()


def test_the_highest_figures_stay() -> None:
    early = ResourceUsage(cpu_seconds=1.0, memory_bytes=500, bytes_read=None, kills=1)
    late = ResourceUsage(cpu_seconds=2.0, memory_bytes=100, bytes_read=3, kills=0)
    assert early.merge_peaks(late) == ResourceUsage(cpu_seconds=2.0, memory_bytes=500, bytes_read=3, kills=1)
