"""Check of the engine's address pool: it makes a network rather than counting."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sandbox.containers import ownership
from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker import inventory
from sandbox.containers.docker.client import translate_errors
from sandbox.errors import ContainerEngineError
from sandbox.provisioner.doctor.check import DoctorCheck, fail_check, pass_check

if TYPE_CHECKING:
    from sandbox.containers.docker.images import Client

POOL_CHECK = "addresses for networks"
DOCTOR_LABELS = {"role": "doctor"}
MIN_FREE_NETWORKS = 2  # one now, and one more for whoever comes next


def check_address_pool(client: Client) -> DoctorCheck:
    """Check that the engine has addresses left for further networks; those it made are removed again.

    Raises:
        EngineError: The engine does not make or remove a network, for another reason than addresses.
    """
    _remove_leftovers(client)
    made: list[str] = []
    try:
        for _ in range(MIN_FREE_NETWORKS):
            made.append(_create_network(client))  # noqa: PERF401 - what was made before one fails is to be removed
    except ContainerEngineError as error:
        if "address pool" not in error.message:
            raise
        return fail_check(POOL_CHECK, f"room for {len(made)} more: {error.message}", "docker network prune")
    finally:
        for one in made:
            with translate_errors("remove a network of this check"):
                client.api.remove_network(one)
    return pass_check(POOL_CHECK, f"room for {len(made)} more networks at least")


def _remove_leftovers(client: Client) -> None:
    """Remove what a check left that was killed."""
    for one in inventory.list_objects(client, DOCTOR_LABELS):
        if one.kind == "network" and (owning := ownership.parse_owner(one.labels)) is not None and owning.has_ended:
            inventory.remove_object(client, one)


def _create_network(client: Client) -> str:
    """Make a network that nothing is on, and give its id: names are not unique."""
    with translate_errors("make a network"):
        name = f"sbx-doctor-{uuid.uuid4().hex[:12]}"
        labels = plan.build_container_labels({**DOCTOR_LABELS, **ownership.identify_owner().labels})
        found = client.api.create_network(name, driver="bridge", internal=True, labels=labels)
    return str(found["Id"])
