"""What a container writes, as it writes it: the engine's stream, taken apart."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers.docker.client import CONNECTION_ERRORS, translated
from sandbox.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADER = struct.Struct(">BxxxL")  # the stream, then the length of what follows
STDERR = 2
BUFFER_BYTES = 1 << 18


class Output:
    """Hands a container's output on, in a thread of its own, from before its start to its end.

    The engine keeps no copy: a container that writes more than is taken waits, and nothing is lost.
    """

    def __init__(
        self,
        client: docker.DockerClient,
        container: str,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
    ) -> None:
        self._client = client
        self._container = container
        self._stdout = stdout
        self._stderr = stderr
        self._attached = threading.Event()
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._work, name=f"output of {container[:12]}", daemon=True)
        self.refused: BaseException | None = None
        self.broken = False

    @property
    def ended(self) -> bool:
        """True when the stream has come to its end."""
        return self._attached.is_set() and not self._thread.is_alive()

    def attach(self) -> None:
        """Start to listen.

        Raises:
            EngineError: The engine does not let us.
        """
        self._thread.start()
        with translated("listen to the container"):
            if not self._attached.wait(self._client.api.timeout):
                raise TimeoutError
            if self._connection is None:
                raise self.refused or EngineError("cannot listen to the container")

    def finish(self, seconds: float) -> None:
        """Wait for the end of the stream, and cut it off if it does not come in time."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.broken = True
            self.cut()
            self._thread.join(seconds)

    def cut(self) -> None:
        """Take nothing more."""
        if self._connection is not None:
            with contextlib.suppress(OSError):  # it is closed already
                self._connection.shutdown(socket.SHUT_RDWR)

    def _work(self) -> None:
        try:
            stream = self._client.api.attach_socket(self._container)
            self._connection = connection(stream)
            self._connection.settimeout(None)  # it may be silent for hours
        except (docker.errors.DockerException, *CONNECTION_ERRORS) as error:
            self.refused = error
            return
        finally:
            self._attached.set()
        try:
            self._hand_on(self._connection)
        except BaseException as error:  # noqa: BLE001 - the caller's own; `run` raises it in the caller's thread
            self.refused = error
        finally:
            close(stream)

    def _hand_on(self, source: socket.socket) -> None:
        with source.makefile("rb", buffering=BUFFER_BYTES) as reader:
            assert isinstance(reader, io.BufferedReader)
            chunks = frames(reader)
            while True:
                try:
                    kind, chunk = next(chunks)
                except StopIteration:
                    return
                except (OSError, EOFError, struct.error):
                    self.broken = True
                    return
                (self._stderr if kind == STDERR else self._stdout)(chunk)


def frames(reader: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Take the engine's stream apart: what each chunk belongs to, and the chunk.

    Raises:
        EOFError: It ends in the middle of a frame.
    """
    while header := reader.read(HEADER.size):
        kind, left = HEADER.unpack(header)
        while left:
            chunk = reader.read1(min(left, BUFFER_BYTES))
            if not chunk:
                raise EOFError
            left -= len(chunk)
            yield kind, chunk


def connection(stream: Any) -> socket.socket:
    """Give the socket within what the SDK gives for one, which differs with the kind of address."""
    found = getattr(stream, "_sock", stream)
    assert isinstance(found, socket.socket)
    return found


def close(stream: Any) -> None:
    """Close what the SDK gives for a socket, and what it keeps beside it."""
    connection(stream).close()
    if (response := getattr(stream, "_response", None)) is not None:
        response.close()
