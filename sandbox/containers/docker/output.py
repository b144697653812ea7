"""A container's output, read from the engine's stream while it is written."""

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

FRAME_HEADER = struct.Struct(">BxxxL")  # the stream, then the length of the chunk
STDERR_STREAM = 2
BUFFER_BYTES = 1 << 18


class ContainerOutput:
    """Forward a container's output in a separate thread, from before its start to its end.

    The engine keeps no copy: a container that writes faster than it is read waits, and nothing is lost.
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

    def attach(self) -> None:
        """Attach to the container's output.

        Raises:
            ContainerEngineError: The engine refuses.
        """
        self._thread.start()
        with translate_errors("listen to the container"):
            if not self._attach_event.wait(self._client.api.timeout):
                raise TimeoutError
            if self._connection is None:
                raise self.error or ContainerEngineError("cannot listen to the container")

    def finish(self, seconds: float) -> None:
        """Wait for the end of the stream, and disconnect after a timeout."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.is_broken = True
            self.disconnect()
            self._thread.join(seconds)

    def disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):  # already closed
                self._connection.shutdown(socket.SHUT_RDWR)

    def _read_stream(self) -> None:
        try:
            stream = self._client.api.attach_socket(self._container)
            self._connection = unwrap_socket(stream)
            self._connection.settimeout(None)  # there may be no output for hours
        except (docker.errors.DockerException, *CONNECTION_ERRORS) as error:
            self.error = error
            return
        finally:
            self._attach_event.set()
        try:
            self._forward_chunks(self._connection)
        except BaseException as error:  # noqa: BLE001 - raised again by `run` in the caller's thread
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
    """Yield the stream number and the data of each chunk in the engine's stream.

    Raises:
        EOFError: It ends within a frame.
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
    """Return the socket within the SDK's result, whose type depends on the address."""
    inner = getattr(stream, "_sock", stream)
    assert isinstance(inner, socket.socket)
    return inner


def close_stream(stream: Any) -> None:
    """Close the SDK's result for a socket, with its response."""
    unwrap_socket(stream).close()
    if (response := getattr(stream, "_response", None)) is not None:
        response.close()
