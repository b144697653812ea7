"""Internal networks: containers reach only each other, and addresses of the engine's own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import docker.errors

from sandbox.containers.docker import engine_api
from sandbox.containers.docker.client import translate_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.containers.docker.images import Client

NETWORK_ROLE = "network"
ENDPOINT_EXISTS_STATUSES = (403, 409)  # for an existing endpoint


def ensure_internal_network(client: Client, name: str, labels: Mapping[str, str]) -> str:
    """Return the id of an internal network, created if missing. The caller prevents concurrent creation.

    The engine's creation is not atomic: a process killed before it read the answer may have left a second network of
    this name. The lowest id is used, and the others are removed.

    Raises:
        ContainerEngineError: The engine refuses.
    """
    required = engine_api.build_labels({**labels, "role": NETWORK_ROLE})
    with translate_errors(f"make the network {name}"):
        networks = client.api.networks(filters={"label": [f"{key}={value}" for key, value in required.items()]})
        ids = sorted(str(network["Id"]) for network in networks if network["Name"] == name)
        for duplicate in ids[1:]:
            client.api.remove_network(duplicate)
        if ids:
            return ids[0]
        return str(client.api.create_network(name, driver="bridge", internal=True, labels=required)["Id"])


def join_network(client: Client, network: str, container: str, *, alias: str) -> None:
    """Join a container to a network under a name, if it is not joined yet.

    Raises:
        ContainerEngineError: The engine refuses.
    """
    with translate_errors("join the service to its network"):
        try:
            client.api.connect_container_to_network(container, network, aliases=[alias])
        except docker.errors.APIError as error:
            if error.status_code not in ENDPOINT_EXISTS_STATUSES or "already exists" not in str(error.explanation):
                raise
