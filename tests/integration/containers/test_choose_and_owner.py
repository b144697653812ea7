"""Which runtime is chosen, who owns what, and what the kernel says of a control group."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sandbox.containers import ownership
from sandbox.containers.local import cgroups
from sandbox.containers.local.cgroups import read_usage
from sandbox.containers.runtime_choice import choose_runtime
from sandbox.containers.usage import ResourceUsage
from sandbox.errors import ContainerEngineError
from sandbox.model import ResourceLimits

if TYPE_CHECKING:
    from pathlib import Path

    import docker


@pytest.mark.docker
def test_auto_is_docker_without_a_word_where_an_engine_answers(engine: docker.DockerClient) -> None:
    runtime, sentence = choose_runtime("auto")
    assert (runtime.name, sentence) == ("docker", None)


def test_auto_is_local_where_no_engine_answers_and_says_so_and_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    runtime, sentence = choose_runtime("auto")
    assert runtime.name == "local"
    assert sentence is not None
    assert "isolation" in sentence
    assert "absent.sock" in sentence
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ContainerEngineError, match=r"absent\.sock.*CI=true") as refused:
        choose_runtime("auto")
    assert "--runtime local" in refused.value.hint
    assert choose_runtime("local")[0].name == "local"


def test_docker_never_falls_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    with pytest.raises(ContainerEngineError, match="no Docker Engine is running"):
        choose_runtime("docker")


def test_local_says_that_nothing_is_isolated() -> None:
    runtime, sentence = choose_runtime("local")
    assert runtime.name == "local"
    assert sentence is not None
    assert "isolation" in sentence


def test_the_docker_sdk_is_imported_only_where_it_is_needed() -> None:
    code = "import sys; from sandbox.containers.runtime_choice import choose_runtime; choose_runtime('local'); print('docker' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_living_owner_is_not_gone() -> None:
    found = ownership.parse_owner(ownership.identify_owner().labels)
    assert found == ownership.identify_owner()
    assert not found.has_ended


def test_an_owner_that_has_ended_is_gone_and_so_is_one_whose_number_was_used_again() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    me = ownership.identify_owner()
    assert replace(me, pid=process.pid, start_time="1").has_ended
    assert replace(me, start_time="1").has_ended


def test_of_an_owner_elsewhere_nothing_is_said() -> None:
    assert not replace(ownership.identify_owner(), pid=2**22 + 1, machine="elsewhere/1").has_ended


def test_labels_that_name_no_owner_give_none() -> None:
    assert ownership.parse_owner({"project": "shop"}) is None
    assert ownership.parse_owner({**ownership.identify_owner().labels, "owner-pid": "x"}) is None


def test_counters_of_control_groups_of_version_2_are_read(tmp_path: Path) -> None:
    files = {
        "memory.stat": "anon 1000\nfile 999999\nshmem 24\n",
        "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
        "memory.events": "low 0\noom 1\noom_kill 1\n",
        "io.stat": "8:0 rbytes=4096 wbytes=512 rios=1\n8:16 rbytes=1 wbytes=0\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    expected = ResourceUsage(cpu_seconds=2.5, memory_bytes=1024, bytes_read=4097, bytes_written=512, kills=1)
    assert read_usage({"": tmp_path}) == expected


def test_limits_of_version_2_are_set_in_a_group_beside_ones_own_where_that_is_delegated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On files that stand for the kernel's: what is written where."""
    own = tmp_path / "user.slice" / "terminal.scope"
    own.mkdir(parents=True)
    for folder in (own, own.parent):
        (folder / "cgroup.procs").write_text("")
    monkeypatch.setattr(cgroups, "_find_own_groups", lambda: {"": own})
    assert cgroups.plan_control_group("one") is None
    (own.parent / "cgroup.subtree_control").write_text("cpu memory\n")
    assert cgroups.plan_control_group("one") is None
    (own.parent / "cgroup.subtree_control").write_text("cpu memory pids\n")
    group = cgroups.plan_control_group("one")
    assert group is not None
    assert group.create(ResourceLimits(cpus=1, memory_bytes=1000, timeout_seconds=1, pids=7))
    place = own.parent / "one"
    assert {path.name: path.read_text() for path in place.iterdir()} == {
        "memory.max": "1000\n",
        "pids.max": "7\n",
    }
    assert group.procs_files == [place / "cgroup.procs"]


def test_a_control_group_that_is_gone_has_no_figures(tmp_path: Path) -> None:
    assert read_usage({"": tmp_path / "gone"}) is None
    assert read_usage({"memory": tmp_path / "gone"}) is None
    assert not list(tmp_path.iterdir())
