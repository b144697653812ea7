"""The base image: by digest from a registry, or made from Debian's archive where no registry answers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from typing import TYPE_CHECKING

from sandbox.containers.docker import images
from sandbox.containers.docker.client import connect
from sandbox.errors import EngineError, FrozenError, SandboxError
from sandbox.manifest.lock import BaseImage
from sandbox.model import Silent
from sandbox.store import paths
from sandbox.store.folder import locked, staging

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.model import Progress

MADE = "sandbox/base:trixie"
# The index of python:3.13-slim-trixie with Python 3.13.15 on Debian 13.6, for linux/amd64 and linux/arm64.
OFFICIAL = "python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285"
SCRIPT_LINES = 487  # that images/base/rootfs.sh prints, about


def ensure(
    client: images.Client,
    wanted: BaseImage | None,
    *,
    home: Path,
    progress: Progress,
    frozen: bool = False,
) -> BaseImage:
    """Give a base image that the engine holds: the wanted one, else the one made here, else the official one.

    Args:
        client: The engine.
        wanted: What the lock says, if it says anything.
        home: Its lock keeps two processes from making the base at once.
        progress: Shows what is pulled or made.
        frozen: Refuse any other than the wanted one.

    Raises:
        FrozenError: ``frozen``, and the wanted one cannot be had.
        EngineError: No base can be had.
    """
    found = present(client, wanted)
    if found is not None and wanted in (None, found):
        return found
    with locked(home / "base"):
        if wanted is not None and _pulled(client, wanted.reference, progress):
            return _of_reference(wanted.reference)
        found = found or present(client, wanted) or _obtained(client, home=home, progress=progress)
    if wanted is not None and found != wanted:
        differs = f"the base image is {_name(found)}, and sandbox.lock says {_name(wanted)}"
        if frozen:
            raise FrozenError(
                differs,
                hint="let this machine reach the registry that has it, or take the one that is here, and commit the file:\n"
                "sandbox create, where the lock may change",
            )
        progress.say(differs)
    return found


def official() -> BaseImage:
    """Give the base image from a registry that this version of sandbox is made for."""
    return _of_reference(OFFICIAL)


def _name(base: BaseImage) -> str:
    return base.reference if "@" in base.reference else f"{base.reference} ({base.digest[:19]})"


def _of_reference(reference: str) -> BaseImage:
    return BaseImage(reference=reference, digest=reference.partition("@")[2])


def present(client: images.Client, wanted: BaseImage | None) -> BaseImage | None:
    """Give the base that the engine holds already, the wanted one first; None where it holds none."""
    if wanted is not None and "@" in wanted.reference and images.find(client, wanted.reference):
        return wanted
    made = images.find(client, MADE)
    if made is not None:
        return BaseImage(reference=MADE, digest=made.layers[-1])
    return _of_reference(OFFICIAL) if images.find(client, OFFICIAL) else None


def _obtained(client: images.Client, *, home: Path, progress: Progress) -> BaseImage:
    if _pulled(client, OFFICIAL, progress):
        return _of_reference(OFFICIAL)
    progress.say("no registry answers: making the base image from Debian's archive")
    image = _make(client, home=home, progress=progress)
    return BaseImage(reference=MADE, digest=image.layers[-1])


def _pulled(client: images.Client, reference: str, progress: Progress) -> bool:
    """Pull a base by digest if a registry offers it; False where none does or it broke off."""
    if "@" not in reference or not images.offered(client, reference):
        return False
    try:
        with progress.step(f"pulling {reference.partition('@')[0]}", unit="bytes") as advance:
            images.pull(client, reference, advance)
    except EngineError as error:
        progress.say(error.message)
        return False
    return True


def _make(client: images.Client, *, home: Path, progress: Progress) -> images.Image:
    script = paths.packaged("images") / "base" / "rootfs.sh"
    with staging(home, label="base") as scratch:
        file = scratch / "rootfs.tar"
        with progress.step("making the base image", total=SCRIPT_LINES, unit="steps") as advance:
            _run(script, file, advance)
        with progress.step("importing the base image"):
            labels = {"managed": "true", "role": "base", "base": "trixie"}
            return images.import_tar(client, file, MADE, labels)


def _run(script: Path, file: Path, advance: Callable[[float], None]) -> None:
    """Run the script; its bit for execution may be lost in an installed wheel, so bash is named."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        try:
            process = subprocess.Popen(
                ["bash", str(script), str(file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"the base image cannot be made: bash: {error.strerror}") from error
        with process:
            assert process.stdout is not None
            try:
                for number, _ in enumerate(process.stdout):
                    advance(1 if number < SCRIPT_LINES else 0)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                raise
        if process.returncode != 0:
            complaints.seek(0)
            raise _failed(complaints.read())


def _failed(said: str) -> EngineError:
    lines = deque(said.strip().splitlines(), maxlen=images.LAST_LINES)
    hint = ""
    while lines and lines[-1].startswith("hint: "):
        hint = lines.pop().removeprefix("hint: ")
    reason = lines.pop() if lines else "no reason was given"
    before = "".join(f"\n  {line}" for line in lines)
    return EngineError(
        f"no registry answers, and the base image cannot be made here: {reason}{before}",
        hint=f"{hint or 'see what it says'},\nor do without containers: SANDBOX_RUNTIME=local",
    )


class _Printed(Silent):
    """Progress as lines, for a command that has no other."""

    def say(self, message: str) -> None:
        """Print it."""
        print(f"base: {message}", flush=True)  # noqa: T201


def main(arguments: list[str]) -> int:
    """Make sure that the base image is there, and say which it is; what ``images/base/make.sh`` runs."""
    try:
        with contextlib.closing(connect()) as client:
            found = ensure(client, None, home=paths.home(), progress=_Printed())
    except SandboxError as error:
        if "--optional" in arguments:
            print(f"base: {error.message}; going on without one")  # noqa: T201
            return 0
        print(f"base: {error.message}\nhint: {error.hint}", file=sys.stderr)  # noqa: T201
        return error.status
    print(f"base: {_name(found)} is in the engine")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
