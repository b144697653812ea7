"""Images: found, pulled, imported, built, listed and removed. Nothing is pulled implicitly."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from sandbox.containers.docker.client import CONNECTION_ERRORS, Connection, translated
from sandbox.containers.protocol import LABEL
from sandbox.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Client = docker.DockerClient  # for those who hand one on and may not know the SDK

LAST_LINES = 20
PROBE_SECONDS = 5  # for a registry to say that it has an image
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image that the engine holds.

    Attributes:
        id: The engine's own; differs between storage backends.
        tags: ``name:tag``; empty where it lost its last one.
        digests: ``name@sha256:…`` by which it was pulled.
        layers: The diff ids of its layers, the lowest first.
        labels: Ours, without the ``dev.sandbox.`` prefix.
        bytes: What it takes, layers that it shares included.
        platform: As in ``linux/amd64``.
    """

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    layers: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    bytes: int
    platform: str


def platform(client: Connection) -> str:
    """Give the platform that the engine's containers have, as in ``linux/amd64``."""
    machine = str(client.about.get("Architecture", ""))
    return f"{client.about.get('OSType', 'linux')}/{_MACHINES.get(machine, machine)}"


def find(client: docker.DockerClient, reference: str) -> Image | None:
    """Give an image by tag, digest or id; None where the engine does not hold it."""
    with translated(f"look at the image {reference}"):
        try:
            return _image(client.api.inspect_image(reference))
        except docker.errors.ImageNotFound:
            return None


def offered(client: docker.DockerClient, reference: str) -> bool:
    """Tell whether a registry answers, within seconds, that it has an image."""
    before, client.api.timeout = client.api.timeout, PROBE_SECONDS
    try:
        client.api.inspect_distribution(reference)
    except (docker.errors.APIError, *CONNECTION_ERRORS):
        return False
    finally:
        client.api.timeout = before
    return True


def pull(client: docker.DockerClient, reference: str, advance: Callable[[float], None]) -> Image:
    """Pull an image by digest.

    Args:
        client: The engine.
        reference: ``name:tag@sha256:…``; the tag says to people what it is, the digest decides.
        advance: Called with the bytes that arrived since the last call.
    """
    assert "@sha256:" in reference, "what is pulled is named by its content"
    arrived: dict[str, int] = {}
    with translated(f"pull {reference}"):
        events = client.api.pull(_by_digest(reference), stream=True, decode=True)
        for event in _checked(events, f"cannot pull {reference}"):
            if event.get("status") == "Downloading":
                layer, now = str(event.get("id")), int(event.get("progressDetail", {}).get("current", 0))
                advance(max(0, now - arrived.get(layer, 0)))
                arrived[layer] = max(now, arrived.get(layer, 0))
    return _required(client, reference)


def import_tar(client: docker.DockerClient, file: Path, tag: str, labels: Mapping[str, str]) -> Image:
    """Make an image of one layer from a root file system."""
    name, _, version = tag.rpartition(":")
    changes = [f'LABEL "{LABEL}.{key}"="{value}"' for key, value in sorted(labels.items())]
    with translated(f"import {tag}"):
        client.api.import_image_from_file(str(file), repository=name, tag=version, changes=changes)
    return _required(client, tag)


def build(
    client: docker.DockerClient,
    context: Path,
    *,
    tag: str,
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    step: Callable[[str], object],
    network: bool = False,
) -> Image:
    """Build an image, with no network.

    Args:
        client: The engine.
        context: A folder that holds a Dockerfile and all that it copies.
        tag: What to call it.
        arguments: The Dockerfile's ``ARG`` values.
        labels: Without the prefix.
        step: Called with each step of the Dockerfile as it begins.
        network: Let its steps reach what the engine's containers reach.

    Raises:
        EngineError: A step failed; its last lines are in the message.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)
    doing = f"build the image {tag}"
    with translated(doing):
        events = client.api.build(
            path=str(context),
            tag=tag,
            rm=True,
            forcerm=True,
            pull=False,
            decode=True,
            network_mode="default" if network else "none",
            buildargs=dict(arguments),
            labels={f"{LABEL}.{key}": value for key, value in labels.items()},
            use_config_proxy=False,
        )
        for line in _said(events, f"cannot {doing}", last):
            if line.startswith("Step "):
                step(line.partition(" : ")[2].strip())
    return _required(client, tag)


def ours(client: docker.DockerClient, labels: Mapping[str, str] | None = None) -> list[Image]:
    """List the images that carry our label, and these."""
    wanted = {"managed": "true"} | dict(labels or {})
    return _listed(client, [f"{LABEL}.{key}={value}" for key, value in wanted.items()])


def stages(client: docker.DockerClient, environment: str) -> list[Image]:
    """List what the builds of an environment left behind beside the image itself."""
    return [one for one in _listed(client, [f"{LABEL}.stage={environment}"]) if not one.tags]


def remove(client: docker.DockerClient, image: Image) -> None:
    """Remove an image of ours, all its tags; nothing happens if it is gone or something else still needs it."""
    assert image.labels, "only what carries our label is removed"
    for reference in image.tags or (image.id,):
        with translated(f"remove the image {reference}"):
            try:
                client.api.remove_image(reference)
            except docker.errors.ImageNotFound:
                continue
            except docker.errors.APIError as error:
                if error.status_code != 409:  # a container or another image needs it
                    raise


def _listed(client: docker.DockerClient, labels: list[str]) -> list[Image]:
    with translated("list our images"):
        found = [entry["Id"] for entry in client.api.images(filters={"label": labels})]
    return [image for image in (find(client, one) for one in found) if image is not None]


def _required(client: docker.DockerClient, reference: str) -> Image:
    found = find(client, reference)
    if found is None:
        raise EngineError(f"the image {reference} was made and is gone", hint="try again")
    return found


def _by_digest(reference: str) -> str:
    """Drop the tag of ``name:tag@digest``, which the engine would take as the one to set."""
    named, _, digest = reference.partition("@")
    name, _, _ = named.rpartition(":")
    return f"{name or named}@{digest}"


def _said(events: Iterable[Mapping[str, Any]], failed: str, last: deque[str]) -> Iterator[str]:
    """Give a build's output line by line; it ends with an error where the build did."""
    for event in _checked(events, failed, last):
        for raw in str(event.get("stream", "")).splitlines():
            line = raw.rstrip()
            if line:
                last.append(line)
                yield line


def _checked(
    events: Iterable[Mapping[str, Any]], failed: str, last: Iterable[str] = ()
) -> Iterator[Mapping[str, Any]]:
    """Give a stream's events; an error among them is raised at the stream's end, so that its connection is freed."""
    error = None
    for event in events:
        error = error or event.get("error")
        yield event
    if error is not None:
        lines = "".join(f"\n  {line}" for line in last)
        raise EngineError(f"{failed}: {str(error).strip()}{lines}")


def _image(inspected: Mapping[str, Any]) -> Image:
    labels = (inspected.get("Config") or {}).get("Labels") or {}
    prefix = f"{LABEL}."
    return Image(
        id=str(inspected["Id"]),
        tags=tuple(inspected.get("RepoTags") or ()),
        digests=tuple(inspected.get("RepoDigests") or ()),
        layers=tuple((inspected.get("RootFS") or {}).get("Layers") or ()),
        labels={key.removeprefix(prefix): value for key, value in labels.items() if key.startswith(prefix)},
        bytes=int(inspected.get("Size") or 0),
        platform=f"{inspected.get('Os', '')}/{inspected.get('Architecture', '')}",
    )
