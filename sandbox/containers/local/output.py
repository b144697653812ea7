"""Output of local processes, forwarded as it is written."""

from __future__ import annotations

import os
import selectors
import threading
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 1 << 18
POLL_SECONDS = 0.1


class PipeReader:
    """Forward two pipes in a separate thread."""

    def __init__(
        self,
        stdout: tuple[IO[bytes], Callable[[bytes], object]],
        stderr: tuple[IO[bytes], Callable[[bytes], object]],
    ) -> None:
        self._pipes = (stdout, stderr)
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._read_pipes, name="output", daemon=True)
        self.error: BaseException | None = None
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Wait until both pipes end, up to a timeout."""
        self._deadline = time.monotonic() + seconds
        self._thread.join()

    def _read_pipes(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                for pipe, take in self._pipes:
                    selector.register(pipe, selectors.EVENT_READ, take)
                while selector.get_map() and time.monotonic() < self._deadline:
                    for key, _ in selector.select(POLL_SECONDS):
                        chunk = os.read(key.fd, CHUNK_BYTES)
                        if chunk:
                            key.data(chunk)
                        else:
                            selector.unregister(key.fileobj)
        except BaseException as error:  # noqa: BLE001 - raised again by `run` in the caller's thread
            self.error = error
        finally:
            for pipe, _ in self._pipes:
                pipe.close()
