"""Container images: find, pull, import, build, list and remove. Nothing is pulled implicitly."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from sandbox.containers.docker.client import CONNECTION_ERRORS, EngineClient, translate_errors
from sandbox.containers.protocol import LABEL_PREFIX
from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Client = docker.DockerClient  # for modules that do not import the SDK

LOG_TAIL_LINES = 20
REGISTRY_TIMEOUT_SECONDS = 5  # for a registry's answer
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class EngineImage:
    """A local image.

    Attributes:
        id: The engine's id, different between storage backends.
        tags: ``name:tag``; empty if it lost its last tag.
        layers: The diff ids of its layers, the lowest first.
        labels: Sandbox's labels, without the ``dev.sandbox.`` prefix.
        bytes: Its size, including shared layers.
        platform: As in ``linux/amd64``.
    """

    id: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    bytes: int
    platform: str


def read_platform(client: EngineClient) -> str:
    """Return the platform of the engine's containers, as in ``linux/amd64``."""
    machine = str(client.engine_info.get("Architecture", ""))
    return f"{client.engine_info.get('OSType', 'linux')}/{_ARCHITECTURES.get(machine, machine)}"


def find_image(client: docker.DockerClient, reference: str) -> EngineImage | None:
    """Return an image by tag, digest or id; None if the engine does not hold it.

    An engine does not know the registry's digest of an image that was loaded from a bundle: it is found by the name of
    `format_loaded_name`.
    """
    names = [reference, format_loaded_name(reference)] if "@sha256:" in reference else [reference]
    with translate_errors(f"look at the image {reference}"):
        for name in names:
            with contextlib.suppress(docker.errors.ImageNotFound):
                return _parse_image(client.api.inspect_image(name))
    return None


def format_loaded_name(reference: str) -> str:
    """Return the name under which an image by digest is loaded; any other keeps its own."""
    name, _, digest = reference.partition("@sha256:")
    return f"sandbox/loaded:{digest}" if digest else name


def is_named_by_content(reference: str) -> bool:
    """Return whether a name says what an image holds: by a digest, or by the id of sandbox's environment.

    >>> [is_named_by_content(name) for name in ("sandbox/python:0123456789abcdef", "sandbox/base:trixie", "team/x:3")]
    [True, False, False]
    """
    return "@sha256:" in reference or re.fullmatch(r"sandbox/[a-z]+:[0-9a-f]{16}", reference) is not None


def find_local_name(client: docker.DockerClient, reference: str) -> str:
    """Return the name by which the engine knows an image: its own, or `format_loaded_name` for a loaded one."""
    image = find_image(client, reference)
    loaded = format_loaded_name(reference)
    return loaded if image is not None and "@" in reference and loaded in image.tags else reference


def is_in_registry(client: docker.DockerClient, reference: str) -> bool:
    """Return whether a registry answers within seconds and has an image."""
    before, client.api.timeout = client.api.timeout, REGISTRY_TIMEOUT_SECONDS
    try:
        client.api.inspect_distribution(reference)
    except (docker.errors.APIError, *CONNECTION_ERRORS):
        return False
    finally:
        client.api.timeout = before
    return True


def pull_image(client: docker.DockerClient, reference: str, advance: Callable[[float], None]) -> EngineImage:
    """Pull an image by digest.

    Args:
        client: The container engine's client.
        reference: ``name:tag@sha256:…``; only the digest is used, the tag is for people.
        advance: Called with the number of bytes received since the last call.
    """
    assert "@sha256:" in reference, "what is pulled is named by its content"
    arrived: dict[str, int] = {}
    with translate_errors(f"pull {reference}"):
        events = client.api.pull(_remove_tag(reference), stream=True, decode=True)
        for event in _check_events(events, f"cannot pull {reference}"):
            if event.get("status") == "Downloading":
                layer, now = str(event.get("id")), int(event.get("progressDetail", {}).get("current", 0))
                advance(max(0, now - arrived.get(layer, 0)))
                arrived[layer] = max(now, arrived.get(layer, 0))
    return _find_created_image(client, reference)


def import_tar(client: docker.DockerClient, file: Path, tag: str, labels: Mapping[str, str]) -> EngineImage:
    """Create an image of one layer from a root file system."""
    name, _, version = tag.rpartition(":")
    changes = [f'LABEL "{LABEL_PREFIX}.{key}"="{value}"' for key, value in sorted(labels.items())]
    with translate_errors(f"import {tag}"):
        client.api.import_image_from_file(str(file), repository=name, tag=version, changes=changes)
    return _find_created_image(client, tag)


