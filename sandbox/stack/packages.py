"""Debian packages of an image: downloaded and verified by apt in a container of the base image, kept by their digests.

The build itself has no network: what it installs lies in its context.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from sandbox.containers import docker_once as once
from sandbox.errors import EngineError
from sandbox.manifest.canonical import digest, file_digest
from sandbox.stack import pins
from sandbox.store.folder import locked, staged, write

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.containers.docker_images import Client
    from sandbox.manifest.lock import BaseImage
    from sandbox.model import Progress

FILE = "packages.txt"
PINS = "pins.json"
NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")
# apt keeps what it downloaded in its own format; the archive's signatures are checked by `update`.
DOWNLOAD = (
    "set -e; apt-get -qq update; "
    "apt-get -qq install -y --no-install-recommends --download-only -o Dir::Cache::archives=/packages {names}; "
    "rm -rf /packages/partial /packages/lock; chmod -R a+rX /packages; chown -R {owner} /packages"
)


def named(image: str) -> tuple[str, ...]:
    """Give the packages that an image of ours asks for; none where it has no list."""
    file = pins.image_file(image, FILE)
    if not file.is_file():
        return ()
    names = tuple(file.read_text("utf-8").split())
    assert all(NAME.fullmatch(name) for name in names), "these names stand in a shell command"
    return names


def fetch(client: Client, image: str, base: BaseImage, *, home: Path, progress: Progress) -> Path:
    """Give the folder with an image's packages and all that they need beside the base, downloaded if it is not there.

    Raises:
        EngineError: Debian's archive cannot be reached from a container.
    """
    names = named(image)
    folder = home / "packages" / digest({"base": base.digest, "names": list(names)})
    with locked(folder):
        if not folder.is_dir():
            with progress.step(f"downloading {', '.join(names)} and what they need"), staged(folder) as made:
                _download(client, names, base, made)
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Give the SHA-256 (hex) of each package of a folder, by the file's name, as it was when it was downloaded."""
    found: dict[str, str] = json.loads((folder / PINS).read_text("utf-8"))
    return found


def changed(folder: Path) -> list[str]:
    """Give the packages of a folder that are no longer as they were downloaded."""
    return [
        name
        for name, sha256 in digests(folder).items()
        if not (folder / name).is_file() or file_digest(folder / name) != sha256
    ]


def _download(client: Client, names: tuple[str, ...], base: BaseImage, folder: Path) -> None:
    owner = f"{folder.stat().st_uid}:{folder.stat().st_gid}"
    ended = once.carry_out(
        client,
        base.reference,
        DOWNLOAD.format(names=" ".join(names), owner=owner),
        mounts={folder: "/packages"},
    )
    if ended.status or not list(folder.glob("*.deb")):
        raise EngineError(
            f"the packages {', '.join(names)} could not be downloaded: {ended.last_lines}",
            hint="a container needs to reach Debian's archive once; try again with a network",
        )
    found = {path.name: file_digest(path) for path in sorted(folder.glob("*.deb"))}
    write(folder / PINS, json.dumps(found, indent=1))
