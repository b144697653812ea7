"""Environments for running code: an image, or a virtual environment on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

from sandbox.errors import ContainerEngineError
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import pins
from sandbox.provisioner.lock.resolver import resolve_lock

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Environment, Progress
    from sandbox.provisioner.lock.request import StackRequest


def ensure_environment(
    request: StackRequest,
    lock: LockDocument,
    runtime: Literal["docker", "local"],
    *,
    home: Path,
    progress: Progress,
    frozen: bool = False,
    python: bool = False,
) -> Environment:
    """Return the environment of a lock from `resolve_lock` for the same runtime, built if necessary.

    ``frozen`` refuses a base image other than the lock's. ``python``: whether runs need a Python, possibly missing in a
    custom image.

    Raises:
        ContainerEngineError: The container engine does not answer, or the environment cannot be built.
        FrozenMismatchError: With ``frozen``: the base image differs, or the lock has no entry for this machine.
    """
    if request.custom_image is not None:
        if runtime == "local":
            raise ContainerEngineError(
                f"stack.image names an image of your own, {request.image}, which needs a container engine",
                hint='start one (look with: sandbox doctor), or write image = "python" in [stack]',
            )
        from sandbox.provisioner.images import custom_environment  # noqa: PLC0415 - see below

        return custom_environment.ensure_custom_environment(
            request.custom_image, lock, python=python, home=home, progress=progress, frozen=frozen
        )
    match runtime:
        case "docker":
            from sandbox.provisioner.images import environment as docker_environment  # noqa: PLC0415

            return docker_environment.ensure_image_environment(
                request, lock, home=home, progress=progress, frozen=frozen
            )
        case "local":
            from sandbox.provisioner.local import environment as local_environment  # noqa: PLC0415

            here = interpreters.build_host_target(request.python)
            name = pins.format_platform_key(here, request.python)
            if name not in lock.platforms and not frozen:  # written on a machine with another Python
                lock = resolve_lock(request, previous=lock, upgrade=False, progress=progress, runtime="local")
            entry = pins.find_platform_entry(lock, name)
            return local_environment.ensure_virtual_environment(request, entry, here, home=home, progress=progress)
        case _:
            assert_never(runtime)


def record_environment(lock: LockDocument, environment: Environment) -> LockDocument:
    """Return the lock with the built environment recorded; the same lock if nothing changes."""
    if environment.runtime != "docker":
        return lock
    from sandbox.provisioner.images import environment as docker_environment  # noqa: PLC0415

    return docker_environment.record_image(lock, environment)
