"""Check of the engine's address pool: it makes a network rather than counting."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sandbox.containers import ownership
from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker import inventory
from sandbox.containers.docker.client import translated
from sandbox.errors import EngineError
from sandbox.provisioner.doctor.check import Check, bad, good

if TYPE_CHECKING:
    from sandbox.containers.docker.images import Client

NAME = "addresses for networks"
LABELS = {"role": "doctor"}
WANTED = 2  # one now, and one more for whoever comes next


def pool(client: Client) -> Check:
    """Check that the engine has addresses left for further networks; those it made are removed again.

    Raises:
        EngineError: The engine does not make or remove a network, for another reason than addresses.
    """
    _swept(client)
    made: list[str] = []
    try:
        for _ in range(WANTED):
            made.append(_made(client))  # noqa: PERF401 - what was made before one fails is to be removed
    except EngineError as error:
        if "address pool" not in error.message:
            raise
        return bad(NAME, f"room for {len(made)} more: {error.message}", "docker network prune")
    finally:
        for one in made:
            with translated("remove a network of this check"):
                client.api.remove_network(one)
    return good(NAME, f"room for {len(made)} more networks at least")


def _swept(client: Client) -> None:
    """Remove what a check left that was killed."""
    for one in inventory.listed(client, LABELS):
        if one.kind == "network" and (owning := ownership.named(one.labels)) is not None and owning.gone:
            inventory.remove(client, one)


def _made(client: Client) -> str:
    """Make a network that nothing is on, and give its id: names are not unique."""
    with translated("make a network"):
        name = f"sbx-doctor-{uuid.uuid4().hex[:12]}"
        labels = plan.labels({**LABELS, **ownership.current().labels})
        found = client.api.create_network(name, driver="bridge", internal=True, labels=labels)
    return str(found["Id"])
