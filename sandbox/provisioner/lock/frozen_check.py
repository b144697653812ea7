"""Check of a committed lock against the current request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import FrozenMismatchError
from sandbox.manifest.lock import LockDocument
from sandbox.model import is_custom_image
from sandbox.provisioner.lock.lock_diff import compare_entries
from sandbox.provisioner.lock.resolver import compute_inputs

if TYPE_CHECKING:
    from sandbox.manifest.lock import LockInputs, PlatformLock
    from sandbox.provisioner.lock.request import StackRequest

UPDATE_HINT = "if that is meant, bring the file up to date where it may change, and commit it: sandbox create"


def check_frozen(requested: StackRequest | LockDocument, committed: LockDocument | None) -> None:
    """Check that a committed lock matches the request.

    Args:
        requested: A request, before it is resolved (without a network), or the resolved lock, with the built environment
            and the sample's fingerprint if known.
        committed: The lock beside ``sandbox.toml``; None without one.

    Raises:
        FrozenMismatchError: Something differs; the message names all differences.
    """
    if committed is None:
        raise FrozenMismatchError(
            "there is no sandbox.lock, and nothing may be resolved (--frozen)",
            hint="sandbox lock, and commit the file",
        )
    now = requested.inputs if isinstance(requested, LockDocument) else compute_inputs(requested)
    others = _compare_inputs(committed.inputs, now)
    if isinstance(requested, LockDocument):
        for platform, entry in requested.platforms.items():
            others += [f"{platform}: {line}" for line in _compare_entries(committed.platforms.get(platform), entry)]
        if None not in (requested.sample, committed.sample) and requested.sample != committed.sample:
            others.append(
                f"the sample is {_abbreviate_digest(requested.sample)}, and was {_abbreviate_digest(committed.sample)}"
            )
    if others:
        lines = "".join(f"\n  {line}" for line in others)
        raise FrozenMismatchError(f"sandbox.lock is not what is asked for:{lines}", hint=UPDATE_HINT)


def _compare_inputs(then: LockInputs, now: LockInputs) -> list[str]:
    differences = [
        f"stack.{name} is {getattr(now, name)!r}, and was {getattr(then, name)!r}"
        for name in ("image", "python", "requirements")
        if getattr(now, name) != getattr(then, name)
    ]
    file = now.requirements or then.requirements
    differences += [f"{file} asks for {library} now" for library in now.libraries if library not in then.libraries]
    differences += [f"{file} asks for {library} no more" for library in then.libraries if library not in now.libraries]
    if now.constraints != then.constraints:
        differences.append(f"{file} has other constraints (-c)")
    if now.hashes != then.hashes and now.libraries == then.libraries:
        differences.append(f"{file} has other hashes for the same versions")
    if now.pins != then.pins and now.image == then.image:
        differences.append(
            f"stack.image is made of other files: {now.image}"
            if is_custom_image(now.image)
            else f"the image {now.image!r} of this version of sandbox pins other libraries"
        )
    return differences


def _compare_entries(then: PlatformLock | None, now: PlatformLock) -> list[str]:
    if then is None:
        return ["is not in it"]
    changes = [str(change) for change in compare_entries(then, now)]
    if not changes and then.environment and now.environment and then.environment != now.environment:
        return [
            f"the environment is {_abbreviate_digest(now.environment)}, and was {_abbreviate_digest(then.environment)}"
        ]
    return changes


def _abbreviate_digest(digest: str | None) -> str:
    return str(digest).removeprefix("sha256:")[:16]
