"""Name the images with which an environment and services start without a network."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.containers.docker.client import open_client
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images import custom_environment
from sandbox.provisioner.lock import pins

if TYPE_CHECKING:
    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Environment
    from sandbox.provisioner.lock.request import StackRequest


def list_required_images(request: StackRequest, lock: LockDocument, environment: Environment) -> set[str]:
    """Return the names of an environment's image and of the images that it is built on.

    Raises:
        ContainerEngineError: The container engine does not answer.
    """
    entry = pins.find_platform_entry(lock, environment.platform)
    names = {environment.reference}
    with contextlib.closing(open_client()) as client:
        if request.custom_image is None:
            base = bases.find_base(client, entry.base)
            base_images = [] if base is None else [base]
        else:
            base_images = custom_environment.find_base_images(client, request.custom_image, entry.base)
    return names | {image.reference for image in base_images}


def list_service_bases(lock: LockDocument, platform: str) -> set[str]:
    """Return the name of the base image that services are built on."""
    entry = lock.platforms.get(platform)
    with contextlib.closing(open_client()) as client:
        base = bases.find_base(client, entry.base if entry else None)
    return set() if base is None else {base.reference}
