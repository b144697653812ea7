"""Outcomes of runs, from the cause of their end and their exit status."""

from __future__ import annotations

import enum
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from sandbox.model import RunOutcome

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

POLL_SECONDS = 0.1


class EndCause(enum.Enum):
    EXITED = "its process ended by itself"
    TIMED_OUT = "its time was up"
    STOPPED = "the caller wanted it to end"
    MEMORY = "it took more memory than allowed"
    PROCESSES = "it had more processes than allowed"
    OUTPUT = "it wrote more than allowed"
    LOST = "whatever carried it out went away"


class EndStatus(NamedTuple):
    """The interdependent parts of a result."""

    ending: RunOutcome
    status: int | None
    signal: int | None


def classify_end(cause: EndCause, status: int | None, *, out_of_memory: bool = False) -> EndStatus:
    """Return a run's outcome.

    Out-of-memory takes precedence over everything except loss: a pipeline with a worker killed for memory may exit 0,
    exit 1 or wait until the timeout.

    Args:
        cause: The cause of the end.
        status: The exit status as a shell returns it, 128 + n for signal n; None if unknown.
        out_of_memory: Whether a process of the run was killed for memory.
    """
    if cause is EndCause.LOST:
        return EndStatus(RunOutcome.LOST, None, None)
    number = _parse_signal(status)
    plain = status if number is None else None
    if out_of_memory or cause is EndCause.MEMORY:
        return EndStatus(RunOutcome.OUT_OF_MEMORY, plain, number)
    if cause in {EndCause.OUTPUT, EndCause.TIMED_OUT}:
        return EndStatus(RunOutcome.OUTPUT_FULL if cause is EndCause.OUTPUT else RunOutcome.TIMED_OUT, plain, number)
    if cause is EndCause.STOPPED:  # it did not finish, regardless of its status
        return EndStatus(RunOutcome.SIGNALLED, None, number or int(signal.SIGTERM))
    if number is not None or status is None or cause is EndCause.PROCESSES:
        return EndStatus(RunOutcome.SIGNALLED, None, number or int(signal.SIGKILL))
    return EndStatus(RunOutcome.SUCCEEDED if status == 0 else RunOutcome.FAILED, status, None)


def wait_for_end(
    exit_event: threading.Event,
    *,
    deadline: float,
    stop: threading.Event | None,
    find_cause: Callable[[], EndCause | None] = lambda: None,
) -> EndCause:
    """Wait until a run has ended or must be ended, and return the cause.

    Args:
        exit_event: Set when the run's process has exited.
        deadline: By the monotonic clock.
        stop: Set when the caller wants it to end.
        find_cause: Polled several times a second for another cause to end it.
    """
    while True:
        if exit_event.wait(max(0.0, min(POLL_SECONDS, deadline - time.monotonic()))):
            return EndCause.EXITED
        if (cause := find_cause()) is not None:
            return cause
        if stop is not None and stop.is_set():
            return EndCause.STOPPED
        if time.monotonic() >= deadline:
            return EndCause.TIMED_OUT


def _parse_signal(status: int | None) -> int | None:
    if status is None:
        return None
    number = status - 128
    return number if number in set(signal.Signals) or signal.SIGRTMIN <= number <= signal.SIGRTMAX else None
