"""Images of services: the base, Debian's packages and files of ours, built with no network."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.containers import docker_images as images
from sandbox.containers.docker_client import connect
from sandbox.errors import EngineError
from sandbox.manifest.canonical import digest, file_digest
from sandbox.stack import base as bases
from sandbox.stack import identity, packages
from sandbox.store import places
from sandbox.store.folder import locked, reported

if TYPE_CHECKING:
    from sandbox.manifest.lock import BaseImage
    from sandbox.model import Progress

BUILD_SECONDS = 1800  # for the engine to answer while a step of a build runs


@dataclass(frozen=True, kw_only=True)
class ServiceImage:
    """An image that the engine holds, and the SHA-256 (hex) of all that it was made of."""

    reference: str
    id: str


def make(name: str, *, home: Path, progress: Progress, base: BaseImage | None = None) -> ServiceImage:
    """Give the image of a service, building it if it is not there.

    Args:
        name: A folder of ``images/``.
        home: Where packages are kept.
        progress: Shows what is made; silent when everything is there.
        base: The base image that ``sandbox.lock`` names, if it names one.

    Raises:
        EngineError: The engine does not answer, a package cannot be had, or the build fails.
    """
    with contextlib.closing(connect()) as client:
        ground = bases.ensure(client, base, home=home, progress=progress)
        folder = packages.fetch(client, name, ground, home=home, progress=progress)
        wanted = _wanted(name, ground, packages.digests(folder))
        if images.find(client, wanted.reference) is None:
            with locked(home / "images" / wanted.id[:16]):
                if images.find(client, wanted.reference) is None:
                    _build(client, name, ground, folder, wanted, home=home, progress=progress)
    return wanted


def _wanted(name: str, base: BaseImage, contents: dict[str, str]) -> ServiceImage:
    own = places.packaged("images") / name
    files = {path.name: file_digest(path) for path in sorted(own.iterdir()) if path.is_file()}
    identifier = digest(
        {"builder": identity.BUILDER, "base": base.digest, "files": files, "packages": contents}
    )
    return ServiceImage(reference=f"sandbox/{name}:{identifier[:16]}", id=identifier)


def _build(
    client: images.Client,
    name: str,
    base: BaseImage,
    folder: Path,
    wanted: ServiceImage,
    *,
    home: Path,
    progress: Progress,
) -> None:
    if broken := packages.changed(folder):
        raise EngineError(
            f"{folder / broken[0]} is not the package that was downloaded",
            hint=f"rm -r {folder}, then try again",
        )
    own = places.packaged("images") / name
    with reported(home), tempfile.TemporaryDirectory(prefix=".build-", dir=home) as scratch:
        context = Path(scratch)
        for path in own.iterdir():
            if path.is_file():
                shutil.copy(path, context)
        shutil.copytree(folder, context / "packages", ignore=shutil.ignore_patterns(packages.PINS))
        labels = {
            "managed": "true",
            "role": "image",
            "image": name,
            "environment": wanted.id,
            "base": f"{base.reference.partition('@')[0]}@{base.digest}",
            "schema": str(identity.BUILDER),
        }
        client.api.timeout = BUILD_SECONDS
        try:
            with progress.step(f"building {wanted.reference}"):
                images.build(
                    client,
                    context,
                    tag=wanted.reference,
                    arguments={"BASE": base.reference, "ENVIRONMENT": wanted.id},
                    labels=labels,
                    step=lambda _: None,
                )
        finally:
            for stage in images.stages(client, wanted.id):
                images.remove(client, stage)
