"""The size of what a job writes, measured while it runs and once afterwards."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.containers.protocol import Job

WATCH_SECONDS = 0.5


class OutputWatch:
    """Measures the writable folders of a job, and notes when they exceed its limit."""

    def __init__(self, job: Job) -> None:
        """Choose the folders; ``is_full`` stays False for a job without a limit."""
        self._limit = job.limits.output_bytes
        self._folders = [mount.source for mount in job.mounts if mount.writable]
        self._stop_event = threading.Event()
        self._thread: threading.Thread | None = None
        self.output_bytes: int | None = None

    @property
    def is_full(self) -> bool:
        """True where more was found than is allowed."""
        return self._limit is not None and (self.output_bytes or 0) > self._limit

    def start(self) -> None:
        """Start to measure in a thread, at least once a second while a measurement takes less than half of that."""
        if self._limit is not None:
            self._thread = threading.Thread(target=self._watch, name="size of the output", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Stop, and measure a last time: what was written at the very end counts as well."""
        self._stop_event.set()
        if self._thread is not None:
            self._thread.join()
        if self._limit is not None:
            self.output_bytes = measure_folders(self._folders)

    def _watch(self) -> None:
        while not self._stop_event.wait(WATCH_SECONDS) and not self.is_full:
            self.output_bytes = measure_folders(self._folders)


def measure_folders(folders: Sequence[Path]) -> int:
    """Return the bytes of all files in folders, each once: its length or the space that it takes, whichever is more."""
    total = 0
    seen: set[tuple[int, int]] = set()
    open_folders = [str(folder) for folder in folders]
    while open_folders:
        try:
            with os.scandir(open_folders.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        open_folders.append(entry.path)
                        continue
                    identity = (found.st_dev, found.st_ino)
                    if found.st_nlink == 1 or identity not in seen:
                        seen.add(identity)
                        total += max(found.st_size, found.st_blocks * 512)
        except OSError:  # removed meanwhile, or closed by the job
            continue
    return total
