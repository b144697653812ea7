"""Resource usage of jobs, sampled while they run, because it is unavailable afterwards."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, kw_only=True)
class ResourceUsage:
    """Cumulative and peak usage; None is unknown.

    Attributes:
        cpu_seconds: Of all processors together.
        memory_bytes: Non-reclaimable memory: anonymous memory and tmpfs, without the file cache.
        bytes_read, bytes_written: From and to devices.
        kills: Processes killed for memory.
    """

    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None
    kills: int = 0

    def merge_peaks(self, later: ResourceUsage) -> ResourceUsage:
        """Return the maximum of each figure."""
        return ResourceUsage(
            cpu_seconds=_choose_higher(self.cpu_seconds, later.cpu_seconds),
            memory_bytes=_choose_higher(self.memory_bytes, later.memory_bytes),
            bytes_read=_choose_higher(self.bytes_read, later.bytes_read),
            bytes_written=_choose_higher(self.bytes_written, later.bytes_written),
            kills=max(self.kills, later.kills),
        )


class UsageMeter:
    """A thread that samples usage until it is stopped or the container is gone."""

    def __init__(self, read: Callable[[], ResourceUsage | None], *, soonest: float, latest: float) -> None:
        self._read = read
        self._min_interval = soonest
        self._max_interval = latest
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._collect_samples, name="figures", daemon=True)
        self._peak_usage = ResourceUsage()
        self._thread.start()

    def stop(self) -> ResourceUsage:
        """Stop, and return the peak usage."""
        self._stop_event.set()
        self._thread.join(self._max_interval * 4)
        return self._peak_usage

    def _collect_samples(self) -> None:
        started = time.monotonic()
        while (figures := self._read()) is not None:
            self._peak_usage = self._peak_usage.merge_peaks(figures)
            pause = (time.monotonic() - started) / 10  # frequent at first, for short-lived containers
            if self._stop_event.wait(min(max(pause, self._min_interval), self._max_interval)):
                return


def _choose_higher(first: Number | None, second: Number | None) -> Number | None:
    if first is None or second is None:
        return second if first is None else first
    return max(first, second)
