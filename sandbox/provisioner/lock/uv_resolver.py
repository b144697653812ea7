"""Resolution of a request's libraries with uv, for each platform missing in a lock."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.provisioner.lock import pins, sdists, tools, wheels
from sandbox.scratch import make_scratch_folder
from sandbox.store import paths

if TYPE_CHECKING:
    from sandbox.manifest.lock import LockedLibrary, PlatformLock
    from sandbox.model import Progress
    from sandbox.provisioner.lock.request import StackRequest

_UV_PLATFORMS = {
    "linux/amd64": f"x86_64-manylinux_2_{pins.GLIBC_MINOR}",
    "linux/arm64": f"aarch64-manylinux_2_{pins.GLIBC_MINOR}",
}


def resolve_libraries(
    request: StackRequest,
    missing: list[pins.InstallTarget],
    known: dict[str, PlatformLock],
    progress: Progress,
) -> dict[pins.InstallTarget, list[LockedLibrary]]:
    """Return the libraries of a request for each missing target."""
    if request.custom_image is not None:
        return {target: [] for target in missing}
    if not request.libraries:
        return {target: pins.read_image_pins(request.image, target) for target in missing}
    built = _fetch_built_wheels(request.image, missing[0], progress) if missing else []
    with progress.step("resolving libraries", total=len(missing), unit="platforms") as advance:

        def resolve_target(target: pins.InstallTarget) -> list[LockedLibrary]:
            entry = known.get(pins.format_platform_key(target, request.python))
            libraries = _compile_requirements(request, target, entry.libraries if entry else [], built)
            advance(1)
            return libraries

        with ThreadPoolExecutor(max_workers=len(missing)) as pool:
            return dict(zip(missing, pool.map(resolve_target, missing), strict=True))


def _fetch_built_wheels(image: str, target: pins.InstallTarget, progress: Progress) -> list[Path]:
    """Return the image's wheels missing in every index: uv needs them, and they fit every target."""
    libraries = [library for library in pins.read_image_pins(image, target) if sdists.find_sdist(library)]
    return wheels.fetch_wheels(libraries, target, home=paths.find_home_folder(), progress=progress)


def _compile_requirements(
    request: StackRequest, target: pins.InstallTarget, known: list[LockedLibrary], built: list[Path]
) -> list[LockedLibrary]:
    """Resolve versions for one target with uv, preferring known versions, then the image's pins."""
    assert request.requirements is not None
    name = Path(request.requirements).name
    preferred = {library.name: library for library in (*pins.read_image_pins(request.image, target), *known)}
    with make_scratch_folder("resolve") as folder:
        ours = folder / "image.in"
        ours.write_bytes(pins.find_image_file(request.image, "requirements.in").read_bytes())
        theirs = folder / f"{name}.in"
        theirs.write_text("".join(f"{line}\n" for line in request.libraries), "utf-8")
        output = folder / "resolved.txt"  # uv prefers the versions in its output file
        output.write_text(pins.format_pins(preferred.values(), hashes=False), "utf-8")
        command = [
            tools.find_uv(), "pip", "compile", ours.name, theirs.name, "--output-file", output.name,
            "--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:", "--quiet",
            "--python", sys.executable, "--python-version", target.python,
        ]  # fmt: skip
        if request.constraints:
            limits = folder / "constraints.txt"
            limits.write_text("".join(f"{line}\n" for line in request.constraints), "utf-8")
            command += ["--constraint", limits.name]
        for wheel in built:
            command += ["--find-links", str(wheel.parent)]
        if target.in_container:
            command += ["--python-platform", _UV_PLATFORMS[target.platform]]
        tools.run_tool(
            command,
            cwd=folder,
            variables=tools.build_uv_index_variables(),
            failed=f"the libraries of {request.requirements} cannot be resolved for {target.platform}",
        )
        resolved = pins.parse_pins(output.read_text("utf-8"), target, origin=request.requirements)
    named = {(library.name, library.version): library for library in request.pinned_libraries}
    return sdists.replace_sdist_hashes(named.get((library.name, library.version), library) for library in resolved)
