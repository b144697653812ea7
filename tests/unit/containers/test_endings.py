from __future__ import annotations

import signal
import threading
import time

import pytest

from sandbox.containers.outcome import Cause, End, classify, watch
from sandbox.model import Ending


@pytest.mark.parametrize(
    ("cause", "status", "out_of_memory", "expected"),
    [
        (Cause.EXITED, 0, False, End(Ending.SUCCEEDED, 0, None)),
        (Cause.EXITED, 3, False, End(Ending.FAILED, 3, None)),
        (Cause.EXITED, 127, False, End(Ending.FAILED, 127, None)),
        (Cause.EXITED, 128, False, End(Ending.FAILED, 128, None)),
        (Cause.EXITED, 255, False, End(Ending.FAILED, 255, None)),
        (Cause.EXITED, 137, False, End(Ending.SIGNALLED, None, 9)),
        (Cause.EXITED, 139, False, End(Ending.SIGNALLED, None, 11)),
        (Cause.EXITED, 0, True, End(Ending.OUT_OF_MEMORY, 0, None)),
        (Cause.EXITED, 137, True, End(Ending.OUT_OF_MEMORY, None, 9)),
        (Cause.TIMED_OUT, 143, False, End(Ending.TIMED_OUT, None, 15)),
        (Cause.TIMED_OUT, 0, False, End(Ending.TIMED_OUT, 0, None)),
        (Cause.TIMED_OUT, 137, True, End(Ending.OUT_OF_MEMORY, None, 9)),
        (Cause.STOPPED, 0, False, End(Ending.SIGNALLED, None, 15)),
        (Cause.STOPPED, 137, False, End(Ending.SIGNALLED, None, 9)),
        (Cause.MEMORY, 137, False, End(Ending.OUT_OF_MEMORY, None, 9)),
        (Cause.PROCESSES, 137, False, End(Ending.SIGNALLED, None, 9)),
        (Cause.LOST, 0, False, End(Ending.LOST, None, None)),
        (Cause.LOST, 137, True, End(Ending.LOST, None, None)),
        (Cause.EXITED, None, False, End(Ending.SIGNALLED, None, 9)),
    ],
)
def test_the_ending_follows_from_cause_status_and_memory(
    cause: Cause, status: int | None, out_of_memory: bool, expected: End
) -> None:
    assert classify(cause, status, out_of_memory=out_of_memory) == expected


def test_only_status_zero_of_a_run_that_ended_by_itself_is_success() -> None:
    succeeded = [
        (cause, status, memory)
        for cause in Cause
        for status in (None, *range(256))
        for memory in (False, True)
        if classify(cause, status, out_of_memory=memory).ending is Ending.SUCCEEDED
    ]
    assert succeeded == [(Cause.EXITED, 0, False)]


def test_a_signal_and_a_status_are_never_told_together() -> None:
    for cause in Cause:
        for status in range(256):
            end = classify(cause, status)
            assert end.status is None or end.signal is None
            assert end.signal is None or end.signal in signal.valid_signals()


def test_watching_tells_the_end_at_once() -> None:
    ended = threading.Event()
    ended.set()
    assert watch(ended, deadline=time.monotonic() + 60, stop=None) is Cause.EXITED


def test_watching_tells_each_reason_to_end_a_run() -> None:
    later, never = time.monotonic() + 60, threading.Event()
    stop = threading.Event()
    stop.set()
    assert watch(never, deadline=time.monotonic(), stop=None) is Cause.TIMED_OUT
    assert watch(never, deadline=later, stop=stop) is Cause.STOPPED
    assert watch(never, deadline=later, stop=None, trouble=lambda: Cause.MEMORY) is Cause.MEMORY
