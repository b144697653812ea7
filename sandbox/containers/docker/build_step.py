"""Containers that prepare a build: as root and with a network, without the user's files."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import docker.errors

from sandbox.containers import ownership
from sandbox.containers.docker import engine_api
from sandbox.containers.docker.client import translate_errors
from sandbox.containers.docker.images import LOG_TAIL_LINES, Client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BuildStepResult:
    """The exit status of a build step, and the last lines of its output."""

    status: int
    last_lines: str


def run_build_step(client: Client, image: str, command: str, *, mounts: Mapping[Path, str]) -> BuildStepResult:
    """Run a shell command in a container on the default network, and remove the container.

    ``mounts`` are writable folders of this machine, with their paths in the container.
    """
    body = {
        "Image": image,
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": [command],
        "User": "0:0",
        "Env": ["DEBIAN_FRONTEND=noninteractive", "LANG=C.UTF-8"],
        "Labels": engine_api.build_container_labels({"role": "build", **ownership.identify_owner().labels}),
        "HostConfig": {
            "Init": True,
            "SecurityOpt": ["no-new-privileges:true"],
            "PidsLimit": 256,
            "Mounts": [
                {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": False}
                for source, target in mounts.items()
            ],
        },
    }
    with translate_errors("prepare a build"):
        container = str(client.api.create_container_from_config(body)["Id"])
        try:
            client.api.start(container)
            status = int(client.api.wait(container, timeout=None)["StatusCode"])
            output = client.api.logs(container, tail=LOG_TAIL_LINES).decode("utf-8", "replace")
        finally:
            with contextlib.suppress(docker.errors.NotFound):
                client.api.remove_container(container, force=True, v=True)
    return BuildStepResult(status=status, last_lines=output.strip())
