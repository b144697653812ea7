"""A proxy in front of the engine's socket, for what a real engine cannot be brought to do."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENGINE = "/var/run/docker.sock"


class Proxy:
    """A socket before the engine's: every answer passes `answer`, which may change, delay or (None) cut it off.

    Every request passes `question`, which may change it, but not its length: headers tell that.
    """

    def __init__(self, path: Path) -> None:
        self.question: Callable[[bytes], bytes] = lambda chunk: chunk
        self.answer: Callable[[bytes], bytes | None] = lambda chunk: chunk
        self.cut_at: bytes | None = None
        self._open: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections there are; new ones may be made."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def close(self) -> None:
        """Break all connections, for good."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(ENGINE)
                self._open += [client, engine]
                for source, sink, asking in ((client, engine, True), (engine, client, False)):
                    threading.Thread(target=self._pass, args=(source, sink, asking), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, asking: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                changed = self.question(chunk) if asking else self.answer(chunk)
                if changed is None:
                    break
                sink.sendall(changed)
                if asking and self.cut_at and self.cut_at in chunk:
                    break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
