"""What the trial containers of `sandbox doctor` show: judged from how they ended and what they printed, without an engine."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from sandbox.model import Ending
from sandbox.provisioner.doctor.check import Check, bad, good

if TYPE_CHECKING:
    from sandbox.model import Outcome

OWNERSHIP = "files belong to you"
MEMORY = "memory limit"
PROCESSES = "process limit"
NETWORK = "no network"
CLOCK = "engine's clock"
DRIFT_SECONDS = 5.0
LOG = "read the engine's log, then try again: journalctl --unit docker"
# Devices of tunnels, which the kernel puts into every network of its own, and which are down.
_TUNNELS = ("tunl", "sit", "ip6", "gre", "erspan", "ip_vti")


def ownership(outcome: Outcome, said: str, *, owner: int | None, caller: int) -> Check:
    """Judge a run that made a file in a folder that it may write to.

    Args:
        outcome: How it ended.
        said: What it printed.
        owner: Whose the file is now; None where there is none.
        caller: Who asked for it.
    """
    if outcome.ending is not Ending.SUCCEEDED or owner is None:
        reason = said.strip() or _ended(outcome)
        fix = "use a folder of a local disk: export SANDBOX_HOME=/path/on/a/local/disk"
        return bad(OWNERSHIP, f"a run could not write to its folder: {reason}", fix)
    if owner != caller:
        fix = "use an engine without user remapping: take userns-remap out of /etc/docker/daemon.json"
        return bad(OWNERSHIP, f"a file that a run made belongs to user {owner}, you are {caller}", fix)
    return good(OWNERSHIP, f"a file that a run made belongs to user {owner}")


def memory(outcome: Outcome, said: str) -> Check:
    """Judge a run that took more memory than it may have, and said so once it had it."""
    if outcome.ending is Ending.OUT_OF_MEMORY:
        return good(MEMORY, "a run that took too much was ended")
    if outcome.ending is not Ending.SUCCEEDED:
        return _untried(MEMORY, outcome, said)
    fix = "let the kernel limit memory: boot with cgroup_enable=memory swapaccount=1"
    return bad(MEMORY, "a run that took twice its memory succeeded", fix)


def processes(outcome: Outcome, said: str, *, most: int) -> Check:
    """Judge a run that started many more processes than the ``most`` that it may have."""
    if "fork" in said.lower() or "resource" in said.lower():
        return good(PROCESSES, f"a run could not start more than {most}")
    if outcome.ending is not Ending.SUCCEEDED:
        return _untried(PROCESSES, outcome, said)
    fix = "let the kernel limit processes: boot without cgroup_disable=pids"
    return bad(PROCESSES, f"a run that may have {most} processes started 200", fix)


def network(outcome: Outcome, said: str) -> Check:
    """Judge a run that printed ``/proc/net/dev`` and then tried to connect to the world."""
    devices = re.findall(r"^\s*([^\s:|]+):\s+\d", said, flags=re.MULTILINE)
    if not devices:
        return _untried(NETWORK, outcome, said)
    wired = [one for one in devices if one != "lo" and not one.startswith(_TUNNELS)]
    reached = outcome.ending is Ending.SUCCEEDED
    if not wired and not reached:
        return good(NETWORK, "a run has only its own loopback, and reaches nothing")
    what = f"a run sees {', '.join(wired) or 'no device'}{' and reaches the network' if reached else ''}"
    return bad(NETWORK, what, "see whether the engine has a plugin that adds networks: docker info")


def clock(said: str, *, now: dt.datetime) -> Check:
    """Judge what an engine says that the time is (RFC 3339) when it is ``now``."""
    try:
        # Nine digits of a second are more than Python reads.
        theirs = dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", said))
        drift = abs((now - theirs).total_seconds())
    except (ValueError, TypeError):  # no time, or one without its zone
        return bad(CLOCK, f"the engine says that the time is {said!r}", LOG)
    if drift <= DRIFT_SECONDS:
        return good(CLOCK, "agrees with this machine's")
    fix = "set both clocks, then restart Docker: sudo timedatectl set-ntp true"
    return bad(CLOCK, f"differs from this machine's by {drift:.0f} s", fix)


def _untried(name: str, outcome: Outcome, said: str) -> Check:
    last = (said.strip().splitlines() or ["nothing printed"])[-1]
    return bad(name, f"could not be tried: {_ended(outcome)}: {last}", LOG)


def _ended(outcome: Outcome) -> str:
    status = f" with status {outcome.status}" if outcome.status else ""
    return f"the trial ended {outcome.ending.value.replace('_', ' ')}{status}"
