"""Evaluation of trial containers by outcome and output."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from sandbox.model import RunOutcome
from sandbox.provisioner.doctor.check import DoctorCheck, fail_check, pass_check

if TYPE_CHECKING:
    from sandbox.model import JobResult

OWNERSHIP_CHECK = "files belong to you"
MEMORY_CHECK = "memory limit"
PROCESSES_CHECK = "process limit"
NETWORK_CHECK = "no network"
CLOCK_CHECK = "engine's clock"
MAX_DRIFT_SECONDS = 5.0
LOG_HINT = "read the engine's log, then try again: journalctl --unit docker"
# Tunnel devices: the kernel adds them, inactive, to every network namespace.
_TUNNEL_PREFIXES = ("tunl", "sit", "ip6", "gre", "erspan", "ip_vti")


def judge_ownership(outcome: JobResult, output: str, *, owner: int | None, caller: int) -> DoctorCheck:
    """Judge a run that created a file in a writable folder."""
    if outcome.ending is not RunOutcome.SUCCEEDED or owner is None:
        reason = output.strip() or _describe_end(outcome)
        fix = "use a folder of a local disk: export SANDBOX_HOME=/path/on/a/local/disk"
        return fail_check(OWNERSHIP_CHECK, f"a run could not write to its folder: {reason}", fix)
    if owner != caller:
        fix = "use an engine without user remapping: take userns-remap out of /etc/docker/daemon.json"
        return fail_check(OWNERSHIP_CHECK, f"a file that a run made belongs to user {owner}, you are {caller}", fix)
    return pass_check(OWNERSHIP_CHECK, f"a file that a run made belongs to user {owner}")


def judge_memory(outcome: JobResult, output: str) -> DoctorCheck:
    """Judge a run that allocated more than its memory limit and reported success."""
    if outcome.ending is RunOutcome.OUT_OF_MEMORY:
        return pass_check(MEMORY_CHECK, "a run that took too much was ended")
    if outcome.ending is not RunOutcome.SUCCEEDED:
        return _fail_trial(MEMORY_CHECK, outcome, output)
    fix = "let the kernel limit memory: boot with cgroup_enable=memory swapaccount=1"
    return fail_check(MEMORY_CHECK, "a run that took twice its memory succeeded", fix)


def judge_processes(outcome: JobResult, output: str, *, most: int) -> DoctorCheck:
    """Judge a run that started many more processes than its limit, ``most``."""
    if "fork" in output.lower() or "resource" in output.lower():
        return pass_check(PROCESSES_CHECK, f"a run could not start more than {most}")
    if outcome.ending is not RunOutcome.SUCCEEDED:
        return _fail_trial(PROCESSES_CHECK, outcome, output)
    fix = "let the kernel limit processes: boot without cgroup_disable=pids"
    return fail_check(PROCESSES_CHECK, f"a run that may have {most} processes started 200", fix)


def judge_network(outcome: JobResult, output: str) -> DoctorCheck:
    """Judge a run that printed ``/proc/net/dev`` and then tried to connect to the internet."""
    devices = re.findall(r"^\s*([^\s:|]+):\s+\d", output, flags=re.MULTILINE)
    if not devices:
        return _fail_trial(NETWORK_CHECK, outcome, output)
    wired = [device for device in devices if device != "lo" and not device.startswith(_TUNNEL_PREFIXES)]
    reached = outcome.ending is RunOutcome.SUCCEEDED
    if not wired and not reached:
        return pass_check(NETWORK_CHECK, "a run has only its own loopback, and reaches nothing")
    what = f"a run sees {', '.join(wired) or 'no device'}{' and reaches the network' if reached else ''}"
    return fail_check(NETWORK_CHECK, what, "see whether the engine has a plugin that adds networks: docker info")


def judge_clock(engine_time: str, *, now: dt.datetime) -> DoctorCheck:
    """Judge the container engine's time (RFC 3339) at the time ``now``."""
    try:
        # Python reads at most six digits of a second.
        theirs = dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", engine_time))
        drift = abs((now - theirs).total_seconds())
    except (ValueError, TypeError):  # not a time, or without a zone
        return fail_check(CLOCK_CHECK, f"the engine says that the time is {engine_time!r}", LOG_HINT)
    if drift <= MAX_DRIFT_SECONDS:
        return pass_check(CLOCK_CHECK, "agrees with this machine's")
    fix = "set both clocks, then restart Docker: sudo timedatectl set-ntp true"
    return fail_check(CLOCK_CHECK, f"differs from this machine's by {drift:.0f} s", fix)


def _fail_trial(name: str, outcome: JobResult, output: str) -> DoctorCheck:
    last = (output.strip().splitlines() or ["nothing printed"])[-1]
    return fail_check(name, f"could not be tried: {_describe_end(outcome)}: {last}", LOG_HINT)


def _describe_end(outcome: JobResult) -> str:
    status = f" with status {outcome.status}" if outcome.status else ""
    return f"the trial ended {outcome.ending.value.replace('_', ' ')}{status}"
