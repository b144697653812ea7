"""Debian packages of an image: downloaded and verified by apt in a container of the base image, kept by their digests.

The build itself has no network: what it installs lies in its context. Which packages those are is in ``sandbox.lock``, once
somebody has made the image: from then on it is the same files, or a refusal that names what the archive has instead.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sandbox.containers.docker import build_step as once
from sandbox.containers.docker import images
from sandbox.containers.docker.client import connect, connected
from sandbox.errors import EngineError, FrozenError
from sandbox.manifest.canonical_json import digest, file_digest
from sandbox.manifest.lock import Package
from sandbox.model import is_own_image
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.lock import pins
from sandbox.store.folder import locked, publish, staging, write
from sandbox.store.leases import use

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sandbox.containers.docker.images import Client
    from sandbox.manifest.lock import BaseImage, Lock
    from sandbox.model import Progress

FILE = "packages.txt"
PINS = "pins.json"
POLICY = "policy"
NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")
# apt keeps what it downloaded in its own format; the archive's signatures are checked by `update`.
DOWNLOAD = (
    "set -e; apt-get -qq update -o APT::Update::Error-Mode=any; "
    "apt-get -qq install -y --no-install-recommends --download-only -o Dir::Cache::archives=/packages {wanted} || "
    "{{ status=$?; apt-cache policy {names} >/packages/" + POLICY + "; }}; "
    "rm -rf /packages/partial /packages/lock; chmod -R a+rX /packages; chown -R {owner} /packages; exit ${{status:-0}}"
)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Packages on this machine: their files lie in ``folder``, and these they are."""

    folder: Path
    packages: tuple[Package, ...]


def named(image: str) -> tuple[str, ...]:
    """Give the packages that an image of ours asks for; none where it has no list, or is the user's own."""
    file = pins.image_file(image, FILE)
    if not file.is_file():
        return ()
    names = tuple(file.read_text("utf-8").split())
    assert all(NAME.fullmatch(name) for name in names), "these names stand in a shell command"
    return names


def fetch(
    client: Client,
    image: str,
    base: BaseImage,
    *,
    wanted: Sequence[Package] | None,
    home: Path,
    progress: Progress,
    newest: bool = False,
) -> Fetched:
    """Give an image's packages and all that they need beside the base, downloaded if they are not there.

    Args:
        client: The engine.
        image: A folder of ``images/``.
        base: What they are beside of.
        wanted: What ``sandbox.lock`` says; None where it says nothing.
        home: Where they are kept.
        progress: Shows the download.
        newest: Without ``wanted``: ask the archive, although this home has some already.

    Raises:
        EngineError: Debian's archive cannot be reached from a container.
        FrozenError: The archive has other packages than ``wanted``; the message names each.
    """
    names = named(image)
    known = home / "packages" / f"{digest({'base': base.digest, 'names': list(names)})}.json"
    with locked(known):
        there = wanted if wanted is not None or newest else _remembered(known)
        if there is not None and use(folder := _place(home, there)):
            return Fetched(folder=folder, packages=tuple(there))
        with (
            staging(home / "packages", label=image) as made,
            progress.step(f"downloading {', '.join(names)} and what they need"),
        ):
            found = _download(client, names, wanted, base, made)
            if wanted is not None:
                _require(image, wanted, found, _policy(made))
            (made / POLICY).unlink(missing_ok=True)
            folder = _place(home, found)
            publish(made, folder)
        use(folder)
        if wanted is None:
            write(known, json.dumps([one.model_dump() for one in found], indent=1))
    return Fetched(folder=folder, packages=tuple(found))


def pinned(
    lock: Lock, image: str, *, home: Path, progress: Progress, newest: bool = False, frozen: bool = False
) -> Lock:
    """Give a lock with an image's packages for the engine's platform in it: the same lock where it has them.

    Args:
        lock: Of the stack.
        image: A folder of ``images/``, to run in or of a service.
        home: Where packages are kept.
        progress: Shows what is downloaded.
        newest: What the archive has now, whatever the lock says.
        frozen: Refuse to add them.

    Raises:
        EngineError: The engine does not answer, or a package cannot be had.
        FrozenError: ``frozen``, and the lock lacks them; or it has nothing for the engine's platform.
    """
    platform = images.platform(connected())
    entry = pins.entry(lock, platform)
    if image in entry.packages and not newest:
        return lock
    if frozen:
        raise lacking(image, platform)
    with contextlib.closing(connect()) as client:
        own = is_own_image(lock.inputs.image)
        asked = None if own else entry.base
        ground = bases.ensure(client, asked, home=home, progress=progress)
        found = fetch(
            client, image, ground, wanted=None, newest=newest, home=home, progress=progress
        ).packages
    named = dict(sorted({**entry.packages, image: list(found)}.items()))
    made = entry.model_copy(update={"base": entry.base if own else ground, "packages": named})
    return lock.model_copy(update={"platforms": {**lock.platforms, platform: made}})


