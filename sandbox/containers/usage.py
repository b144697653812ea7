"""What a job uses: sampled while it lives, because nothing tells once it is gone."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was used up to a moment; None is what cannot be known.

    Attributes:
        cpu_seconds: Of all processors together.
        memory_bytes: What cannot be given back: anonymous memory and tmpfs, without the cache of files.
        bytes_read, bytes_written: From and to devices.
        kills: Processes killed for memory.
    """

    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None
    kills: int = 0

    def together(self, later: Figures) -> Figures:
        """Give the highest of each."""
        return Figures(
            cpu_seconds=_higher(self.cpu_seconds, later.cpu_seconds),
            memory_bytes=_higher(self.memory_bytes, later.memory_bytes),
            bytes_read=_higher(self.bytes_read, later.bytes_read),
            bytes_written=_higher(self.bytes_written, later.bytes_written),
            kills=max(self.kills, later.kills),
        )


class Meter:
    """Samples a container in a thread of its own until it is told to stop or the container is gone."""

    def __init__(self, read: Callable[[], Figures | None], *, soonest: float, latest: float) -> None:
        self._read = read
        self._soonest = soonest
        self._latest = latest
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="figures", daemon=True)
        self._figures = Figures()
        self._thread.start()

    def finish(self) -> Figures:
        """Stop, and give the highest figures seen."""
        self._stop.set()
        self._thread.join(self._latest * 4)
        return self._figures

    def _work(self) -> None:
        started = time.monotonic()
        while (figures := self._read()) is not None:
            self._figures = self._figures.together(figures)
            pause = (
                time.monotonic() - started
            ) / 10  # often at first: a container may live for a moment only
            if self._stop.wait(min(max(pause, self._soonest), self._latest)):
                return


def _higher(first: Number | None, second: Number | None) -> Number | None:
    if first is None or second is None:
        return second if first is None else first
    return max(first, second)