def build_image(
    client: docker.DockerClient,
    context: Path,
    *,
    tag: str,
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    step: Callable[[str], object],
    network: bool = False,
) -> EngineImage:
    """Build an image from a folder with a Dockerfile, without a network by default.

    ``arguments`` are the Dockerfile's ``ARG`` values, ``labels`` have no prefix. ``step`` is called with each step of
    the Dockerfile as it begins.

    Raises:
        ContainerEngineError: A step failed; the message has its last lines.
    """
    last: deque[str] = deque(maxlen=LOG_TAIL_LINES)
    doing = f"build the image {tag}"
    with translate_errors(doing):
        events = client.api.build(
            path=str(context),
            tag=tag,
            rm=True,
            forcerm=True,
            pull=False,
            decode=True,
            network_mode="default" if network else "none",
            buildargs=dict(arguments),
            labels={f"{LABEL_PREFIX}.{key}": value for key, value in labels.items()},
            use_config_proxy=False,
        )
        for line in _read_output_lines(events, f"cannot {doing}", last):
            if line.startswith("Step "):
                step(line.partition(" : ")[2].strip())
    return _find_created_image(client, tag)


def list_images(client: docker.DockerClient, labels: Mapping[str, str] | None = None) -> list[EngineImage]:
    """List the images with sandbox's label and these."""
    required = {"managed": "true"} | dict(labels or {})
    return _list_by_labels(client, [f"{LABEL_PREFIX}.{key}={value}" for key, value in required.items()])


def list_untagged_images(client: docker.DockerClient, environment: str) -> list[EngineImage]:
    """List what builds of an environment left: stages, and images whose tag a concurrent build took."""
    labels = [f"{LABEL_PREFIX}.{label}={environment}" for label in ("stage", "environment")]
    found = [image for label in labels for image in _list_by_labels(client, [label])]
    return [image for image in found if not image.tags]


def remove_image(client: docker.DockerClient, image: EngineImage) -> None:
    """Remove an image of sandbox with all its tags, unless it is gone or still in use."""
    assert image.labels, "only what carries our label is removed"
    for reference in image.tags or (image.id,):
        with translate_errors(f"remove the image {reference}"):
            try:
                client.api.remove_image(reference)
            except docker.errors.ImageNotFound:
                continue
            except docker.errors.APIError as error:
                if error.status_code != 409:  # used by a container or another image
                    raise


def _list_by_labels(client: docker.DockerClient, labels: list[str]) -> list[EngineImage]:
    with translate_errors("list our images"):
        ids = [entry["Id"] for entry in client.api.images(filters={"label": labels})]
    return [image for image in (find_image(client, image_id) for image_id in ids) if image is not None]


def _find_created_image(client: docker.DockerClient, reference: str) -> EngineImage:
    image = find_image(client, reference)
    if image is None:
        raise ContainerEngineError(f"the image {reference} was made and is gone", hint="try again")
    return image


def _remove_tag(reference: str) -> str:
    """Return ``name:tag@digest`` without its tag, which the engine would set otherwise."""
    named, _, digest = reference.partition("@")
    name, _, _ = named.rpartition(":")
    return f"{name or named}@{digest}"


def _read_output_lines(events: Iterable[Mapping[str, Any]], failed: str, last: deque[str]) -> Iterator[str]:
    """Yield a build's output line by line; raise an error at the end if the build failed."""
    for event in _check_events(events, failed, last):
        for raw in str(event.get("stream", "")).splitlines():
            line = raw.rstrip()
            if line:
                last.append(line)
                yield line


def _check_events(
    events: Iterable[Mapping[str, Any]], failed: str, last: Iterable[str] = ()
) -> Iterator[Mapping[str, Any]]:
    """Yield a stream's events; raise an error event at the stream's end, so that its connection is freed."""
    error = None
    for event in events:
        error = error or event.get("error")
        yield event
    if error is not None:
        lines = "".join(f"\n  {line}" for line in last)
        raise ContainerEngineError(f"{failed}: {str(error).strip()}{lines}")


def _parse_image(inspected: Mapping[str, Any]) -> EngineImage:
    labels = (inspected.get("Config") or {}).get("Labels") or {}
    prefix = f"{LABEL_PREFIX}."
    return EngineImage(
        id=str(inspected["Id"]),
        tags=tuple(inspected.get("RepoTags") or ()),
        layers=tuple((inspected.get("RootFS") or {}).get("Layers") or ()),
        labels={key.removeprefix(prefix): value for key, value in labels.items() if key.startswith(prefix)},
        bytes=int(inspected.get("Size") or 0),
        platform=f"{inspected.get('Os', '')}/{inspected.get('Architecture', '')}",
    )
