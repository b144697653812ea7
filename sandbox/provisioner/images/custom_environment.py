"""Custom images as environments: found or built, then checked against the requirements of runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.containers.docker.client import open_client
from sandbox.errors import ContainerEngineError
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.lock import LockedImage
from sandbox.model import Environment
from sandbox.provisioner import environment_id
from sandbox.provisioner.doctor.check import DoctorCheck, fail_check, pass_check, run_check, skip_check
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images import contract
from sandbox.provisioner.images.dockerfile import BASE_ARGUMENT
from sandbox.provisioner.lock import pins
from sandbox.store.folder import lock_path, make_staging_folder, translate_os_errors
from sandbox.store.leases import acquire_lease

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Progress
    from sandbox.provisioner.images.custom_image import CustomImage

IMAGE_CHECK = "own image"
BUILD_TIMEOUT_SECONDS = 1800  # for one build step


def ensure_custom_environment(
    custom: CustomImage,
    lock: LockDocument,
    *,
    python: bool,
    home: Path,
    progress: Progress,
    frozen: bool = False,
) -> Environment:
    """Return the environment of a custom image, built if necessary (see `sandbox.provisioner.environments`).

    ``python``: whether runs need a ``python`` in it. Completed checks are recorded in ``home``.

    Raises:
        ContainerEngineError: The image or one it builds on is missing, the build failed, or the image does not meet the
            requirements of runs.
    """
    with contextlib.closing(open_client()) as client:
        platform = images.read_platform(client)
        wanted_base = pins.find_platform_entry(lock, platform).base
        if custom.dockerfile_inputs is None:
            environment = _ensure_named_image(client, custom, platform, pull=progress)
        else:
            base_images = _ensure_bases(client, custom, wanted_base, home=home, progress=progress, frozen=frozen)
            environment = _describe_environment(custom, platform, base_images)
            with lock_path(home / "images" / environment.id[:16]):
                if images.find_image(client, environment.reference) is None:
                    _build_image(client, custom, environment, base_images, home=home, progress=progress)
        path = home / "images" / environment.id
        if not acquire_lease(path):
            with progress.step(f"testing {custom.name}"):
                contract.check_contract(client, environment, custom_image=custom, python=python, home=home)
            with translate_os_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            acquire_lease(path)
    return environment


def run_custom_image_checks(
    custom: CustomImage, lock: LockDocument | None, *, python: bool, home: Path
) -> list[DoctorCheck]:
    """Check that a custom image is present and usable for runs; nothing is built or pulled."""

    def check_presence() -> DoctorCheck:
        built = _find_environment(client, custom, lock)
        if built is None:
            return fail_check(IMAGE_CHECK, f"{custom.name} is not built yet", "sandbox create")
        return pass_check(IMAGE_CHECK, built.reference)

    try:
        with contextlib.closing(open_client()) as client:
            presence = run_check(IMAGE_CHECK, check_presence)
            if not presence.ok:
                return [presence]
            environment = _find_environment(client, custom, lock)
            assert environment is not None
            return [presence, *contract.run_contract_checks(client, environment, python=python, home=home)]
    except ContainerEngineError as error:
        return [skip_check(IMAGE_CHECK, error.message)]


def _find_environment(client: images.Client, custom: CustomImage, lock: LockDocument | None) -> Environment | None:
    """Return the environment if the container engine holds its image."""
    platform = images.read_platform(client)
    if custom.dockerfile_inputs is None:
        return _ensure_named_image(client, custom, platform, pull=None)
    entry = lock.platforms.get(platform) if lock else None
    environment = _describe_environment(
        custom, platform, find_base_images(client, custom, entry.base if entry else None)
    )
    return environment if images.find_image(client, environment.reference) else None


def _ensure_named_image(
    client: images.Client, custom: CustomImage, platform: str, pull: Progress | None
) -> Environment:
    """Return the environment of an image by name; only an image named by digest may be pulled."""
    image = images.find_image(client, custom.name)
    if image is None and pull and "@sha256:" in custom.name and images.is_in_registry(client, custom.name):
        with pull.step(f"pulling {custom.name.partition('@')[0]}", unit="bytes") as advance:
            image = images.pull_image(client, custom.name, advance)
    if image is None:
        raise ContainerEngineError(
            f"the engine does not hold the image {custom.name} that stack.image names, and nothing is pulled implicitly",
            hint=f"docker pull {custom.name}\nor build it: docker build --tag {custom.name.partition('@')[0]} .",
        )
    if image.platform != platform:
        raise ContainerEngineError(
            f"the image {custom.name} is for {image.platform}, and the engine's containers are {platform}",
            hint=f"docker pull --platform {platform} {custom.name}",
        )
    return _describe_named_image(custom, image, reference=images.find_local_name(client, custom.name))


def _describe_named_image(custom: CustomImage, image: images.EngineImage, *, reference: str) -> Environment:
    content = hash_json({"builder": environment_id.BUILDER_VERSION, "layers": list(image.layers)})
    return Environment(
        id=content, runtime="docker", reference=reference, platform=image.platform, python="", base=custom.name
    )


def _ensure_bases(
    client: images.Client,
    custom: CustomImage,
    locked: LockedImage | None,
    *,
    home: Path,
    progress: Progress,
    frozen: bool,
) -> list[LockedImage]:
    """Return the base images of a Dockerfile, which must be present; only sandbox's own base is pulled or built."""
    assert custom.dockerfile_inputs is not None
    if custom.dockerfile_inputs.uses_sandbox_base:
        ours = locked if locked and (locked.reference == bases.LOCAL_BASE or "@" in locked.reference) else None
        bases.ensure_base(client, ours, home=home, progress=progress, frozen=frozen)
    return find_base_images(client, custom, locked)


