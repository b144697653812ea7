"""An image of the user's own as an environment: found or built, and held to what a run asks of every image."""

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
BUILD_TIMEOUT_SECONDS = 1800  # for the engine to answer while a step of a build runs


def ensure_custom_environment(
    own: CustomImage,
    lock: LockDocument,
    *,
    python: bool,
    home: Path,
    progress: Progress,
    frozen: bool = False,
) -> Environment:
    """Give the environment of an own image, building it if it is not there (see `sandbox.provisioner.environment`).

    Args:
        own: The image.
        lock: What it was resolved to.
        python: Whether runs need a ``python`` in it.
        home: Where it is kept what was checked already.
        progress: Shows what is made; silent when everything is there.
        frozen: Refuse another base image than the lock names.

    Raises:
        EngineError: The engine does not hold it, or what it builds on; the build failed; or it does not do what a run
            asks of an image.
    """
    with contextlib.closing(open_client()) as client:
        platform = images.read_platform(client)
        wanted_base = pins.find_platform_entry(lock, platform).base
        if own.dockerfile_inputs is None:
            found = _ensure_named_image(client, own, platform, pull=progress)
        else:
            ground = _ensure_bases(client, own, wanted_base, home=home, progress=progress, frozen=frozen)
            found = _describe_environment(own, platform, ground)
            with lock_path(home / "images" / found.id[:16]):
                if images.find_image(client, found.reference) is None:
                    _build_image(client, own, found, ground, home=home, progress=progress)
        place = home / "images" / found.id
        if not acquire_lease(place):
            with progress.step(f"trying what runs ask of {own.name}"):
                contract.check_contract(client, found, own=own, python=python, home=home)
            with translate_os_errors(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            acquire_lease(place)
    return found


def run_custom_image_checks(
    own: CustomImage, lock: LockDocument | None, *, python: bool, home: Path
) -> list[DoctorCheck]:
    """Check that an own image is there and does what a run asks; nothing is built or pulled."""

    def check_presence() -> DoctorCheck:
        found = _find_environment(client, own, lock)
        if found is None:
            return fail_check(IMAGE_CHECK, f"{own.name} is not built yet", "sandbox create")
        return pass_check(IMAGE_CHECK, found.reference)

    try:
        with contextlib.closing(open_client()) as client:
            there = run_check(IMAGE_CHECK, check_presence)
            if not there.ok:
                return [there]
            environment = _find_environment(client, own, lock)
            assert environment is not None
            return [there, *contract.run_contract_checks(client, environment, python=python, home=home)]
    except ContainerEngineError as error:
        return [skip_check(IMAGE_CHECK, error.message)]


def _find_environment(client: images.Client, own: CustomImage, lock: LockDocument | None) -> Environment | None:
    """Give the environment if the engine holds its image already."""
    platform = images.read_platform(client)
    if own.dockerfile_inputs is None:
        return _ensure_named_image(client, own, platform, pull=None)
    entry = lock.platforms.get(platform) if lock else None
    wanted = _describe_environment(own, platform, _find_bases(client, own, entry.base if entry else None))
    return wanted if images.find_image(client, wanted.reference) else None


def _ensure_named_image(client: images.Client, own: CustomImage, platform: str, pull: Progress | None) -> Environment:
    """Give the environment of an image by name. Only what a digest names is pulled, if anything is."""
    image = images.find_image(client, own.name)
    if image is None and pull and "@sha256:" in own.name and images.is_in_registry(client, own.name):
        with pull.step(f"pulling {own.name.partition('@')[0]}", unit="bytes") as advance:
            image = images.pull_image(client, own.name, advance)
    if image is None:
        raise ContainerEngineError(
            f"the engine does not hold the image {own.name} that stack.image names, and nothing is pulled implicitly",
            hint=f"docker pull {own.name}\nor build it: docker build --tag {own.name.partition('@')[0]} .",
        )
    if image.platform != platform:
        raise ContainerEngineError(
            f"the image {own.name} is for {image.platform}, and the engine's containers are {platform}",
            hint=f"docker pull --platform {platform} {own.name}",
        )
    return _describe_named_image(own, image)


def _describe_named_image(own: CustomImage, image: images.EngineImage) -> Environment:
    content = hash_json({"builder": environment_id.BUILDER_VERSION, "layers": list(image.layers)})
    return Environment(
        id=content, runtime="docker", reference=own.name, platform=image.platform, python="", base=own.name
    )


def _ensure_bases(
    client: images.Client,
    own: CustomImage,
    wanted: LockedImage | None,
    *,
    home: Path,
    progress: Progress,
    frozen: bool,
) -> list[LockedImage]:
    """Give the images that a Dockerfile builds on, which the engine has to hold; our own base is made where it is asked for."""
    assert own.dockerfile_inputs is not None
    if own.dockerfile_inputs.uses_sandbox_base:
        ours = wanted if wanted and (wanted.reference == bases.LOCAL_BASE or "@" in wanted.reference) else None
        bases.ensure_base(client, ours, home=home, progress=progress, frozen=frozen)
    return _find_bases(client, own, wanted)


def _find_bases(client: images.Client, own: CustomImage, wanted: LockedImage | None) -> list[LockedImage]:
    assert own.dockerfile_inputs is not None
    found = []
    if own.dockerfile_inputs.uses_sandbox_base and (base := bases.find_base(client, wanted)) is not None:
        found.append(base)
    for name in own.dockerfile_inputs.images:
        image = images.find_image(client, name)
        if image is None:
            raise ContainerEngineError(
                f"{own.name} builds on {name}, which the engine does not hold, and nothing is pulled implicitly",
                hint=f"docker pull {name}",
            )
        found.append(LockedImage(reference=name, digest="sha256:" + hash_json(list(image.layers))))
    return found


def _describe_environment(own: CustomImage, platform: str, ground: list[LockedImage]) -> Environment:
    identifier = hash_json(
        {
            "builder": environment_id.BUILDER_VERSION,
            "own": own.digest,
            "bases": [base.digest for base in ground],
            "platform": platform,
        }
    )
    first = next(iter(ground), None)
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
    own: CustomImage,
    wanted: Environment,
    ground: list[LockedImage],
    *,
    home: Path,
    progress: Progress,
) -> None:
    labels = {
        "managed": "true",
        "role": "image",
        "image": "own",
        "environment": wanted.id,
        "base": wanted.base,
        "schema": str(environment_id.BUILDER_VERSION),
    }
    with translate_os_errors(home), make_staging_folder(home, label="build") as context:
        for path, content in own.files.items():
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            (context / path).write_bytes(content)
        client.api.timeout = BUILD_TIMEOUT_SECONDS
        try:
            with progress.step(f"building {own.name}"):
                images.build_image(
                    client,
                    context,
                    tag=wanted.reference,
                    arguments={BASE_ARGUMENT: ground[0].reference}
                    if own.dockerfile_inputs and own.dockerfile_inputs.uses_sandbox_base
                    else {},
                    labels=labels,
                    step=lambda _: None,
                    network=own.network,
                )
        except ContainerEngineError as error:
            if own.network or "RUN" not in error.message:
                raise
            raise ContainerEngineError(
                error.message,
                hint='images are built with no network; if a step needs one: build_network = "default" in [stack]',
            ) from error