def lacking(image: str, platform: str) -> FrozenError:
    """Give what is said where a lock has no packages of an image, and may not be completed."""
    return FrozenError(
        f"sandbox.lock has no packages for the image {image} on {platform}",
        hint="add them where it may change, and commit the file: sandbox lock",
    )


def lay_out(folder: Path, context: Path) -> None:
    """Copy what lies in a folder of packages to where an image is built.

    Raises:
        EngineError: A package is not what was downloaded.
    """
    if broken := changed(folder):
        raise EngineError(
            f"{folder / broken[0]} is not the package that was downloaded",
            hint=f"rm -r {folder}, then try again",
        )
    shutil.copytree(folder, context / "packages", ignore=shutil.ignore_patterns(PINS))


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


def _place(home: Path, packages: Iterable[Package]) -> Path:
    return home / "packages" / digest([one.model_dump() for one in packages])


def _remembered(known: Path) -> list[Package] | None:
    """Give what was the newest when this home last asked."""
    if not known.is_file():
        return None
    return [Package.model_validate(one) for one in json.loads(known.read_text("utf-8"))]


def _download(
    client: Client,
    names: Sequence[str],
    wanted: Sequence[Package] | None,
    base: BaseImage,
    folder: Path,
) -> list[Package]:
    """Let apt download into a folder; with ``wanted`` nothing but that, and where it cannot, what there is instead is told."""
    asked = names if wanted is None else [f"{one.name}={one.version}" for one in wanted]
    ended = once.carry_out(
        client,
        base.reference,
        DOWNLOAD.format(
            wanted=" ".join(asked),
            names=" ".join(names if wanted is None else [one.name for one in wanted]),
            owner=f"{folder.stat().st_uid}:{folder.stat().st_gid}",
        ),
        mounts={folder: "/packages"},
    )
    files = sorted(folder.glob("*.deb"))
    if not files and (wanted is None or not (folder / POLICY).is_file()):
        raise EngineError(
            f"the packages {', '.join(names)} could not be downloaded: {ended.last_lines}",
            hint="a container needs to reach Debian's archive once; try again with a network",
        )
    hashes = {path.name: file_digest(path) for path in files}
    write(folder / PINS, json.dumps(hashes, indent=1))
    return sorted((_package(name, sha256) for name, sha256 in hashes.items()), key=lambda one: one.name)


def _package(file: str, sha256: str) -> Package:
    name, version, _ = unquote(file).split("_")
    return Package(name=name, version=version, hash=f"sha256:{sha256}")


def _policy(folder: Path) -> dict[str, str]:
    """Give the version that the archive has of each package that apt was asked about."""
    if not (folder / POLICY).is_file():
        return {}
    found, name = {}, ""
    for line in (folder / POLICY).read_text("utf-8").splitlines():
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:"):
            found[name] = line.partition(":")[2].strip()
    return {name: version for name, version in found.items() if version != "(none)"}


def _require(image: str, wanted: Iterable[Package], found: Iterable[Package], there: dict[str, str]) -> None:
    """Make sure that what came is what the lock says."""
    came = {one.name: one for one in found}
    differing = []
    for one in wanted:
        now = came.pop(one.name, None)
        if now is None and there.get(one.name) != one.version:
            now_there = f"is {there[one.name]}" if one.name in there else "is there no more"
            differing.append(f"{one.name} {now_there}, and was {one.version}")
        elif now is not None and now.version != one.version:
            differing.append(f"{one.name} is {now.version}, and was {one.version}")
        elif now is not None and now.hash != one.hash:
            differing.append(f"{one.name} {one.version} is another file")
    differing += [f"{name} came in" for name in came]
    if differing or there:
        lines = "".join(f"\n  {line}" for line in differing or ["apt cannot install it together"])
        raise FrozenError(
            f"Debian's archive has other packages for the image {image} than sandbox.lock says:{lines}",
            hint="take what the archive has now, and commit the file: sandbox lock --upgrade",
        )
