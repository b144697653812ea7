"""Relay of the caller's terminal: raw bytes both ways, and its size."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import tty
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """A terminal: descriptors for reading and writing, and one that becomes readable when the size changes."""

    source: int
    sink: int
    resize_pipe: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(self.source, termios.TIOCGWINSZ, b"\0" * 8))
        return rows, columns


@contextlib.contextmanager
def open_terminal() -> Iterator[Terminal]:
    """Yield the caller's terminal.

    Raises:
        ContainerEngineError: Standard input or output is not a terminal.
    """
    if not (os.isatty(0) and os.isatty(1)):
        raise ContainerEngineError(
            "a shell needs a terminal, and standard input and output are none",
            hint="start it from a terminal; for a single run: sandbox run",
        )
    sys.stdout.flush()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def record_resize(_signal: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(writing, b".")

    before = signal.signal(signal.SIGWINCH, record_resize)
    try:
        yield Terminal(source=0, sink=1, resize_pipe=reading)
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(reading)
        os.close(writing)


def relay_terminal(terminal: Terminal, peer: int, *, resize: Callable[[int, int], object]) -> None:
    """Relay bytes in both directions until the peer closes; the terminal is in raw mode meanwhile.

    Args:
        terminal: The caller's terminal.
        peer: A descriptor to read from and write to.
        resize: Called with rows and columns, initially and after every change.
    """
    modes = termios.tcgetattr(terminal.source)
    sources = [terminal.source, terminal.resize_pipe, peer]
    try:
        tty.setraw(terminal.source, termios.TCSADRAIN)  # keeps typed-ahead input
        resize(*terminal.size)
        while True:
            readable, _, _ = select.select(sources, [], [])
            if terminal.resize_pipe in readable:
                os.read(terminal.resize_pipe, CHUNK_BYTES)
                resize(*terminal.size)
            if terminal.source in readable and not _copy_chunk(terminal.source, peer):
                sources.remove(terminal.source)  # the terminal was hung up
            if peer in readable and not _copy_chunk(peer, terminal.sink):
                return
    finally:
        termios.tcsetattr(terminal.source, termios.TCSADRAIN, modes)


def _copy_chunk(source: int, sink: int) -> bool:
    """Copy available bytes; return False at the end of either side."""
    try:
        chunk = os.read(source, CHUNK_BYTES)
        left = memoryview(chunk)
        while left:
            left = left[os.write(sink, left) :]
    except OSError:  # the other end of a pseudo-terminal is closed
        return False
    return bool(chunk)


def set_size(descriptor: int, rows: int, columns: int) -> None:
    """Set the size of a pseudo-terminal; the kernel notifies its processes."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
