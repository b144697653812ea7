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
SCRIPT_LINES = 487  # that images/base/rootfs.sh prints, about


def ensure_base(
    client: images.Client,
    wanted: LockedImage | None,
    *,
    home: Path,
    progress: Progress,
    frozen: bool = False,
) -> LockedImage:
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
    found = find_base(client, wanted)
    if found is not None and wanted in (None, found):
        return found
    with lock_path(home / "base"):
        if wanted is not None and _try_pull(client, wanted.reference, progress):
            return _parse_reference(wanted.reference)
        found = found or find_base(client, wanted) or _pull_or_build_base(client, home=home, progress=progress)
    if wanted is not None and found != wanted:
        differs = f"the base image is {_format_name(found)}, and sandbox.lock says {_format_name(wanted)}"
        if frozen:
            raise FrozenMismatchError(
                differs,
                hint="let this machine reach the registry that has it, or take the one that is here, and commit the file:\n"
                "sandbox create, where the lock may change",
            )
        progress.print_message(differs)
    return found


def describe_official_base() -> LockedImage:
    """Give the base image from a registry that this version of sandbox is made for."""
    return _parse_reference(OFFICIAL_BASE)


def _format_name(base: LockedImage) -> str:
    return base.reference if "@" in base.reference else f"{base.reference} ({base.digest[:19]})"


def _parse_reference(reference: str) -> LockedImage:
    return LockedImage(reference=reference, digest=reference.partition("@")[2])


def find_base(client: images.Client, wanted: LockedImage | None) -> LockedImage | None:
    """Give the base that the engine holds already, the wanted one first; None where it holds none."""
    if wanted is not None and "@" in wanted.reference and images.find_image(client, wanted.reference):
        return wanted
    made = images.find_image(client, LOCAL_BASE)
    if made is not None:
        return LockedImage(reference=LOCAL_BASE, digest=made.layers[-1])
    return _parse_reference(OFFICIAL_BASE) if images.find_image(client, OFFICIAL_BASE) else None


def _pull_or_build_base(client: images.Client, *, home: Path, progress: Progress) -> LockedImage:
    if _try_pull(client, OFFICIAL_BASE, progress):
        return _parse_reference(OFFICIAL_BASE)
    progress.print_message("no registry answers: making the base image from Debian's archive")
    image = _build_base(client, home=home, progress=progress)
    return LockedImage(reference=LOCAL_BASE, digest=image.layers[-1])


def _try_pull(client: images.Client, reference: str, progress: Progress) -> bool:
    """Pull a base by digest if a registry offers it; False where none does or it broke off."""
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
        with progress.step("making the base image", total=SCRIPT_LINES, unit="steps") as advance:
            _run_script(script, file, advance)
        with progress.step("importing the base image"):
            labels = {"managed": "true", "role": "base", "base": "trixie"}
            return images.import_tar(client, file, LOCAL_BASE, labels)


def _run_script(script: Path, file: Path, advance: Callable[[float], None]) -> None:
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


def _explain_failure(said: str) -> ContainerEngineError:
    lines = deque(said.strip().splitlines(), maxlen=images.LOG_TAIL_LINES)
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
    """Progress as lines, for a command that has no other."""

    def print_message(self, message: str) -> None:
        """Print it."""
        print(f"base: {message}", flush=True)  # noqa: T201


def main(arguments: list[str]) -> int:
    """Make sure that the base image is there, and say which it is; what ``images/base/make.sh`` runs."""
    try:
        with contextlib.closing(open_client()) as client:
            found = ensure_base(client, None, home=paths.find_home_folder(), progress=_PrintedProgress())
    except SandboxError as error:
        if "--optional" in arguments:
            print(f"base: {error.message}; going on without one")  # noqa: T201
            return 0
        print(f"base: {error.message}\nhint: {error.hint}", file=sys.stderr)  # noqa: T201
        return error.status
    print(f"base: {_format_name(found)} is in the engine")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
