"""List what a bundle holds: for the working tree and for production's version, and for the services."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox import provisioner
from sandbox.errors import ConfigError
from sandbox.manifest.canonical_json import hash_json
from sandbox.project.code_files import build_code_reader, build_file_reader
from sandbox.project.committed_settings import build_version_project
from sandbox.project.lock_file import LOCK_FILE, read_lock
from sandbox.project.pipeline_run import open_code
from sandbox.project.services import services
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import pins, wheels
from sandbox.samples.catalog import MANIFEST_FILE, list_files
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Environment, Progress
    from sandbox.project.sample import SampleResult
    from sandbox.project.stack import Stack
    from sandbox.provisioner import StackRequest

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


@dataclass(frozen=True, kw_only=True)
class _VersionStack:
    """The stack of one version of the code, built."""

    request: StackRequest
    lock: LockDocument
    environment: Environment


def list_contents(project: Project, stack: Stack, drawn: SampleResult, progress: Progress) -> BundleContents:
    """Build the environments of both versions and the images of services, and return what a bundle holds.

    Raises:
        SandboxError: Something cannot be built.
    """
    contents = BundleContents()
    _add_sample(contents, drawn)
    current = _build_working_tree(project, stack, drawn, progress)
    contents.platform = current.environment.platform
    contents.locks[LOCK_FILE] = current.lock
    versions = [current]
    production = _build_production(project, stack, progress)
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


def _build_working_tree(project: Project, stack: Stack, drawn: SampleResult, progress: Progress) -> _VersionStack:
    environment = stack.build_project_environment(sample=drawn.sample.fingerprint, progress=progress)
    request = provisioner.build_request(project.settings.stack, build_file_reader(project, project.root))
    lock = read_lock(project)
    assert lock is not None, "the environment was built from it"
    return _VersionStack(request=request, lock=lock, environment=environment)


def _build_production(project: Project, stack: Stack, progress: Progress) -> _VersionStack | None:
    """Build the stack of production's version; None without such a version, which a diff needs and `create` does not."""
    ref = project.settings.pipeline.production
    try:
        version_project = build_version_project(project, ref)
        opened = open_code(version_project, ref)
        with opened as code:
            version_stack = dataclasses.replace(stack, project=version_project)
            request = provisioner.build_request(
                version_project.settings.stack, build_code_reader(version_project, code)
            )
            lock = version_stack.find_or_resolve_lock(request, code, progress)
            environment = version_stack.build_code_environment(code, progress=progress)
    except ConfigError as error:
        progress.print_message(f"warning: production's version is left out: {error.message}")
        return None
    return _VersionStack(request=request, lock=lock, environment=environment)


def _add_version(contents: BundleContents, version: _VersionStack, progress: Progress) -> None:
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
