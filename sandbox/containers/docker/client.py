"""A connection to the Docker Engine of this machine, and its errors in our words."""

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

from sandbox.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OLDEST_API = (1, 41)  # Docker Engine 20.10
ANSWER_SECONDS = 20.0  # an engine that needs longer to say its version is of no use for a run
WITHOUT = "or do without a container engine, and without isolation: SANDBOX_RUNTIME=local"
START = (
    "start Docker (`sudo systemctl start docker`, or open Docker Desktop; in a checkout of sandbox: `make engine`),\n"
    + WITHOUT
)
CONNECTION_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)


class Connection(docker.DockerClient):  # type: ignore[misc]
    """A client that asks the engine only once what it is."""

    @functools.cached_property
    def about(self) -> Mapping[str, Any]:
        """What the engine says of itself."""
        with translated("ask the Docker Engine what it is"):
            found: Mapping[str, Any] = self.info()
        return found


_answered: dict[str, Connection] = {}


def connected() -> Connection:
    """Give a client of that engine which has answered in this process already, else a new one; nobody closes it.

    Raises:
        EngineError: See `connect`.
    """
    return _answered.get(_address(_parameters())) or connect()


def connect(timeout: float = 60) -> Connection:
    """Give a client of the engine that ``DOCKER_HOST`` or the current Docker context names.

    Args:
        timeout: Seconds that a request may take to be answered.

    Raises:
        EngineError: No engine of this machine answers, it may not be used, or it is too old.
    """
    parameters = _parameters()
    address = _address(parameters)
    if remote(address):
        raise EngineError(
            f"the Docker Engine at {address} is on another machine, whose folders are not these",
            hint=f"unset DOCKER_HOST, or `docker context use default`,\n{WITHOUT}",
        )
    try:
        _knock(address)
        client = _negotiated(parameters, min(timeout, ANSWER_SECONDS))
    except (docker.errors.DockerException, OSError, *CONNECTION_ERRORS) as error:
        raise _unreachable(address, error) from error
    client.api.timeout = timeout
    _require_api(address, client.api.api_version)
    _answered[address] = client
    return client


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what the SDK raises within the block into `EngineError`.

    Args:
        doing: What is being done, as in "cannot ...": ``start the container sbx-shop-1``.
    """
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise EngineError(
            f"cannot {doing}: {reason(error)}",
            hint="`sandbox create` makes the image; nothing is pulled implicitly",
        ) from error
    except docker.errors.APIError as error:
        raise EngineError(f"cannot {doing}: {reason(error)}") from error
    except CONNECTION_ERRORS as error:
        raise EngineError(
            f"cannot {doing}: the Docker Engine did not answer properly ({reason(error)})",
            hint="see whether it is well with `docker info`, then try again",
        ) from error
    except docker.errors.DockerException as error:
        raise EngineError(f"cannot {doing}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Give the innermost thing that an exception of the SDK says, in one line."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return " ".join(str(error.explanation).split())
    cause = _operating_system(error)
    if cause is not None and cause.strerror:
        return cause.strerror.lower()
    if isinstance(error, requests.Timeout | TimeoutError):
        return "no answer in time"
    return " ".join(str(error).split()) or type(error).__name__


def remote(address: str) -> bool:
    """True where an engine's address leads to another machine, as far as it can be told."""
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


def _parameters() -> dict[str, Any]:
    """Read the client's address and TLS as the docker command does: DOCKER_HOST, else the current context."""
    try:
        parameters: dict[str, Any] = docker.utils.kwargs_from_env()
        if "base_url" in parameters:
            return parameters
        name = os.environ.get("DOCKER_CONTEXT")
        if name and docker.context.ContextAPI.get_context(name) is None:
            raise EngineError(
                f"there is no Docker context {name!r}, which DOCKER_CONTEXT names", hint="`docker context ls`"
            )
        for key, value in docker.context.ContextAPI.kwargs_from_context().items():
            parameters.setdefault(key, value)
    except docker.errors.DockerException as error:
        raise EngineError(
            f"the settings of the Docker client are wrong: {reason(error)}", hint="`docker context ls`"
        ) from error
    return parameters


def _address(parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("base_url") or "unix:///var/run/docker.sock")


def _negotiated(parameters: Mapping[str, Any], seconds: float) -> Connection:
    """Give a client that speaks the engine's version, which its answer to a ping names.

    The SDK would ask for everything about the version, for which the engine starts other programs.
    """
    oldest = ".".join(str(part) for part in OLDEST_API)
    client = Connection(version=oldest, timeout=seconds, **parameters)
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
    return Connection(version=version, timeout=seconds, **parameters)


def _knock(address: str) -> None:
    """Connect and hang up: the SDK leaves a socket open wherever it cannot connect."""
    parts = urlsplit(address)
    if parts.scheme in {"unix", "http+unix"}:
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(ANSWER_SECONDS)
            one.connect(f"/{parts.netloc}{parts.path}".replace("//", "/"))


def _require_api(address: str, version: str) -> None:
    if tuple(int(part) for part in version.split(".")) < OLDEST_API:
        oldest = ".".join(str(part) for part in OLDEST_API)
        raise EngineError(
            f"the Docker Engine at {address} speaks API {version}; {oldest} (Docker 20.10) is the oldest that works",
            hint=f"update Docker,\n{WITHOUT}",
        )


def _unreachable(address: str, error: BaseException) -> EngineError:
    cause = _operating_system(error)
    if isinstance(cause, FileNotFoundError):
        return EngineError(f"no Docker Engine is running: there is no socket at {address}", hint=START)
    if isinstance(cause, PermissionError):
        return EngineError(
            f"this user may not use the Docker Engine at {address}: permission denied",
            hint=f'join its group (`sudo usermod -aG docker "$USER"`) and log in again,\n{WITHOUT}',
        )
    if isinstance(cause, ConnectionRefusedError):
        return EngineError(f"the Docker Engine at {address} is not running: connection refused", hint=START)
    return EngineError(
        f"the Docker Engine at {address} does not answer properly: {reason(error)}", hint=START
    )


def _operating_system(error: BaseException) -> OSError | None:
    """Find the refusal of the operating system inside what requests, urllib3 and the SDK wrapped around it."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        if (
            isinstance(one, OSError)
            and one.errno is not None
            and not isinstance(one, requests.RequestException)
        ):
            return one
        waiting += [one.__cause__, one.__context__, *one.args]
    return None