def find_base_images(client: images.Client, custom: CustomImage, locked_base: LockedImage | None) -> list[LockedImage]:
    """Return the images that a custom image is built on; none for an image by name.

    Raises:
        ContainerEngineError: The container engine does not hold one.
    """
    base_images: list[LockedImage] = []
    if custom.dockerfile_inputs is None:
        return base_images
    if custom.dockerfile_inputs.uses_sandbox_base and (base := bases.find_base(client, locked_base)) is not None:
        base_images.append(base)
    for name in custom.dockerfile_inputs.images:
        image = images.find_image(client, name)
        if image is None:
            raise ContainerEngineError(
                f"{custom.name} builds on {name}, which the engine does not hold, and nothing is pulled implicitly",
                hint=f"docker pull {name}",
            )
        base_images.append(LockedImage(reference=name, digest="sha256:" + hash_json(list(image.layers))))
    return base_images


def _describe_environment(custom: CustomImage, platform: str, base_images: list[LockedImage]) -> Environment:
    identifier = hash_json(
        {
            "builder": environment_id.BUILDER_VERSION,
            "own": custom.digest,
            "bases": [base.digest for base in base_images],
            "platform": platform,
        }
    )
    first = next(iter(base_images), None)
    return Environment(
        id=identifier,
        runtime="docker",
        reference=f"sandbox/own:{identifier[:16]}",
        platform=platform,
        python="",
        base=f"{first.reference.partition('@')[0]}@{first.digest}" if first else "scratch",
    )


def _build_image(
    client: images.Client,
    custom: CustomImage,
    environment: Environment,
    base_images: list[LockedImage],
    *,
    home: Path,
    progress: Progress,
) -> None:
    labels = {
        "managed": "true",
        "role": "image",
        "image": "own",
        "environment": environment.id,
        "base": environment.base,
        "schema": str(environment_id.BUILDER_VERSION),
    }
    with translate_os_errors(home), make_staging_folder(home, label="build") as context:
        for path, content in custom.files.items():
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            (context / path).write_bytes(content)
        client.api.timeout = BUILD_TIMEOUT_SECONDS
        try:
            with progress.step(f"building {custom.name}"):
                images.build_image(
                    client,
                    context,
                    tag=environment.reference,
                    arguments={BASE_ARGUMENT: images.find_local_name(client, base_images[0].reference)}
                    if custom.dockerfile_inputs and custom.dockerfile_inputs.uses_sandbox_base
                    else {},
                    labels=labels,
                    step=lambda _: None,
                    network=custom.network,
                )
        except ContainerEngineError as error:
            if custom.network or "RUN" not in error.message:
                raise
            raise ContainerEngineError(
                error.message,
                hint='images are built with no network; if a step needs one: build_network = "default" in [stack]',
            ) from error
