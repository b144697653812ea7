"""Choice of the runtime for a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.config.ci import is_ci
from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from sandbox.containers.protocol import Runtime


def choose_runtime(name: Literal["auto", "docker", "local"]) -> tuple[Runtime, str | None]:
    """Return a runtime that answers, and a message for the user if it has no isolation.

    Args:
        name: ``auto`` is ``docker`` if an engine answers, else ``local``. ``docker`` never falls back, nor does
            ``auto`` under ``CI=true``.

    Raises:
        ContainerEngineError: The runtime does not answer.
    """
    if name == "local":
        return (
            _create_local_runtime(),
            "Runtime: local (requested). No network or filesystem isolation.",
        )
    try:
        return _create_docker_runtime(), None
    except ContainerEngineError as error:
        if name == "docker":
            raise
        if is_ci():
            raise ContainerEngineError(
                f"{error.message}; under CI=true code does not run without isolation unless that is asked for",
                hint=f"{error.hint}\nto run it as processes of this machine, which it can then read: --runtime local".lstrip(),
            ) from error
        return _create_local_runtime(), (f"Runtime: local, without network or filesystem isolation: {error.message}.")


def _create_docker_runtime() -> Runtime:
    from sandbox.containers.docker.runtime import DockerRuntime  # noqa: PLC0415 - slow to import, and not always needed

    runtime = DockerRuntime()
    runtime.check()
    return runtime


def _create_local_runtime() -> Runtime:
    from sandbox.containers.local.runtime import LocalRuntime  # noqa: PLC0415 - psutil is not always needed

    runtime = LocalRuntime()
    runtime.check()
    return runtime
