"""Debian packages of an image: downloaded and verified by apt in a container of the base image, stored by digest.

The build itself has no network: packages are in its context. Once an image is built, ``sandbox.lock`` lists the
packages. Later builds use the same files, or are refused with the archive's current versions.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sandbox.containers.docker import build_step, images
from sandbox.containers.docker.client import open_client, open_shared_client
from sandbox.errors import ContainerEngineError, FrozenMismatchError, StoreError
from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.manifest.json_reader import parse_json, read_document_text
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
# apt stores downloads in its own format; `update` checks the archive's signatures.
DOWNLOAD_COMMAND = (
    "set -e; apt-get -qq update -o APT::Update::Error-Mode=any; "
    "apt-get -qq install -y --no-install-recommends --download-only -o Dir::Cache::archives=/packages {wanted} || "
    "{{ status=$?; apt-cache policy {names} >/packages/" + POLICY_FILE + "; }}; "
    "rm -rf /packages/partial /packages/lock; chmod -R a+rX /packages; chown -R {owner} /packages; exit ${{status:-0}}"
)


@dataclass(frozen=True, kw_only=True)
class PackageFolder:
    """A folder of downloaded packages."""

    path: Path
    packages: tuple[LockedPackage, ...]


def list_package_names(image: str) -> tuple[str, ...]:
    """Return the packages requested by an image of sandbox; empty for an image without a list, or a custom one."""
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
    locked: Sequence[LockedPackage] | None,
    home: Path,
    progress: Progress,
    newest: bool = False,
) -> PackageFolder:
    """Return an image's packages with their dependencies missing in the base, downloaded if necessary.

    ``locked`` are the packages in ``sandbox.lock``, if any. Without them, ``newest`` queries the archive even if
    packages are stored.

    Raises:
        ContainerEngineError: Debian's archive cannot be reached from a container.
        FrozenMismatchError: The archive's packages differ from ``locked``; the message names each.
    """
    names = list_package_names(image)
    known = home / "packages" / f"{hash_json({'base': base.digest, 'names': list(names)})}.json"
    with lock_path(known):
        packages = locked if locked is not None or newest else _read_latest_packages(known)
        if packages is not None and acquire_lease(folder := resolve_packages_path(home, packages)):
            return PackageFolder(path=folder, packages=tuple(packages))
        with (
            make_staging_folder(home / "packages", label=image) as staging,
            progress.step(f"downloading {', '.join(names)} and what they need"),
        ):
            downloaded = _download_packages(client, names, locked, base, staging)
            if locked is not None:
                _check_packages(image, locked, downloaded, _read_policy(staging))
            (staging / POLICY_FILE).unlink(missing_ok=True)
            folder = resolve_packages_path(home, downloaded)
            publish_folder(staging, folder)
        acquire_lease(folder)
        if locked is None:
            write_file(known, json.dumps([package.model_dump() for package in downloaded], indent=1))
    return PackageFolder(path=folder, packages=tuple(downloaded))


def pin_packages(
    lock: LockDocument,
    image: str,
    *,
    home: Path,
    progress: Progress,
    newest: bool = False,
    frozen: bool = False,
) -> LockDocument:
    """Return a lock with an image's packages for the container engine's platform; the same lock if it has them.

    ``newest`` takes the archive's current versions, ignoring the lock.

    Raises:
        ContainerEngineError: The container engine does not answer, or a package is not available.
        FrozenMismatchError: ``frozen``, and the lock lacks them; or it has no entry for the platform.
    """
    platform = images.read_platform(open_shared_client())
    entry = pins.find_platform_entry(lock, platform)
    if image in entry.packages and not newest:
        return lock
    if frozen:
        raise explain_missing_packages(image, platform)
    with contextlib.closing(open_client()) as client:
        is_custom = is_custom_image(lock.inputs.image)
        locked_base = None if is_custom else entry.base
        base = bases.ensure_base(client, locked_base, home=home, progress=progress)
        packages = fetch_packages(
            client, image, base, locked=None, newest=newest, home=home, progress=progress
        ).packages
    named = dict(sorted({**entry.packages, image: list(packages)}.items()))
    pinned = entry.model_copy(update={"base": entry.base if is_custom else base, "packages": named})
    return lock.model_copy(update={"platforms": {**lock.platforms, platform: pinned}})


def explain_missing_packages(image: str, platform: str) -> FrozenMismatchError:
    """Return the error for a lock without an image's packages that must not be changed."""
    return FrozenMismatchError(
        f"sandbox.lock has no packages for the image {image} on {platform}",
        hint="add them where it may change, and commit the file: sandbox lock",
    )


def copy_packages(folder: Path, context: Path) -> None:
    """Copy a folder of packages into a build context.

    Raises:
        ContainerEngineError: A package changed since its download.
    """
    if broken := find_changed_packages(folder):
        raise ContainerEngineError(
            f"{folder / broken[0]} is not the package that was downloaded",
            hint=f"rm -r {folder}, then try again",
        )
    shutil.copytree(folder, context / "packages", ignore=shutil.ignore_patterns(PINS_FILE))


