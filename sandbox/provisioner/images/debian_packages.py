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
from sandbox.containers.docker.client import open_client, open_shared_client
from sandbox.errors import ContainerEngineError, FrozenMismatchError
from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.manifest.lock import LockedPackage
from sandbox.model import is_custom_image
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.lock import pins
from sandbox.store.folder import lock_path, make_staging_folder, publish_folder, write_file
from sandbox.store.leases import acquire_lease

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sandbox.containers.docker.images import Client
    from sandbox.manifest.lock import LockDocument, LockedImage
    from sandbox.model import Progress

PACKAGES_FILE = "packages.txt"
PINS_FILE = "pins.json"
POLICY_FILE = "policy"
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")
# apt keeps what it downloaded in its own format; the archive's signatures are checked by `update`.
DOWNLOAD_COMMAND = (
    "set -e; apt-get -qq update -o APT::Update::Error-Mode=any; "
    "apt-get -qq install -y --no-install-recommends --download-only -o Dir::Cache::archives=/packages {wanted} || "
    "{{ status=$?; apt-cache policy {names} >/packages/" + POLICY_FILE + "; }}; "
    "rm -rf /packages/partial /packages/lock; chmod -R a+rX /packages; chown -R {owner} /packages; exit ${{status:-0}}"
)


@dataclass(frozen=True, kw_only=True)
class PackageFolder:
    """Packages on this machine: their files lie in ``folder``, and these they are."""

    path: Path
    packages: tuple[LockedPackage, ...]


def list_package_names(image: str) -> tuple[str, ...]:
    """Give the packages that an image of ours asks for; none where it has no list, or is the user's own."""
    file = pins.find_image_file(image, PACKAGES_FILE)
    if not file.is_file():
        return ()
    names = tuple(file.read_text("utf-8").split())
    assert all(PACKAGE_NAME.fullmatch(name) for name in names), "these names stand in a shell command"
    return names


def fetch_packages(
    client: Client,
    image: str,
    base: LockedImage,
    *,
    wanted: Sequence[LockedPackage] | None,
    home: Path,
    progress: Progress,
    newest: bool = False,
) -> PackageFolder:
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
    names = list_package_names(image)
    known = home / "packages" / f"{hash_json({'base': base.digest, 'names': list(names)})}.json"
    with lock_path(known):
        there = wanted if wanted is not None or newest else _read_latest_packages(known)
        if there is not None and acquire_lease(folder := _build_folder_path(home, there)):
            return PackageFolder(path=folder, packages=tuple(there))
        with (
            make_staging_folder(home / "packages", label=image) as made,
            progress.step(f"downloading {', '.join(names)} and what they need"),
        ):
            found = _download_packages(client, names, wanted, base, made)
            if wanted is not None:
                _check_packages(image, wanted, found, _read_policy(made))
            (made / POLICY_FILE).unlink(missing_ok=True)
            folder = _build_folder_path(home, found)
            publish_folder(made, folder)
        acquire_lease(folder)
        if wanted is None:
            write_file(known, json.dumps([one.model_dump() for one in found], indent=1))
    return PackageFolder(path=folder, packages=tuple(found))


def pin_packages(
    lock: LockDocument,
    image: str,
    *,
    home: Path,
    progress: Progress,
    newest: bool = False,
    frozen: bool = False,
) -> LockDocument:
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
    platform = images.read_platform(open_shared_client())
    entry = pins.find_platform_entry(lock, platform)
    if image in entry.packages and not newest:
        return lock
    if frozen:
        raise explain_missing_packages(image, platform)
    with contextlib.closing(open_client()) as client:
        own = is_custom_image(lock.inputs.image)
        asked = None if own else entry.base
        ground = bases.ensure_base(client, asked, home=home, progress=progress)
        found = fetch_packages(client, image, ground, wanted=None, newest=newest, home=home, progress=progress).packages
    named = dict(sorted({**entry.packages, image: list(found)}.items()))
    made = entry.model_copy(update={"base": entry.base if own else ground, "packages": named})
    return lock.model_copy(update={"platforms": {**lock.platforms, platform: made}})


