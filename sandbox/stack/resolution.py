"""Requirements become exact versions with hashes."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sandbox.manifest.canonical import digest, file_digest
from sandbox.manifest.lock import Inputs, Library, Lock, PlatformLock
from sandbox.model import is_own_image
from sandbox.scratch import scratch
from sandbox.stack import hosts, pins, sdists, tools, wheels
from sandbox.store import places

if TYPE_CHECKING:
    from sandbox.model import Progress
    from sandbox.stack.wanted import StackRequest

_UV_PLATFORMS = {
    "linux/amd64": f"x86_64-manylinux_2_{pins.GLIBC_MINOR}",
    "linux/arm64": f"aarch64-manylinux_2_{pins.GLIBC_MINOR}",
}


def inputs(request: StackRequest) -> Inputs:
    """Give what a lock of this request depends on."""
    if request.own is not None:
        return Inputs(
            image=request.image,
            python=request.python,
            requirements=None,
            libraries=[],
            pins=request.own.digest,
        )
    ours = [
        file_digest(pins.image_file(request.image, name)) for name in ("requirements.in", "requirements.lock")
    ]
    return Inputs(
        image=request.image,
        python=request.python,
        requirements=request.requirements,
        libraries=list(request.libraries),
        hashes=digest([one.model_dump() for one in request.pinned]) if request.pinned else None,
        pins=digest(ours),
    )


def resolve(
    request: StackRequest,
    *,
    previous: Lock | None,
    upgrade: bool,
    progress: Progress,
    runtime: Literal["docker", "local"] = "docker",
) -> Lock:
    """Give the lock of a request, for every platform of containers and, for the local runtime, for this machine.

    Without a requirements file the image's own pins are the answer, with no network. A previous lock of the same
    inputs is kept as it is; a previous lock of other inputs keeps versions where they still fit.

    Args:
        request: What is asked for.
        previous: The lock that lies beside ``sandbox.toml``, if any.
        upgrade: Take the newest versions that fit, whatever ``previous`` says.
        progress: Shows the resolution.
        runtime: With ``local`` the host's Python gets an entry of its own where it is not the stack's.

    Raises:
        ConfigError: No versions fit together, or a library has no wheel for a platform.
        EngineError: The package index cannot be reached.
    """
    wanted = pins.targets(request.python)
    if runtime == "local":
        here = hosts.target(request.python)
        if pins.key(here, request.python) not in {pins.key(one, request.python) for one in wanted}:
            wanted.append(here)
    current = inputs(request)
    kept = previous.platforms if previous and previous.inputs == current and not upgrade else {}
    missing = [one for one in wanted if pins.key(one, request.python) not in kept]
    if previous and kept and not missing:
        return previous
    known = previous.platforms if previous and not upgrade else {}
    found = _libraries(request, missing, known, progress)
    platforms = dict(kept)
    same = previous is not None and previous.inputs.image == request.image
    for one in missing:
        name = pins.key(one, request.python)
        platforms[name] = PlatformLock(python=one.python, libraries=found[one])
        if name in known and same and not is_own_image(request.image):
            # What other libraries do not touch stays; an image of the user's own says itself what its base is.
            kept_too = {"base": known[name].base, "packages": known[name].packages}
            platforms[name] = platforms[name].model_copy(update=kept_too)
    return Lock(
        inputs=current,
        platforms=dict(sorted(platforms.items())),
        services=previous.services if previous else {},
        sample=previous.sample if previous else None,
    )


def _libraries(
    request: StackRequest,
    missing: list[pins.Target],
    known: dict[str, PlatformLock],
    progress: Progress,
) -> dict[pins.Target, list[Library]]:
    if request.own is not None:
        return {one: [] for one in missing}
    if not request.libraries:
        return {one: pins.of_image(request.image, one) for one in missing}
    built = _built(request.image, missing[0], progress) if missing else []
    with progress.step("resolving libraries", total=len(missing), unit="platforms") as advance:

        def resolved(target: pins.Target) -> list[Library]:
            entry = known.get(pins.key(target, request.python))
            libraries = _compile(request, target, entry.libraries if entry else [], built)
            advance(1)
            return libraries

        with ThreadPoolExecutor(max_workers=len(missing)) as pool:
            return dict(zip(missing, pool.map(resolved, missing), strict=True))


def _built(image: str, target: pins.Target, progress: Progress) -> list[Path]:
    """Give the wheels of an image that no index has: uv has to see them, and they fit every target."""
    libraries = [one for one in pins.of_image(image, target) if sdists.of(one)]
    return wheels.fetch(libraries, target, home=places.home(), progress=progress)


def _compile(
    request: StackRequest, target: pins.Target, known: list[Library], built: list[Path]
) -> list[Library]:
    """Let uv choose versions for one target; what is known already, then the image's pins, are preferred."""
    assert request.requirements is not None
    name = Path(request.requirements).name
    preferred = {one.name: one for one in (*pins.of_image(request.image, target), *known)}
    with scratch("resolve") as folder:
        ours = folder / "image.in"
        ours.write_bytes(pins.image_file(request.image, "requirements.in").read_bytes())
        theirs = folder / f"{name}.in"
        theirs.write_text("".join(f"{line}\n" for line in request.libraries), "utf-8")
        output = folder / "resolved.txt"  # uv prefers the versions that its output file holds already
        output.write_text(pins.write(preferred.values(), hashes=False), "utf-8")
        command = [
            tools.find_uv(), "pip", "compile", ours.name, theirs.name, "--output-file", output.name,
            "--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:", "--quiet",
            "--python", sys.executable, "--python-version", target.python,
        ]  # fmt: skip
        for wheel in built:
            command += ["--find-links", str(wheel.parent)]
        if target.container:
            command += ["--python-platform", _UV_PLATFORMS[target.platform]]
        tools.run(
            command,
            cwd=folder,
            variables=tools.uv_variables(),
            failed=f"the libraries of {request.requirements} cannot be resolved for {target.platform}",
        )
        found = pins.read(output.read_text("utf-8"), target, origin=request.requirements)
    named = {(one.name, one.version): one for one in request.pinned}
    return sdists.as_wheels(named.get((one.name, one.version), one) for one in found)
