"""What the trial containers of `sandbox doctor` show: judged from how they ended and what they printed, without an engine."""

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
# Devices of tunnels, which the kernel puts into every network of its own, and which are down.
_TUNNEL_PREFIXES = ("tunl", "sit", "ip6", "gre", "erspan", "ip_vti")


def judge_ownership(outcome: JobResult, said: str, *, owner: int | None, caller: int) -> DoctorCheck:
    """Judge a run that made a file in a folder that it may write to.

    Args:
        outcome: How it ended.
        said: What it printed.
        owner: Whose the file is now; None where there is none.
        caller: Who asked for it.
    """
    if outcome.ending is not RunOutcome.SUCCEEDED or owner is None:
        reason = said.strip() or _describe_end(outcome)
        fix = "use a folder of a local disk: export SANDBOX_HOME=/path/on/a/local/disk"
        return fail_check(OWNERSHIP_CHECK, f"a run could not write to its folder: {reason}", fix)
    if owner != caller:
        fix = "use an engine without user remapping: take userns-remap out of /etc/docker/daemon.json"
        return fail_check(OWNERSHIP_CHECK, f"a file that a run made belongs to user {owner}, you are {caller}", fix)
    return pass_check(OWNERSHIP_CHECK, f"a file that a run made belongs to user {owner}")


def judge_memory(outcome: JobResult, said: str) -> DoctorCheck:
    """Judge a run that took more memory than it may have, and said so once it had it."""
    if outcome.ending is RunOutcome.OUT_OF_MEMORY:
        return pass_check(MEMORY_CHECK, "a run that took too much was ended")
    if outcome.ending is not RunOutcome.SUCCEEDED:
        return _fail_trial(MEMORY_CHECK, outcome, said)
    fix = "let the kernel limit memory: boot with cgroup_enable=memory swapaccount=1"
    return fail_check(MEMORY_CHECK, "a run that took twice its memory succeeded", fix)


def judge_processes(outcome: JobResult, said: str, *, most: int) -> DoctorCheck:
    """Judge a run that started many more processes than the ``most`` that it may have."""
    if "fork" in said.lower() or "resource" in said.lower():
        return pass_check(PROCESSES_CHECK, f"a run could not start more than {most}")
    if outcome.ending is not RunOutcome.SUCCEEDED:
        return _fail_trial(PROCESSES_CHECK, outcome, said)
    fix = "let the kernel limit processes: boot without cgroup_disable=pids"
    return fail_check(PROCESSES_CHECK, f"a run that may have {most} processes started 200", fix)


def judge_network(outcome: JobResult, said: str) -> DoctorCheck:
    """Judge a run that printed ``/proc/net/dev`` and then tried to connect to the world."""
    devices = re.findall(r"^\s*([^\s:|]+):\s+\d", said, flags=re.MULTILINE)
    if not devices:
        return _fail_trial(NETWORK_CHECK, outcome, said)
    wired = [one for one in devices if one != "lo" and not one.startswith(_TUNNEL_PREFIXES)]
    reached = outcome.ending is RunOutcome.SUCCEEDED
    if not wired and not reached:
        return pass_check(NETWORK_CHECK, "a run has only its own loopback, and reaches nothing")
    what = f"a run sees {', '.join(wired) or 'no device'}{' and reaches the network' if reached else ''}"
    return fail_check(NETWORK_CHECK, what, "see whether the engine has a plugin that adds networks: docker info")


def judge_clock(said: str, *, now: dt.datetime) -> DoctorCheck:
    """Judge what an engine says that the time is (RFC 3339) when it is ``now``."""
    try:
        # Nine digits of a second are more than Python reads.
        theirs = dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", said))
        drift = abs((now - theirs).total_seconds())
    except (ValueError, TypeError):  # no time, or one without its zone
        return fail_check(CLOCK_CHECK, f"the engine says that the time is {said!r}", LOG_HINT)
    if drift <= MAX_DRIFT_SECONDS:
        return pass_check(CLOCK_CHECK, "agrees with this machine's")
    fix = "set both clocks, then restart Docker: sudo timedatectl set-ntp true"
    return fail_check(CLOCK_CHECK, f"differs from this machine's by {drift:.0f} s", fix)


def _fail_trial(name: str, outcome: JobResult, said: str) -> DoctorCheck:
    last = (said.strip().splitlines() or ["nothing printed"])[-1]
    return fail_check(name, f"could not be tried: {_describe_end(outcome)}: {last}", LOG_HINT)


def _describe_end(outcome: JobResult) -> str:
    status = f" with status {outcome.status}" if outcome.status else ""
    return f"the trial ended {outcome.ending.value.replace('_', ' ')}{status}"
