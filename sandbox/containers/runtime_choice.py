"""Which runtime a command uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.errors import EngineError

if TYPE_CHECKING:
    from sandbox.containers.protocol import Runtime


def choose(name: Literal["auto", "docker", "local"]) -> tuple[Runtime, str | None]:
    """Give a runtime that answers, and a sentence for the user where it isolates nothing.

    Args:
        name: ``auto`` is ``docker`` where an engine answers, else ``local``; ``docker`` never falls back.

    Raises:
        EngineError: The runtime does not answer.
    """
    if name == "local":
        return _local(), "Running as processes of this machine, as asked: no isolation of network or files."
    try:
        return _docker(), None
    except EngineError as error:
        if name == "docker":
            raise
        return _local(), (
            f"Running as processes of this machine, with no isolation of network or files: {error.message}."
        )


def _docker() -> Runtime:
    from sandbox.containers.docker.runtime import DockerRuntime  # noqa: PLC0415 - slow to import, and not always needed

    runtime = DockerRuntime()
    runtime.check()
    return runtime


def _local() -> Runtime:
    from sandbox.containers.local.runtime import LocalRuntime  # noqa: PLC0415 - psutil is not always needed

    runtime = LocalRuntime()
    runtime.check()
    return runtime
