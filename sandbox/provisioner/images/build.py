"""Builds of environment images: the context contains exactly the locked files, and builds have no network."""

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

BUILD_TIMEOUT_SECONDS = 1800  # for one build step


def build_environment_image(
    client: images.Client,
    request: StackRequest,
    entry: PlatformLock,
    environment: Environment,
    base: LockedImage,
    *,
    home: Path,
    progress: Progress,
) -> None:
    """Build the image of a lock's entry, and remove its leftover stages.

    See `sandbox.provisioner.images.environment.ensure_image_environment`.
    """
    target = pins.InstallTarget(platform=environment.platform, python=entry.python, in_container=True)
    (home / "images" / environment.id).write_text("", "utf-8")
    wheel_files = wheels.fetch_wheels(entry.libraries, target, home=home, progress=progress)
    debian = None
    if locked_packages := entry.packages.get(request.image):
        debian = debian_packages.fetch_packages(
            client, request.image, base, locked=locked_packages, home=home, progress=progress
        )
    with translate_os_errors(home), make_staging_folder(home, label="build") as context:
        _fill_context(context, request, entry, wheel_files)
        if debian is not None:
            debian_packages.copy_packages(debian.path, context)
        labels = _build_labels(request, environment)
        steps = _count_instructions((context / "Dockerfile").read_text("utf-8")) + len(labels)
        client.api.timeout = BUILD_TIMEOUT_SECONDS
        try:
            with progress.step(f"building {environment.reference}", total=steps, unit="steps") as advance:
                images.build_image(
                    client,
                    context,
                    tag=environment.reference,
                    arguments={"BASE": images.find_local_name(client, base.reference), "ENVIRONMENT": environment.id},
                    labels=labels,
                    step=lambda _: advance(1),
                )
        finally:
            for stage in images.list_untagged_images(client, environment.id):
                images.remove_image(client, stage)


def _count_instructions(dockerfile: str) -> int:
    """Count a Dockerfile's instructions, which begin lines; the container engine adds one for each label."""
    return sum(line.partition(" ")[0].isupper() for line in dockerfile.splitlines() if line[:1].isalpha())


def _build_labels(request: StackRequest, environment: Environment) -> dict[str, str]:
    return {
        "managed": "true",
        "role": "image",
        "image": request.image,
        "environment": environment.id,
        "base": environment.base,
        "python": environment.python,
        "schema": str(environment_id.BUILDER_VERSION),
    }


def _fill_context(context: Path, request: StackRequest, entry: PlatformLock, wheel_files: list[Path]) -> None:
    """Write the Dockerfile, the pins and the pinned wheels into the build context."""
    shutil.copy(pins.find_dockerfile(request.image), context / "Dockerfile")
    (context / "requirements.txt").write_text(pins.format_pins(entry.libraries), "utf-8")
    folder = context / "wheels"
    folder.mkdir()
    for wheel in wheel_files:
        _link_or_copy(wheel, folder / wheel.name)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copy(source, target)
