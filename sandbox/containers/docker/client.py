"""Connections to this machine's Docker Engine, with translated errors."""

from __future__ import annotations

import contextlib
import functools
import http.client
import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import docker
import docker.context
import docker.errors
import docker.utils
import requests
import urllib3

from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MIN_API_VERSION = (1, 41)  # Docker Engine 20.10
CONNECT_TIMEOUT_SECONDS = 20.0  # a slower engine is unusable
LOCAL_RUNTIME_HINT = "or do without a container engine, and without isolation: SANDBOX_RUNTIME=local"
START_ENGINE_HINT = (
    "start Docker (`sudo systemctl start docker`, or open Docker Desktop; in a checkout of sandbox: `make engine`),\n"
    + LOCAL_RUNTIME_HINT
)
CONNECTION_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)


class EngineClient(docker.DockerClient):  # type: ignore[misc]
    """A client that requests the engine's information only once."""

    @functools.cached_property
    def engine_info(self) -> Mapping[str, Any]:
        """The engine's information (``/info``)."""
        with translate_errors("ask the Docker Engine what it is"):
            engine_info: Mapping[str, Any] = self.info()
        return engine_info


_shared_clients: dict[str, EngineClient] = {}


def open_shared_client() -> EngineClient:
    """Return a client that has connected before in this process, else a new one; it is never closed.

    Raises:
        ContainerEngineError: See `open_client`.
    """
    return _shared_clients.get(_resolve_address(_read_client_parameters())) or open_client()


def open_client(timeout: float = 60) -> EngineClient:
    """Return a client for the engine of ``DOCKER_HOST`` or the current Docker context, with a timeout in seconds.

    Raises:
        ContainerEngineError: No engine of this machine answers, it refuses access, or it is too old.
    """
    parameters = _read_client_parameters()
    address = _resolve_address(parameters)
    if is_remote(address):
        raise ContainerEngineError(
            f"the Docker Engine at {address} is on another machine, whose folders are not these",
            hint=f"unset DOCKER_HOST, or `docker context use default`,\n{LOCAL_RUNTIME_HINT}",
        )
    try:
        _probe_socket(address)
        client = _open_negotiated_client(parameters, min(timeout, CONNECT_TIMEOUT_SECONDS))
    except (docker.errors.DockerException, OSError, *CONNECTION_ERRORS) as error:
        raise _explain_connection_error(address, error) from error
    client.api.timeout = timeout
    _check_api_version(address, client.api.api_version)
    _shared_clients[address] = client
    return client


@contextlib.contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Translate the SDK's errors within the block to `ContainerEngineError`.

    Args:
        doing: The current operation, as in "cannot ...": ``start the container sbx-shop-1``.
    """
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise ContainerEngineError(
            f"cannot {doing}: {describe_error(error)}",
            hint="`sandbox create` makes the image; nothing is pulled implicitly",
        ) from error
    except docker.errors.APIError as error:
        raise ContainerEngineError(f"cannot {doing}: {describe_error(error)}") from error
    except CONNECTION_ERRORS as error:
        raise ContainerEngineError(
            f"cannot {doing}: the Docker Engine did not answer properly ({describe_error(error)})",
            hint="see whether it is well with `docker info`, then try again",
        ) from error
    except docker.errors.DockerException as error:
        raise ContainerEngineError(f"cannot {doing}: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """Return the innermost message of an SDK exception, in one line."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return " ".join(str(error.explanation).split())
    cause = _find_os_error(error)
    if cause is not None and cause.strerror:
        return cause.strerror.lower()
    if isinstance(error, requests.Timeout | TimeoutError):
        return "no answer in time"
    return " ".join(str(error).split()) or type(error).__name__


def is_remote(address: str) -> bool:
    """Return whether an engine's address leads to another machine, as far as it can be known."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme in {"unix", "http+unix", "npipe"}:
        return False
    if parts.scheme == "ssh":
        return True
    host = parts.hostname or "localhost"
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _read_client_parameters() -> dict[str, Any]:
    """Read the client's address and TLS settings as the docker command does: DOCKER_HOST, else the current context."""
    try:
        parameters: dict[str, Any] = docker.utils.kwargs_from_env()
        if "base_url" in parameters:
            return parameters
        name = os.environ.get("DOCKER_CONTEXT")
        if name and docker.context.ContextAPI.get_context(name) is None:
            raise ContainerEngineError(
                f"there is no Docker context {name!r}, which DOCKER_CONTEXT names", hint="`docker context ls`"
            )
        for key, value in docker.context.ContextAPI.kwargs_from_context().items():
            parameters.setdefault(key, value)
    except docker.errors.DockerException as error:
        raise ContainerEngineError(
            f"the settings of the Docker client are wrong: {describe_error(error)}",
            hint="`docker context ls`",
        ) from error
    return parameters


def _resolve_address(parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("base_url") or "unix:///var/run/docker.sock")


def _open_negotiated_client(parameters: Mapping[str, Any], seconds: float) -> EngineClient:
    """Return a client for the engine's API version, read from its answer to a ping.

    The SDK would request the full version information, for which the engine starts other programs.
    """
    oldest = ".".join(str(part) for part in MIN_API_VERSION)
    client = EngineClient(version=oldest, timeout=seconds, **parameters)
    try:
        answer = client.api.get(f"{client.api.base_url}/_ping", timeout=seconds)
        answer.raise_for_status()
        version = answer.headers.get("Api-Version", oldest)
    except BaseException:
        client.close()
        raise
    if version == oldest:
        return client
    client.close()
    return EngineClient(version=version, timeout=seconds, **parameters)


def _probe_socket(address: str) -> None:
    """Open and close a connection: the SDK leaks a socket if it cannot connect."""
    parts = urlsplit(address)
    if parts.scheme in {"unix", "http+unix"}:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(CONNECT_TIMEOUT_SECONDS)
            probe.connect(f"/{parts.netloc}{parts.path}".replace("//", "/"))


def _check_api_version(address: str, version: str) -> None:
    if tuple(int(part) for part in version.split(".")) < MIN_API_VERSION:
        oldest = ".".join(str(part) for part in MIN_API_VERSION)
        raise ContainerEngineError(
            f"the Docker Engine at {address} speaks API {version}; {oldest} (Docker 20.10) is the oldest that works",
            hint=f"update Docker,\n{LOCAL_RUNTIME_HINT}",
        )


def _explain_connection_error(address: str, error: BaseException) -> ContainerEngineError:
    cause = _find_os_error(error)
    if isinstance(cause, FileNotFoundError):
        return ContainerEngineError(
            f"no Docker Engine is running: there is no socket at {address}", hint=START_ENGINE_HINT
        )
    if isinstance(cause, PermissionError):
        return ContainerEngineError(
            f"this user may not use the Docker Engine at {address}: permission denied",
            hint=f'join its group (`sudo usermod -aG docker "$USER"`) and log in again,\n{LOCAL_RUNTIME_HINT}',
        )
    if isinstance(cause, ConnectionRefusedError):
        return ContainerEngineError(
            f"the Docker Engine at {address} is not running: connection refused", hint=START_ENGINE_HINT
        )
    return ContainerEngineError(
        f"the Docker Engine at {address} does not answer properly: {describe_error(error)}",
        hint=START_ENGINE_HINT,
    )


def _find_os_error(error: BaseException) -> OSError | None:
    """Find the operating system's error within exceptions of requests, urllib3 and the SDK."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, requests.RequestException):
            return cause
        waiting += [cause.__cause__, cause.__context__, *cause.args]
    return None