def read_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 (hex) of each package of a folder at download, by file name."""
    path = folder / PINS_FILE
    digests: dict[str, str] = parse_json(read_document_text(path, name="document"), name=str(path))
    return digests


def find_changed_packages(folder: Path) -> list[str]:
    """Return the packages of a folder that changed since their download."""
    return [
        name
        for name, sha256 in read_digests(folder).items()
        if not (folder / name).is_file() or hash_file(folder / name) != sha256
    ]


def resolve_packages_path(home: Path, packages: Iterable[LockedPackage]) -> Path:
    """Return the folder of an image's packages, whether it exists or not."""
    return home / "packages" / hash_json([package.model_dump() for package in packages])


def compute_folder_name(folder: Path) -> str:
    """Return the name of a folder of packages by its contents.

    Raises:
        StoreError: A file has another digest than the folder's list, or is not in it.
    """
    digests = read_digests(folder)
    unlisted = {path.name for path in folder.iterdir()} - digests.keys() - {PINS_FILE}
    if broken := [*find_changed_packages(folder), *unlisted]:
        raise StoreError(f"{broken[0]} is not the package that was downloaded")
    packages = sorted((_parse_package(name, sha256) for name, sha256 in digests.items()), key=lambda item: item.name)
    return resolve_packages_path(folder, packages).name


def _read_latest_packages(known: Path) -> list[LockedPackage] | None:
    """Return the newest packages known from this home's last query."""
    if not known.is_file():
        return None
    packages = parse_json(read_document_text(known, name="document"), name=str(known))
    return [LockedPackage.model_validate(package) for package in packages]


def _download_packages(
    client: Client,
    names: Sequence[str],
    locked: Sequence[LockedPackage] | None,
    base: LockedImage,
    folder: Path,
) -> list[LockedPackage]:
    """Download packages with apt into a folder; with ``locked`` only those versions, or else a list of available ones."""
    specifiers = names if locked is None else [f"{package.name}={package.version}" for package in locked]
    ended = build_step.run_build_step(
        client,
        base.reference,
        DOWNLOAD_COMMAND.format(
            wanted=" ".join(specifiers),
            names=" ".join(names if locked is None else [package.name for package in locked]),
            owner=f"{folder.stat().st_uid}:{folder.stat().st_gid}",
        ),
        mounts={folder: "/packages"},
    )
    files = sorted(folder.glob("*.deb"))
    if not files and (locked is None or not (folder / POLICY_FILE).is_file()):
        raise ContainerEngineError(
            f"the packages {', '.join(names)} could not be downloaded: {ended.last_lines}",
            hint="a container needs to reach Debian's archive once; try again with a network",
        )
    hashes = {path.name: hash_file(path) for path in files}
    write_file(folder / PINS_FILE, json.dumps(hashes, indent=1))
    return sorted((_parse_package(name, sha256) for name, sha256 in hashes.items()), key=lambda package: package.name)


def _parse_package(file: str, sha256: str) -> LockedPackage:
    name, version, _ = unquote(file).split("_")
    return LockedPackage(name=name, version=version, hash=f"sha256:{sha256}")


def _read_policy(folder: Path) -> dict[str, str]:
    """Return the archive's version of each queried package."""
    if not (folder / POLICY_FILE).is_file():
        return {}
    versions, name = {}, ""
    for line in (folder / POLICY_FILE).read_text("utf-8").splitlines():
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:"):
            versions[name] = line.partition(":")[2].strip()
    return {name: version for name, version in versions.items() if version != "(none)"}


def _check_packages(
    image: str, locked: Iterable[LockedPackage], downloads: Iterable[LockedPackage], available: dict[str, str]
) -> None:
    """Check that the downloaded packages match the lock."""
    downloaded = {package.name: package for package in downloads}
    differing = []
    for package in locked:
        now = downloaded.pop(package.name, None)
        if now is None and available.get(package.name) != package.version:
            state = f"is {available[package.name]}" if package.name in available else "is there no more"
            differing.append(f"{package.name} {state}, and was {package.version}")
        elif now is not None and now.version != package.version:
            differing.append(f"{package.name} is {now.version}, and was {package.version}")
        elif now is not None and now.hash != package.hash:
            differing.append(f"{package.name} {package.version} is another file")
    differing += [f"{name} came in" for name in downloaded]
    if differing or available:
        lines = "".join(f"\n  {line}" for line in differing or ["apt cannot install it together"])
        raise FrozenMismatchError(
            f"Debian's archive has other packages for the image {image} than sandbox.lock says:{lines}",
            hint="take what the archive has now, and commit the file: sandbox lock --upgrade",
        )
