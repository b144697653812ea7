"""Containers connected to the caller's terminal."""

from __future__ import annotations

import contextlib

import docker.errors

from sandbox.containers import terminal as terminals
from sandbox.containers.docker.client import translate_errors
from sandbox.containers.docker.output import close_stream, unwrap_socket

ATTACH_OPTIONS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


def attach_terminal(client: docker.DockerClient, container: str, terminal: terminals.Terminal) -> int:
    """Start a container with a terminal, connect it with the caller's, and return its exit status.

    Raises:
        ContainerEngineError: It could not be started, or the engine went away.
    """

    def resize_container(rows: int, columns: int) -> None:
        with contextlib.suppress(docker.errors.APIError):  # already exited
            client.api.resize(container, height=rows, width=columns)

    with translate_errors("hand the terminal to the container"):
        stream = client.api.attach_socket(container, ATTACH_OPTIONS)
        try:
            unwrap_socket(stream).settimeout(None)
            client.api.start(container)
            terminals.relay_terminal(terminal, stream.fileno(), resize=resize_container)
        finally:
            close_stream(stream)
        return int(client.api.wait(container)["StatusCode"])
