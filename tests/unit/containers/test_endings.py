from __future__ import annotations

import signal
import threading
import time

import pytest

from sandbox.containers.outcome import EndCause, EndStatus, classify_end, wait_for_end
from sandbox.model import RunOutcome


@pytest.mark.parametrize(
    ("cause", "status", "out_of_memory", "expected"),
    [
        (EndCause.EXITED, 0, False, EndStatus(RunOutcome.SUCCEEDED, 0, None)),
        (EndCause.EXITED, 3, False, EndStatus(RunOutcome.FAILED, 3, None)),
        (EndCause.EXITED, 127, False, EndStatus(RunOutcome.FAILED, 127, None)),
        (EndCause.EXITED, 128, False, EndStatus(RunOutcome.FAILED, 128, None)),
        (EndCause.EXITED, 255, False, EndStatus(RunOutcome.FAILED, 255, None)),
        (EndCause.EXITED, 137, False, EndStatus(RunOutcome.SIGNALLED, None, 9)),
        (EndCause.EXITED, 139, False, EndStatus(RunOutcome.SIGNALLED, None, 11)),
        (EndCause.EXITED, 0, True, EndStatus(RunOutcome.OUT_OF_MEMORY, 0, None)),
        (EndCause.EXITED, 137, True, EndStatus(RunOutcome.OUT_OF_MEMORY, None, 9)),
        (EndCause.TIMED_OUT, 143, False, EndStatus(RunOutcome.TIMED_OUT, None, 15)),
        (EndCause.TIMED_OUT, 0, False, EndStatus(RunOutcome.TIMED_OUT, 0, None)),
        (EndCause.TIMED_OUT, 137, True, EndStatus(RunOutcome.OUT_OF_MEMORY, None, 9)),
        (EndCause.STOPPED, 0, False, EndStatus(RunOutcome.SIGNALLED, None, 15)),
        (EndCause.STOPPED, 137, False, EndStatus(RunOutcome.SIGNALLED, None, 9)),
        (EndCause.MEMORY, 137, False, EndStatus(RunOutcome.OUT_OF_MEMORY, None, 9)),
        (EndCause.PROCESSES, 137, False, EndStatus(RunOutcome.SIGNALLED, None, 9)),
        (EndCause.LOST, 0, False, EndStatus(RunOutcome.LOST, None, None)),
        (EndCause.LOST, 137, True, EndStatus(RunOutcome.LOST, None, None)),
        (EndCause.EXITED, None, False, EndStatus(RunOutcome.SIGNALLED, None, 9)),
    ],
)
def test_the_ending_follows_from_cause_status_and_memory(
    cause: EndCause, status: int | None, out_of_memory: bool, expected: EndStatus
) -> None:
    assert classify_end(cause, status, out_of_memory=out_of_memory) == expected


def test_only_status_zero_of_a_run_that_ended_by_itself_is_success() -> None:
    succeeded = [
        (cause, status, memory)
        for cause in EndCause
        for status in (None, *range(256))
        for memory in (False, True)
        if classify_end(cause, status, out_of_memory=memory).ending is RunOutcome.SUCCEEDED
    ]
    assert succeeded == [(EndCause.EXITED, 0, False)]


def test_a_signal_and_a_status_are_never_told_together() -> None:
    for cause in EndCause:
        for status in range(256):
            end = classify_end(cause, status)
            assert end.status is None or end.signal is None
            assert end.signal is None or end.signal in signal.valid_signals()


def test_watching_tells_the_end_at_once() -> None:
    ended = threading.Event()
    ended.set()
    assert wait_for_end(ended, deadline=time.monotonic() + 3600, stop=None) is EndCause.EXITED


def test_watching_tells_each_reason_to_end_a_run() -> None:
    later, never = time.monotonic() + 3600, threading.Event()
    stop = threading.Event()
    stop.set()
    assert wait_for_end(never, deadline=time.monotonic(), stop=None) is EndCause.TIMED_OUT
    assert wait_for_end(never, deadline=later, stop=stop) is EndCause.STOPPED
    assert wait_for_end(never, deadline=later, stop=None, find_cause=lambda: EndCause.MEMORY) is EndCause.MEMORY
