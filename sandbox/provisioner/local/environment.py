"""Environments as virtual environments of this machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from sandbox.containers.local.run import SYSTEM_PATH
from sandbox.errors import EngineError
from sandbox.manifest.canonical_json import canonical
from sandbox.model import Environment
from sandbox.provisioner import environment_id
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import pins, tools, wheels
from sandbox.store.folder import locked, reported, staging, sync, write
from sandbox.store.leases import use

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import PlatformLock
    from sandbox.model import Progress
    from sandbox.provisioner.lock.request import StackRequest

MARKER = "sandbox-environment.json"


def make(
    request: StackRequest, entry: PlatformLock, target: pins.Target, *, home: Path, progress: Progress
) -> Environment:
    """Give the virtual environment of a lock's entry, making it if it is not there (see `environment`)."""
    if request.image == "spark":
        _require_java()
    interpreter = interpreters.interpreter(request.python)
    identifier = environment_id.of_host(target.platform, interpreter.version, entry.libraries)
    place = home / "environments" / identifier
    wanted = Environment(
        id=identifier,
        runtime="local",
        reference=str(place),
        platform=target.platform,
        python=target.python,
        base=f"CPython {interpreter.version} at {interpreter.path}",
    )
    if use(place) and _complete(place):
        return wanted
    with locked(place):
        if not _complete(place):
            if request.python != target.python:
                progress.say(
                    f"this machine has no Python {request.python}: runs use its Python {interpreter.version}"
                )
            _install(entry, target, interpreter, place, home=home, progress=progress)
        use(place)
    return wanted


def _require_java() -> None:
    """Make sure that a run finds what the image has beside its libraries; which Java that is does not change rows."""
    if shutil.which("java", path=SYSTEM_PATH) is None:
        raise EngineError(
            f"the image spark needs Java, and the local runtime finds none (it looks in {SYSTEM_PATH})",
            hint="install Java 17 or later (on Debian: apt-get install default-jre-headless), or use Docker",
        )


def python_of(environment: Path) -> Path:
    """Give the interpreter of a virtual environment."""
    return environment / "bin" / "python"


def _complete(place: Path) -> bool:
    """True where nothing is missing and the interpreter that it was made with is still there."""
    return (place / MARKER).is_file() and python_of(place).exists()


def _install(
    entry: PlatformLock,
    target: pins.Target,
    interpreter: interpreters.Interpreter,
    place: Path,
    *,
    home: Path,
    progress: Progress,
) -> None:
    """Make it in its place, because a virtual environment cannot be moved; the marker, written last, makes it count."""
    found = wheels.fetch(entry.libraries, target, home=home, progress=progress)
    with reported(place):
        if place.exists():
            shutil.rmtree(place)
    failed = f"the libraries cannot be installed for Python {interpreter.version}"
    with (
        reported(home),
        staging(home, label="install") as folder,
        progress.step(f"making an environment of Python {interpreter.version}"),
    ):
        for wheel in found:
            (folder / wheel.name).symlink_to(wheel)
        (folder / "requirements.txt").write_text(pins.write(entry.libraries), "utf-8")
        uv: list[str | Path] = [tools.find_uv(), "--quiet", "--no-config", "--offline", "--no-cache"]
        variables = tools.uv_variables()
        tools.run(
            [*uv, "venv", "--no-project", "--python", interpreter.path, place],
            cwd=folder,
            variables=variables,
            failed=failed,
        )
        # Copied, not linked: a run has no isolation here, and must not reach what other environments share.
        install: list[str | Path] = [
            "pip",
            "install",
            "--no-index",
            "--find-links",
            folder,
            "--no-deps",
            "--require-hashes",
        ]
        options = ["--link-mode", "copy", "--compile-bytecode", "--only-binary", ":all:"]
        tools.run(
            [*uv, *install, *options, "--python", python_of(place), "--requirement", "requirements.txt"],
            cwd=folder,
            variables=variables,
            failed=failed,
        )
        sync(place)
        about = {
            "format_version": 1,
            "python": interpreter.version,
            "libraries": {one.name: one.version for one in entry.libraries},
        }
        write(place / MARKER, canonical(about))
