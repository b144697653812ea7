"""Building an image: its context is filled with exactly what the lock names, and nothing reaches a network."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.provisioner import environment_id
from sandbox.provisioner.images import debian_packages
from sandbox.provisioner.lock import pins, wheels
from sandbox.store.folder import make_staging_folder, translate_os_errors

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import LockedImage, PlatformLock
    from sandbox.model import Environment, Progress
    from sandbox.provisioner.lock.request import StackRequest

BUILD_TIMEOUT_SECONDS = 1800  # for the engine to answer while a step of a build runs


def build_environment_image(
    client: images.Client,
    request: StackRequest,
    entry: PlatformLock,
    wanted: Environment,
    base: LockedImage,
    *,
    home: Path,
    progress: Progress,
) -> None:
    """Build the image of a lock's entry (see `sandbox.provisioner.images.environment.ensure_image_environment`); stages that it leaves are removed."""
    target = pins.InstallTarget(platform=wanted.platform, python=entry.python, in_container=True)
    (home / "images" / wanted.id).write_text("", "utf-8")
    found = wheels.fetch_wheels(entry.libraries, target, home=home, progress=progress)
    debian = None
    if wanted_ones := entry.packages.get(request.image):
        debian = debian_packages.fetch_packages(
            client, request.image, base, wanted=wanted_ones, home=home, progress=progress
        )
    with translate_os_errors(home), make_staging_folder(home, label="build") as context:
        _fill_context(context, request, entry, found)
        if debian is not None:
            debian_packages.copy_packages(debian.path, context)
        labels = _build_labels(request, wanted)
        steps = _count_instructions((context / "Dockerfile").read_text("utf-8")) + len(labels)
        client.api.timeout = BUILD_TIMEOUT_SECONDS
        try:
            with progress.step(f"building {wanted.reference}", total=steps, unit="steps") as advance:
                images.build_image(
                    client,
                    context,
                    tag=wanted.reference,
                    arguments={"BASE": base.reference, "ENVIRONMENT": wanted.id},
                    labels=labels,
                    step=lambda _: advance(1),
                )
        finally:
            for stage in images.list_build_stages(client, wanted.id):
                images.remove_image(client, stage)


def _count_instructions(dockerfile: str) -> int:
    """Count a Dockerfile's instructions, which begin their lines; the engine makes one more of each label."""
    return sum(line.partition(" ")[0].isupper() for line in dockerfile.splitlines() if line[:1].isalpha())


def _build_labels(request: StackRequest, wanted: Environment) -> dict[str, str]:
    return {
        "managed": "true",
        "role": "image",
        "image": request.image,
        "environment": wanted.id,
        "base": wanted.base,
        "python": wanted.python,
        "schema": str(environment_id.BUILDER_VERSION),
    }


def _fill_context(context: Path, request: StackRequest, entry: PlatformLock, found: list[Path]) -> None:
    """Fill the build context: the Dockerfile, the pins and exactly the wheels that they name."""
    shutil.copy(pins.find_dockerfile(request.image), context / "Dockerfile")
    (context / "requirements.txt").write_text(pins.format_pins(entry.libraries), "utf-8")
    folder = context / "wheels"
    folder.mkdir()
    for wheel in found:
        _link_or_copy(wheel, folder / wheel.name)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copy(source, target)
