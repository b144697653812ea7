"""What may not move: a lock that was committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import FrozenError
from sandbox.manifest.lock import Lock
from sandbox.model import is_own_image
from sandbox.provisioner.lock.lock_diff import differing
from sandbox.provisioner.lock.resolver import inputs

if TYPE_CHECKING:
    from sandbox.manifest.lock import Inputs, PlatformLock
    from sandbox.provisioner.lock.request import StackRequest

HINT = "if that is meant, bring the file up to date where it may change, and commit it: sandbox create"


def check_frozen(wanted: StackRequest | Lock, committed: Lock | None) -> None:
    """Make sure that a committed lock still is what is asked for.

    Args:
        wanted: What is asked for: a request, before anything is resolved (which takes no network), or the lock that
            came of it, with what was built (`recorded`) and the sample's fingerprint if they are known by then.
        committed: What lies beside ``sandbox.toml``; None where nothing does.

    Raises:
        FrozenError: Something differs; the message names all of it.
    """
    if committed is None:
        raise FrozenError(
            "there is no sandbox.lock, and nothing may be resolved (--frozen)",
            hint="sandbox lock, and commit the file",
        )
    now = wanted.inputs if isinstance(wanted, Lock) else inputs(wanted)
    others = _inputs(committed.inputs, now)
    if isinstance(wanted, Lock):
        for platform, entry in wanted.platforms.items():
            others += [f"{platform}: {line}" for line in _entry(committed.platforms.get(platform), entry)]
        if None not in (wanted.sample, committed.sample) and wanted.sample != committed.sample:
            others.append(f"the sample is {_short(wanted.sample)}, and was {_short(committed.sample)}")
    if others:
        lines = "".join(f"\n  {line}" for line in others)
        raise FrozenError(f"sandbox.lock is not what is asked for:{lines}", hint=HINT)


def _inputs(then: Inputs, now: Inputs) -> list[str]:
    found = [
        f"stack.{name} is {getattr(now, name)!r}, and was {getattr(then, name)!r}"
        for name in ("image", "python", "requirements")
        if getattr(now, name) != getattr(then, name)
    ]
    file = now.requirements or then.requirements
    found += [f"{file} asks for {one} now" for one in now.libraries if one not in then.libraries]
    found += [f"{file} asks for {one} no more" for one in then.libraries if one not in now.libraries]
    if now.hashes != then.hashes and now.libraries == then.libraries:
        found.append(f"{file} has other hashes for the same versions")
    if now.pins != then.pins and now.image == then.image:
        found.append(
            f"stack.image is made of other files: {now.image}"
            if is_own_image(now.image)
            else f"the image {now.image!r} of this version of sandbox pins other libraries"
        )
    return found


def _entry(then: PlatformLock | None, now: PlatformLock) -> list[str]:
    if then is None:
        return ["is not in it"]
    found = [str(one) for one in differing(then, now)]
    if not found and then.environment and now.environment and then.environment != now.environment:
        return [f"the environment is {_short(now.environment)}, and was {_short(then.environment)}"]
    return found


def _short(digest: str | None) -> str:
    return str(digest).removeprefix("sha256:")[:16]
