"""How a run's end is told: what ended it, and what its process said."""

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
    """Why a run is over, or is to be over."""

    EXITED = "its process ended by itself"
    TIMED_OUT = "its time was up"
    STOPPED = "the caller wanted it to end"
    MEMORY = "it took more memory than allowed"
    PROCESSES = "it had more processes than allowed"
    LOST = "whatever carried it out went away"


class EndStatus(NamedTuple):
    """The three parts of an outcome that depend on each other."""

    ending: RunOutcome
    status: int | None
    signal: int | None


def classify_end(cause: EndCause, status: int | None, *, out_of_memory: bool = False) -> EndStatus:
    """Tell the ending.

    Memory comes before everything but loss: a pipeline whose worker was killed for memory may exit 0, exit 1 or wait
    for the worker until its time is up, and each time memory is what went wrong.

    Args:
        cause: Why the run is over.
        status: The exit status as a shell gives it, 128 + n for signal n; None where it is not known.
        out_of_memory: Some process of the run was killed for memory.
    """
    if cause is EndCause.LOST:
        return EndStatus(RunOutcome.LOST, None, None)
    number = _parse_signal(status)
    plain = status if number is None else None
    if out_of_memory or cause is EndCause.MEMORY:
        return EndStatus(RunOutcome.OUT_OF_MEMORY, plain, number)
    if cause is EndCause.TIMED_OUT:
        return EndStatus(RunOutcome.TIMED_OUT, plain, number)
    if cause is EndCause.STOPPED:  # whatever status it gave when it was told to end: it did not do its work
        return EndStatus(RunOutcome.SIGNALLED, None, number or int(signal.SIGTERM))
    if number is not None or status is None or cause is EndCause.PROCESSES:
        return EndStatus(RunOutcome.SIGNALLED, None, number or int(signal.SIGKILL))
    return EndStatus(RunOutcome.SUCCEEDED if status == 0 else RunOutcome.FAILED, status, None)


def wait_for_end(
    ended: threading.Event,
    *,
    deadline: float,
    stop: threading.Event | None,
    trouble: Callable[[], EndCause | None] = lambda: None,
) -> EndCause:
    """Wait until a run has ended or is to be ended, and say why.

    Args:
        ended: Set when the run's process has ended.
        deadline: By the monotonic clock.
        stop: Set when the caller wants it to end.
        trouble: Asked several times a second whether there is another reason to end it.
    """
    while True:
        if ended.wait(max(0.0, min(POLL_SECONDS, deadline - time.monotonic()))):
            return EndCause.EXITED
        if (found := trouble()) is not None:
            return found
        if stop is not None and stop.is_set():
            return EndCause.STOPPED
        if time.monotonic() >= deadline:
            return EndCause.TIMED_OUT


def _parse_signal(status: int | None) -> int | None:
    if status is None:
        return None
    number = status - 128
    return number if number in set(signal.Signals) or signal.SIGRTMIN <= number <= signal.SIGRTMAX else None
