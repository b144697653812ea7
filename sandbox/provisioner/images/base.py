"""The base image: pulled by digest from a registry, or built from Debian's archive without one."""

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
from sandbox.containers.docker.client import open_client
from sandbox.errors import ContainerEngineError, FrozenMismatchError, SandboxError
from sandbox.manifest.lock import LockedImage
from sandbox.model import SilentProgress
from sandbox.store import paths
from sandbox.store.folder import lock_path, make_staging_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.model import Progress

LOCAL_BASE = "sandbox/base:trixie"
# The index of python:3.13-slim-trixie with Python 3.13.15 on Debian 13.6, for linux/amd64 and linux/arm64.
OFFICIAL_BASE = "python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285"
SCRIPT_LINES = 487  # approximate output lines of images/base/rootfs.sh


def ensure_base(
    client: images.Client,
    locked_base: LockedImage | None,
    *,
    home: Path,
    progress: Progress,
    frozen: bool = False,
) -> LockedImage:
    """Return a base image in the container engine: the locked one, else the local build, else the official one.

    A lock in ``home`` prevents concurrent builds of the base.

    Raises:
        FrozenMismatchError: ``frozen``, and the locked one is not available.
        ContainerEngineError: No base is available.
    """
    base = find_base(client, locked_base)
    if base is not None and locked_base in (None, base):
        return base
    with lock_path(home / "base"):
        if locked_base is not None and _try_pull(client, locked_base.reference, progress):
            return _parse_reference(locked_base.reference)
        base = base or find_base(client, locked_base) or _pull_or_build_base(client, home=home, progress=progress)
    if locked_base is not None and base != locked_base:
        differs = f"the base image is {_format_name(base)}, and sandbox.lock says {_format_name(locked_base)}"
        if frozen:
            raise FrozenMismatchError(
                differs,
                hint="let this machine reach the registry that has it, or take the one that is here, and commit the file:\n"
                "sandbox create, where the lock may change",
            )
        progress.print_message(differs)
    return base


def describe_official_base() -> LockedImage:
    """Return the official base image of this version of sandbox."""
    return _parse_reference(OFFICIAL_BASE)


def _format_name(base: LockedImage) -> str:
    return base.reference if "@" in base.reference else f"{base.reference} ({base.digest[:19]})"


def _parse_reference(reference: str) -> LockedImage:
    return LockedImage(reference=reference, digest=reference.partition("@")[2])


def find_base(client: images.Client, locked_base: LockedImage | None) -> LockedImage | None:
    """Return a base present in the container engine, the locked one first; None without one."""
    if locked_base is not None and "@" in locked_base.reference and images.find_image(client, locked_base.reference):
        return locked_base
    local_base = images.find_image(client, LOCAL_BASE)
    if local_base is not None:
        return LockedImage(reference=LOCAL_BASE, digest=local_base.layers[-1])
    return _parse_reference(OFFICIAL_BASE) if images.find_image(client, OFFICIAL_BASE) else None


def _pull_or_build_base(client: images.Client, *, home: Path, progress: Progress) -> LockedImage:
    if _try_pull(client, OFFICIAL_BASE, progress):
        return _parse_reference(OFFICIAL_BASE)
    progress.print_message("no registry answers: building the base image from Debian's archive")
    image = _build_base(client, home=home, progress=progress)
    return LockedImage(reference=LOCAL_BASE, digest=image.layers[-1])


def _try_pull(client: images.Client, reference: str, progress: Progress) -> bool:
    """Pull a base by digest if a registry offers it; return False if none does or the pull failed."""
    if "@" not in reference or not images.is_in_registry(client, reference):
        return False
    try:
        with progress.step(f"pulling {reference.partition('@')[0]}", unit="bytes") as advance:
            images.pull_image(client, reference, advance)
    except ContainerEngineError as error:
        progress.print_message(error.message)
        return False
    return True


def _build_base(client: images.Client, *, home: Path, progress: Progress) -> images.EngineImage:
    script = paths.find_packaged_folder("images") / "base" / "rootfs.sh"
    with make_staging_folder(home, label="base") as scratch:
        file = scratch / "rootfs.tar"
        with progress.step("building the base image", total=SCRIPT_LINES, unit="steps") as advance:
            _run_script(script, file, advance)
        with progress.step("importing the base image"):
            labels = {"managed": "true", "role": "base", "base": "trixie"}
            return images.import_tar(client, file, LOCAL_BASE, labels)


def _run_script(script: Path, file: Path, advance: Callable[[float], None]) -> None:
    """Run the script with bash: an installed wheel may lose its executable bit."""
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
            raise ContainerEngineError(f"the base image cannot be made: bash: {error.strerror}") from error
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
            raise _explain_failure(complaints.read())


def _explain_failure(output: str) -> ContainerEngineError:
    lines = deque(output.strip().splitlines(), maxlen=images.LOG_TAIL_LINES)
    hint = ""
    while lines and lines[-1].startswith("hint: "):
        hint = lines.pop().removeprefix("hint: ")
    reason = lines.pop() if lines else "no reason was given"
    before = "".join(f"\n  {line}" for line in lines)
    return ContainerEngineError(
        f"no registry answers, and the base image cannot be made here: {reason}{before}",
        hint=f"{hint or 'see what it says'},\nor do without containers: SANDBOX_RUNTIME=local",
    )


class _PrintedProgress(SilentProgress):
    def print_message(self, message: str) -> None:
        print(f"base: {message}", flush=True)  # noqa: T201


def main(arguments: list[str]) -> int:
    """Ensure that the base image is present, and print its name; run by ``images/base/make.sh``."""
    try:
        with contextlib.closing(open_client()) as client:
            base = ensure_base(client, None, home=paths.find_home_folder(), progress=_PrintedProgress())
    except SandboxError as error:
        if "--optional" in arguments:
            print(f"base: {error.message}; going on without one")  # noqa: T201
            return 0
        print(f"base: {error.message}\nhint: {error.hint}", file=sys.stderr)  # noqa: T201
        return error.status
    print(f"base: {_format_name(base)} is in the engine")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
