"""What doctor makes of engines that keep their promises, and of those that do not."""

from __future__ import annotations

import datetime as dt

import pytest

from sandbox.model import Isolation, JobResult, RunOutcome
from sandbox.provisioner.doctor import trial_results

NOW = dt.datetime(2026, 11, 27, 2, 0, tzinfo=dt.UTC)
TITLES = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
"""
LOOPBACK = "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n"
TUNNEL = LOOPBACK.replace("    lo:", " tunl0:")
WIRE = LOOPBACK.replace("    lo:", "enp0s3:")
VLAN = LOOPBACK.replace("    lo:", "eth0.5:")
UNREACHABLE = "Traceback (most recent call last):\nOSError: [Errno 101] Network is unreachable\n"
ISOLATION = Isolation(
    network="none",
    root_filesystem="read-only",
    sample="read-only",
    user="1000:1000",
    capabilities="none",
    no_new_privileges=True,
    seccomp="default",
    memory_bytes=1,
    cpus=1,
    pids=1,
)


def outcome(ending: RunOutcome, status: int | None = None) -> JobResult:
    return JobResult(
        ending=ending,
        status=status,
        signal=None,
        started=0.0,
        wall_seconds=1.0,
        cpu_seconds=None,
        peak_memory_bytes=None,
        bytes_read=None,
        bytes_written=None,
        isolation=ISOLATION,
    )


WELL, FAILED = outcome(RunOutcome.SUCCEEDED, 0), outcome(RunOutcome.FAILED, 1)


def test_a_file_of_the_callers_is_well() -> None:
    found = trial_results.judge_ownership(WELL, "", owner=1000, caller=1000)
    assert (found.ok, found.fix) == (True, "")


def test_a_file_of_somebody_elses_names_both_users_and_the_remapping() -> None:
    found = trial_results.judge_ownership(WELL, "", owner=100_999, caller=1000)
    assert found.ok is False
    assert "belongs to user 100999, you are 1000" in found.detail
    assert "userns-remap" in found.fix


@pytest.mark.parametrize(
    ("ended", "said", "reason"),
    [
        (FAILED, "sh: 1: cannot create file: Permission denied\n", "Permission denied"),
        (FAILED, "", "the trial ended failed with status 1"),
        (
            WELL,
            "",
            "the trial ended succeeded",
        ),  # and the file is nowhere: another machine's folder was mounted
    ],
)
def test_a_folder_that_cannot_be_written_says_what_the_run_said(ended: JobResult, said: str, reason: str) -> None:
    found = trial_results.judge_ownership(ended, said, owner=None, caller=1000)
    assert found.ok is False
    assert reason in found.detail
    assert "SANDBOX_HOME" in found.fix


def test_memory_is_limited_only_where_the_run_was_ended_for_it() -> None:
    assert trial_results.judge_memory(outcome(RunOutcome.OUT_OF_MEMORY, 0), "").ok
    kept = trial_results.judge_memory(WELL, "201326592\n")
    assert kept.ok is False
    assert "succeeded" in kept.detail
    assert "cgroup_enable=memory" in kept.fix
    broken = trial_results.judge_memory(outcome(RunOutcome.FAILED, 127), "sh: 1: exec: python3: not found\n")
    assert broken.ok is False
    assert "could not be tried" in broken.detail
    assert "status 127" in broken.detail
    assert "python3: not found" in broken.detail
    assert broken.fix == trial_results.LOG_HINT


def test_processes_are_limited_only_where_a_fork_was_refused() -> None:
    assert trial_results.judge_processes(FAILED, "sh: 1: Cannot fork\n", most=32).ok
    assert trial_results.judge_processes(FAILED, "sh: fork: Resource temporarily unavailable\n", most=32).ok
    kept = trial_results.judge_processes(WELL, "", most=32)
    assert kept.ok is False
    assert "may have 32 processes started 200" in kept.detail
    assert "pids" in kept.fix
    broken = trial_results.judge_processes(outcome(RunOutcome.LOST), "", most=32)
    assert broken.ok is False
    assert "ended lost: nothing printed" in broken.detail


@pytest.mark.parametrize("devices", [LOOPBACK, LOOPBACK + TUNNEL])
def test_a_loopback_that_reaches_nothing_is_no_network(devices: str) -> None:
    assert trial_results.judge_network(FAILED, TITLES + devices + UNREACHABLE).ok


@pytest.mark.parametrize(
    ("ended", "devices", "seen"),
    [
        (WELL, LOOPBACK + WIRE, "sees enp0s3 and reaches the network"),
        (FAILED, LOOPBACK + WIRE, "sees enp0s3"),  # an internal network, or a firewall
        (FAILED, LOOPBACK + VLAN, "sees eth0.5"),
        (WELL, LOOPBACK, "sees no device and reaches the network"),
    ],
)
def test_a_device_or_a_connection_is_a_network(ended: JobResult, devices: str, seen: str) -> None:
    found = trial_results.judge_network(ended, TITLES + devices + UNREACHABLE)
    assert found.ok is False
    assert found.detail == f"a run {seen}"
    assert found.fix


def test_a_run_that_printed_no_devices_has_shown_nothing() -> None:
    found = trial_results.judge_network(FAILED, "cat: /proc/net/dev: Permission denied\n")
    assert found.ok is False
    assert "could not be tried" in found.detail


@pytest.mark.parametrize(
    ("said", "drift"),
    [
        ("2026-11-27T02:00:00.123456789Z", None),
        ("2026-11-27T03:00:04+01:00", None),
        ("2026-11-27T02:00:06Z", 6),
        ("2026-11-27T01:59:00.999999999Z", 59),
    ],
)
def test_clocks_may_differ_by_five_seconds(said: str, drift: int | None) -> None:
    found = trial_results.judge_clock(said, now=NOW)
    assert found.ok is (drift is None)
    assert drift is None or f"by {drift} s" in found.detail
    assert bool(found.fix) is (drift is not None)


@pytest.mark.parametrize("said", ["", "soon", "2026-11-27T02:00:00"])
def test_an_engine_that_does_not_say_the_time_is_not_well(said: str) -> None:
    found = trial_results.judge_clock(said, now=NOW)
    assert found.ok is False
    assert repr(said) in found.detail
    assert found.fix
