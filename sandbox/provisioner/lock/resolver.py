"""Resolution of requirements into pinned versions with hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.manifest.lock import LockDocument, LockInputs, PlatformLock
from sandbox.model import is_custom_image
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import pins

if TYPE_CHECKING:
    from sandbox.model import Progress
    from sandbox.provisioner.lock.request import StackRequest


def compute_inputs(request: StackRequest) -> LockInputs:
    """Return the inputs that a lock of this request depends on."""
    if request.custom_image is not None:
        return LockInputs(
            image=request.image,
            python=request.python,
            requirements=None,
            libraries=[],
            pins=request.custom_image.digest,
        )
    ours = [hash_file(pins.find_image_file(request.image, name)) for name in ("requirements.in", "requirements.lock")]
    return LockInputs(
        image=request.image,
        python=request.python,
        requirements=request.requirements,
        libraries=list(request.libraries),
        hashes=hash_json([library.model_dump() for library in request.pinned_libraries])
        if request.pinned_libraries
        else None,
        constraints=list(request.constraints) or None,
        pins=hash_json(ours),
    )


def resolve_lock(
    request: StackRequest,
    *,
    previous: LockDocument | None,
    upgrade: bool,
    progress: Progress,
    runtime: Literal["docker", "local"] = "docker",
) -> LockDocument:
    """Return the lock of a request, for every container platform and, with the local runtime, for this machine.

    Without a requirements file the image's own pins are used, without a network. A previous lock of the same inputs is
    kept. A previous lock of other inputs keeps versions that still fit, unless ``upgrade`` is set. With ``local`` the
    host's Python gets an entry of its own if it differs from the stack's.

    Raises:
        ConfigError: No versions fit together, or a library has no wheel for a platform.
        ContainerEngineError: The package index cannot be reached.
    """
    targets = pins.list_targets(request.python)
    if runtime == "local":
        here = interpreters.build_host_target(request.python)
        if pins.format_platform_key(here, request.python) not in {
            pins.format_platform_key(target, request.python) for target in targets
        }:
            targets.append(here)
    current = compute_inputs(request)
    kept = previous.platforms if previous and previous.inputs == current and not upgrade else {}
    missing = [target for target in targets if pins.format_platform_key(target, request.python) not in kept]
    if previous and kept and not missing:
        return previous
    from sandbox.provisioner.lock.uv_resolver import resolve_libraries  # noqa: PLC0415 - most locks have all that is wanted

    known = previous.platforms if previous and not upgrade else {}
    resolved = resolve_libraries(request, missing, known, progress)
    platforms = dict(kept)
    same = previous is not None and previous.inputs.image == request.image
    for target in missing:
        name = pins.format_platform_key(target, request.python)
        platforms[name] = PlatformLock(python=target.python, libraries=resolved[target])
        if name in known and same and not is_custom_image(request.image):
            # Keep the base and packages, which do not depend on libraries; a custom image names its base itself.
            kept_too = {"base": known[name].base, "packages": known[name].packages}
            platforms[name] = platforms[name].model_copy(update=kept_too)
    return LockDocument(
        inputs=current,
        platforms=dict(sorted(platforms.items())),
        services=previous.services if previous else {},
        sample=previous.sample if previous else None,
    )
