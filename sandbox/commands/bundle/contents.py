"""List what a bundle holds: for the working tree and for production's version, and for the services."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.manifest.canonical_json import hash_json
from sandbox.project.lock_file import LOCK_FILE
from sandbox.project.services import services
from sandbox.project.version_stack import build_production_stack, build_working_tree_stack
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import pins, wheels
from sandbox.samples.catalog import MANIFEST_FILE, list_files
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Progress
    from sandbox.project.sample import SampleResult
    from sandbox.project.stack import Stack
    from sandbox.project.version_stack import VersionStack

SAMPLES_FOLDER, WHEELS_FOLDER, PACKAGES_FOLDER, LOCKS_FOLDER = "samples", "wheels", "packages", "locks"


@dataclass(kw_only=True)
class BundleContents:
    """What a bundle holds.

    Attributes:
        platform: The platform of images and wheels.
        files: Files of the home, by their paths in it.
        locks: Locks by path in the bundle: ``sandbox.lock``, and those of versions without one of their own.
        images: Names of images.
    """

    platform: str = ""
    files: dict[str, Path] = field(default_factory=dict)
    locks: dict[str, LockDocument] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)


def list_contents(project: Project, stack: Stack, drawn: SampleResult, progress: Progress) -> BundleContents:
    """Build the environments of both versions and the images of services, and return what a bundle holds.

    Raises:
        SandboxError: Something cannot be built.
    """
    contents = BundleContents()
    _add_sample(contents, drawn)
    current = build_working_tree_stack(project, stack, drawn.sample.fingerprint, progress)
    contents.platform = current.environment.platform
    contents.locks[LOCK_FILE] = current.lock
    versions = [current]
    production = build_production_stack(project, stack, progress)
    if production is not None:
        versions.append(production)
        if production.lock.inputs != current.lock.inputs:
            name = hash_json(production.lock.inputs.model_dump())
            contents.locks[f"{LOCKS_FOLDER}/{name}.json"] = production.lock
    for version in versions:
        _add_version(contents, version, progress)
    if stack.runtime.name == "docker":
        _add_services(contents, project, stack, current.lock, progress)
    return contents


def _add_sample(contents: BundleContents, drawn: SampleResult) -> None:
    path = drawn.sample.path
    for name in (MANIFEST_FILE, *(file.path for file in list_files(drawn.manifest))):
        contents.files[f"{SAMPLES_FOLDER}/{path.name}/{name}"] = path / name


def _add_version(contents: BundleContents, version: VersionStack, progress: Progress) -> None:
    request, environment = version.request, version.environment
    if environment.runtime == "docker":
        from sandbox.provisioner.images import required_images  # noqa: PLC0415 - the SDK is slow to import

        contents.images |= required_images.list_required_images(request, version.lock, environment)
        target = pins.InstallTarget(platform=environment.platform, python=request.python, in_container=True)
    else:
        target = interpreters.build_host_target(request.python)
    entry = pins.find_platform_entry(version.lock, pins.format_platform_key(target, request.python))
    for wheel in wheels.fetch_wheels(entry.libraries, target, home=find_home_folder(), progress=progress):
        contents.files[f"{WHEELS_FOLDER}/{wheel.parent.name}/{wheel.name}"] = wheel
    if environment.runtime == "docker":
        _add_packages(contents, version.lock)


def _add_services(
    contents: BundleContents, project: Project, stack: Stack, lock: LockDocument, progress: Progress
) -> None:
    service_images = services.build_service_images(project, frozen=stack.frozen, progress=progress)
    if service_images:
        from sandbox.provisioner.images import required_images  # noqa: PLC0415 - the SDK is slow to import

        contents.images |= service_images | required_images.list_service_bases(lock, contents.platform)


def _add_packages(contents: BundleContents, lock: LockDocument) -> None:
    from sandbox.provisioner.images import debian_packages  # noqa: PLC0415 - the SDK is slow to import

    for packages in lock.platforms[contents.platform].packages.values():
        folder = debian_packages.resolve_packages_path(find_home_folder(), packages)
        if folder.is_dir():  # else the image was built on another machine
            for path in sorted(folder.iterdir()):
                contents.files[f"{PACKAGES_FOLDER}/{folder.name}/{path.name}"] = path