def explain_missing_packages(image: str, platform: str) -> FrozenMismatchError:
    """Give what is said where a lock has no packages of an image, and may not be completed."""
    return FrozenMismatchError(
        f"sandbox.lock has no packages for the image {image} on {platform}",
        hint="add them where it may change, and commit the file: sandbox lock",
    )


def copy_packages(folder: Path, context: Path) -> None:
    """Copy what lies in a folder of packages to where an image is built.

    Raises:
        EngineError: A package is not what was downloaded.
    """
    if broken := find_changed_packages(folder):
        raise ContainerEngineError(
            f"{folder / broken[0]} is not the package that was downloaded",
            hint=f"rm -r {folder}, then try again",
        )
    shutil.copytree(folder, context / "packages", ignore=shutil.ignore_patterns(PINS_FILE))


def read_digests(folder: Path) -> dict[str, str]:
    """Give the SHA-256 (hex) of each package of a folder, by the file's name, as it was when it was downloaded."""
    found: dict[str, str] = json.loads((folder / PINS_FILE).read_text("utf-8"))
    return found


def find_changed_packages(folder: Path) -> list[str]:
    """Give the packages of a folder that are no longer as they were downloaded."""
    return [
        name
        for name, sha256 in read_digests(folder).items()
        if not (folder / name).is_file() or hash_file(folder / name) != sha256
    ]


def _build_folder_path(home: Path, packages: Iterable[LockedPackage]) -> Path:
    return home / "packages" / hash_json([one.model_dump() for one in packages])


def _read_latest_packages(known: Path) -> list[LockedPackage] | None:
    """Give what was the newest when this home last asked."""
    if not known.is_file():
        return None
    return [LockedPackage.model_validate(one) for one in json.loads(known.read_text("utf-8"))]


def _download_packages(
    client: Client,
    names: Sequence[str],
    wanted: Sequence[LockedPackage] | None,
    base: LockedImage,
    folder: Path,
) -> list[LockedPackage]:
    """Let apt download into a folder; with ``wanted`` nothing but that, and where it cannot, what there is instead is told."""
    asked = names if wanted is None else [f"{one.name}={one.version}" for one in wanted]
    ended = once.run_build_step(
        client,
        base.reference,
        DOWNLOAD_COMMAND.format(
            wanted=" ".join(asked),
            names=" ".join(names if wanted is None else [one.name for one in wanted]),
            owner=f"{folder.stat().st_uid}:{folder.stat().st_gid}",
        ),
        mounts={folder: "/packages"},
    )
    files = sorted(folder.glob("*.deb"))
    if not files and (wanted is None or not (folder / POLICY_FILE).is_file()):
        raise ContainerEngineError(
            f"the packages {', '.join(names)} could not be downloaded: {ended.last_lines}",
            hint="a container needs to reach Debian's archive once; try again with a network",
        )
    hashes = {path.name: hash_file(path) for path in files}
    write_file(folder / PINS_FILE, json.dumps(hashes, indent=1))
    return sorted((_parse_package(name, sha256) for name, sha256 in hashes.items()), key=lambda one: one.name)


def _parse_package(file: str, sha256: str) -> LockedPackage:
    name, version, _ = unquote(file).split("_")
    return LockedPackage(name=name, version=version, hash=f"sha256:{sha256}")


def _read_policy(folder: Path) -> dict[str, str]:
    """Give the version that the archive has of each package that apt was asked about."""
    if not (folder / POLICY_FILE).is_file():
        return {}
    found, name = {}, ""
    for line in (folder / POLICY_FILE).read_text("utf-8").splitlines():
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:"):
            found[name] = line.partition(":")[2].strip()
    return {name: version for name, version in found.items() if version != "(none)"}


def _check_packages(
    image: str, wanted: Iterable[LockedPackage], found: Iterable[LockedPackage], there: dict[str, str]
) -> None:
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
        raise FrozenMismatchError(
            f"Debian's archive has other packages for the image {image} than sandbox.lock says:{lines}",
            hint="take what the archive has now, and commit the file: sandbox lock --upgrade",
        )
