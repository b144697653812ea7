"""Internal networks: they reach nothing but what is joined to them, and addresses of the engine's own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import docker.errors

from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker.client import translate_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.containers.docker.images import Client

NETWORK_ROLE = "network"
ENDPOINT_EXISTS_STATUSES = (403, 409)  # what engines say of an endpoint that exists


def ensure_internal_network(client: Client, name: str, labels: Mapping[str, str]) -> str:
    """Give the id of an internal network, made if it is not there; the caller sees to it that nobody else makes one meanwhile.

    Creation is not atomic in the engine: whoever was killed between its answer and ours may have left a second of the
    name, so that the lowest id counts, and the others go.

    Raises:
        EngineError: The engine refuses.
    """
    wanted = plan.build_labels({**labels, "role": NETWORK_ROLE})
    with translate_errors(f"make the network {name}"):
        found = client.api.networks(filters={"label": [f"{key}={value}" for key, value in wanted.items()]})
        ids = sorted(str(one["Id"]) for one in found if one["Name"] == name)
        for one in ids[1:]:
            client.api.remove_network(one)
        if ids:
            return ids[0]
        return str(client.api.create_network(name, driver="bridge", internal=True, labels=wanted)["Id"])


def join_network(client: Client, network: str, container: str, *, alias: str) -> None:
    """Join a container to a network under a name; nothing happens where it is joined already.

    Raises:
        EngineError: The engine refuses.
    """
    with translate_errors("join the service to its network"):
        try:
            client.api.connect_container_to_network(container, network, aliases=[alias])
        except docker.errors.APIError as error:
            if error.status_code not in ENDPOINT_EXISTS_STATUSES or "already exists" not in str(error.explanation):
                raise
