"""A contender in a process of its own: how long its work takes, and how much memory its process tree has at the most."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psutil

EVERY = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One contender: median seconds and mean processor seconds of its work, most resident bytes, rows that it gave."""

    seconds: float
    spread: float
    cpu: float
    peak: int
    rows: int
    steps: dict[str, float] = field(default_factory=dict)


def measured(contender: str, source: Path, scratch: Path, *, runs: int) -> Measured:
    """Let a contender do its work once to warm up and ``runs`` times for the clock.

    The seconds are those of the work: starting Python, importing and starting Spark's JVM are not counted. The memory is the
    resident set of all processes together, pages of mapped files included, over the whole time.
    """
    script = Path(__file__).with_name("contenders.py")
    command = [sys.executable, str(script), contender, str(source), str(scratch), str(runs)]
    log = scratch / f"{contender}.log"
    scratch.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        peak = _Peak(process.pid)
        assert process.stdout is not None
        text = process.stdout.read()
        process.wait()
        peak.end()
    if process.returncode:
        sys.exit(f"{contender} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    found = json.loads(text.splitlines()[-1])
    seconds = found["seconds"]
    return Measured(
        seconds=statistics.median(seconds),
        spread=max(seconds) - min(seconds),
        cpu=found["cpu"],
        peak=peak.bytes,
        rows=found["rows"],
        steps=found["steps"],
    )


class _Peak:
    """Watches the resident memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._ended = threading.Event()
        self._process = psutil.Process(pid)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            total = 0
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in (self._process, *self._process.children(recursive=True)):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        total += process.memory_info().rss
            self.bytes = max(self.bytes, total)


def cores() -> int:
    """Give the processors that this process may use."""
    return len(os.sched_getaffinity(0))
