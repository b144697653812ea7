"""What a container writes, as it writes it: the engine's stream, taken apart."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers.docker.client import CONNECTION_ERRORS, translate_errors
from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FRAME_HEADER = struct.Struct(">BxxxL")  # the stream, then the length of what follows
STDERR_STREAM = 2
BUFFER_BYTES = 1 << 18


class ContainerOutput:
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
        self._attach_event = threading.Event()
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._read_stream, name=f"output of {container[:12]}", daemon=True)
        self.error: BaseException | None = None
        self.is_broken = False

    @property
    def is_finished(self) -> bool:
        """True when the stream has come to its end."""
        return self._attach_event.is_set() and not self._thread.is_alive()

    def attach(self) -> None:
        """Start to listen.

        Raises:
            EngineError: The engine does not let us.
        """
        self._thread.start()
        with translate_errors("listen to the container"):
            if not self._attach_event.wait(self._client.api.timeout):
                raise TimeoutError
            if self._connection is None:
                raise self.error or ContainerEngineError("cannot listen to the container")

    def finish(self, seconds: float) -> None:
        """Wait for the end of the stream, and cut it off if it does not come in time."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.is_broken = True
            self.disconnect()
            self._thread.join(seconds)

    def disconnect(self) -> None:
        """Take nothing more."""
        if self._connection is not None:
            with contextlib.suppress(OSError):  # it is closed already
                self._connection.shutdown(socket.SHUT_RDWR)

    def _read_stream(self) -> None:
        try:
            stream = self._client.api.attach_socket(self._container)
            self._connection = unwrap_socket(stream)
            self._connection.settimeout(None)  # it may be silent for hours
        except (docker.errors.DockerException, *CONNECTION_ERRORS) as error:
            self.error = error
            return
        finally:
            self._attach_event.set()
        try:
            self._forward_chunks(self._connection)
        except BaseException as error:  # noqa: BLE001 - the caller's own; `run` raises it in the caller's thread
            self.error = error
        finally:
            close_stream(stream)

    def _forward_chunks(self, source: socket.socket) -> None:
        with source.makefile("rb", buffering=BUFFER_BYTES) as reader:
            assert isinstance(reader, io.BufferedReader)
            chunks = read_frames(reader)
            while True:
                try:
                    kind, chunk = next(chunks)
                except StopIteration:
                    return
                except (OSError, EOFError, struct.error):
                    self.is_broken = True
                    return
                (self._stderr if kind == STDERR_STREAM else self._stdout)(chunk)


def read_frames(reader: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Take the engine's stream apart: what each chunk belongs to, and the chunk.

    Raises:
        EOFError: It ends in the middle of a frame.
    """
    while header := reader.read(FRAME_HEADER.size):
        kind, left = FRAME_HEADER.unpack(header)
        while left:
            chunk = reader.read1(min(left, BUFFER_BYTES))
            if not chunk:
                raise EOFError
            left -= len(chunk)
            yield kind, chunk


def unwrap_socket(stream: Any) -> socket.socket:
    """Give the socket within what the SDK gives for one, which differs with the kind of address."""
    found = getattr(stream, "_sock", stream)
    assert isinstance(found, socket.socket)
    return found


def close_stream(stream: Any) -> None:
    """Close what the SDK gives for a socket, and what it keeps beside it."""
    unwrap_socket(stream).close()
    if (response := getattr(stream, "_response", None)) is not None:
        response.close()
