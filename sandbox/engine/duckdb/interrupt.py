"""Ctrl-C during a DuckDB statement: interrupt the statement, then raise KeyboardInterrupt in the caller."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

INTERRUPT_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptHandler:
    """Intercept SIGINT and SIGTERM within a block, if the process has a handler for them.

    Such a handler raises KeyboardInterrupt anywhere, even in a destructor or a DuckDB callback, where it would be
    swallowed. This class records the signal, and `check` raises it again.

    Args:
        stop: Interrupts the running statement; may be called at any time.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._is_interrupted = False
        self._previous_handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in INTERRUPT_SIGNALS:
                before = signal.getsignal(number)
                if callable(before):
                    self._previous_handlers[number] = before
                    signal.signal(number, self._handle_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._previous_handlers.items():
            if signal.getsignal(number) == self._handle_signal:
                signal.signal(number, before)
        self._previous_handlers.clear()

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal arrived since the block began."""
        if self._is_interrupted:
            raise KeyboardInterrupt

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        self._is_interrupted = True
        self._stop()
        self._previous_handlers[number](number, frame)
