"""Write and read a run's log, bounded on disk, keeping its beginning and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sandbox.formatting import format_count
from sandbox.scratch import STAGED_PREFIX, is_locked

if TYPE_CHECKING:
    from pathlib import Path

MAX_LOG_BYTES = 10 * 10**6
LAST_LINES_LABEL = "; its last lines"


class BoundedLog:
    """A log file of at most about ``cap`` bytes, whatever the size of the output; use it as a context manager.

    The first half is written at once, so that it can be watched. The last half is kept in memory and written at the
    end, after a line with the amount omitted. A full disk ends the log but not the run, and sets ``is_truncated``.
    """

    def __init__(self, path: Path, *, cap: int = MAX_LOG_BYTES) -> None:
        self._half = cap // 2
        self._file = path.open("wb", buffering=0)
        self._written = 0
        self._tail = bytearray()
        self._dropped_bytes = 0
        self._disk_full = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._dropped_bytes:
            self._write(f"\n... {format_count(self._dropped_bytes, 'byte')} left out ...\n".encode())
        self._write(bytes(self._tail))
        self._file.close()

    @property
    def is_truncated(self) -> bool:
        """Whether output was omitted."""
        return self._disk_full or self._dropped_bytes > 0

    def __call__(self, chunk: bytes) -> None:
        """Write a chunk of output."""
        room = max(0, self._half - self._written)
        self._write(chunk[:room])
        self._written += len(chunk[:room])
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._half:  # truncate rarely: each truncation copies the remaining bytes
            self._drop_excess()

    def _drop_excess(self) -> None:
        excess = len(self._tail) - self._half
        self._dropped_bytes += excess
        del self._tail[:excess]

    def _write(self, chunk: bytes) -> None:
        try:
            while chunk and not self._disk_full:
                chunk = chunk[self._file.write(chunk) :]
        except OSError:
            self._disk_full = True


def find_active_runs(runs: Path) -> dict[str, Path]:
    """Return the active runs by name, with the paths of their growing logs."""
    active = {}
    for path in runs.glob(f"{STAGED_PREFIX}[0-9]*"):
        name = path.name.removeprefix(STAGED_PREFIX).rpartition("-")[0]
        if (path / "stderr.log").is_file() and is_locked(path):
            active[name] = path
    return active


def read_last_lines(path: Path, *, count: int = 20, size: int = 16_384) -> list[str]:
    """Return the last lines of a log, without control characters; empty if there are none.

    >>> from pathlib import Path
    >>> read_last_lines(Path("/nowhere"))
    []
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.rpartition("\r")[2] for line in text.split("\n")]
    return ["".join(c for c in line if c.isprintable() or c == "\t") for line in lines if line.strip()][-count:]


def append_log_lines(message: str, folder: Path) -> str:
    """Append the last printed lines of a run to a message, if any."""
    lines = read_last_lines(folder / "stderr.log") or read_last_lines(folder / "stdout.log")
    return "\n".join([f"{message}{LAST_LINES_LABEL}:", *(f"  | {line}" for line in lines)]) if lines else message
