"""Check of the container engine's address pool, by creating networks."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sandbox.containers import ownership
from sandbox.containers.docker import engine_api, inventory
from sandbox.containers.docker.client import translate_errors
from sandbox.errors import ContainerEngineError
from sandbox.formatting import format_count
from sandbox.provisioner.doctor.check import DoctorCheck, fail_check, pass_check

if TYPE_CHECKING:
    from sandbox.containers.docker.images import Client

POOL_CHECK = "addresses for networks"
DOCTOR_LABELS = {"role": "doctor"}
MIN_FREE_NETWORKS = 2  # one now, and one in reserve


def check_address_pool(client: Client) -> DoctorCheck:
    """Check that the container engine has addresses for further networks; the test networks are removed.

    Raises:
        ContainerEngineError: A network cannot be created or removed for a reason other than addresses.
    """
    _remove_leftovers(client)
    created: list[str] = []
    try:
        for _ in range(MIN_FREE_NETWORKS):
            created.append(_create_network(client))  # noqa: PERF401 - networks created before a failure are removed
    except ContainerEngineError as error:
        if "address pool" not in error.message:
            raise
        return fail_check(POOL_CHECK, f"room for {len(created)} more: {error.message}", "docker network prune")
    finally:
        for network in created:
            with translate_errors("remove a network of this check"):
                client.api.remove_network(network)
    return pass_check(POOL_CHECK, f"room for at least {format_count(len(created), 'more network')}")


def _remove_leftovers(client: Client) -> None:
    """Remove the networks of killed checks."""
    for item in inventory.list_objects(client, DOCTOR_LABELS):
        if item.kind == "network" and (owning := ownership.parse_owner(item.labels)) is not None and owning.has_ended:
            inventory.remove_object(client, item)


def _create_network(client: Client) -> str:
    """Create an unused network, and return its id: names are not unique."""
    with translate_errors("make a network"):
        name = f"sbx-doctor-{uuid.uuid4().hex[:12]}"
        labels = engine_api.build_container_labels({**DOCTOR_LABELS, **ownership.identify_owner().labels})
        network = client.api.create_network(name, driver="bridge", internal=True, labels=labels)
    return str(network["Id"])
