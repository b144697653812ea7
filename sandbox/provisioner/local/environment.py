"""Environments as virtual environments of this machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from sandbox.containers.local.run import SYSTEM_PATH
from sandbox.errors import ContainerEngineError
from sandbox.manifest.canonical_json import encode_canonical_json
from sandbox.model import Environment
from sandbox.provisioner import environment_id
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import pins, tools, wheels
from sandbox.store.folder import lock_path, make_staging_folder, sync_folder, translate_os_errors, write_file
from sandbox.store.leases import acquire_lease

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import PlatformLock
    from sandbox.model import Progress
    from sandbox.provisioner.lock.request import StackRequest

MARKER_FILE = "sandbox-environment.json"


def ensure_virtual_environment(
    request: StackRequest, entry: PlatformLock, target: pins.InstallTarget, *, home: Path, progress: Progress
) -> Environment:
    """Give the virtual environment of a lock's entry, making it if it is not there (see `environment`)."""
    if request.image == "spark":
        _check_java()
    interpreter = interpreters.find_interpreter(request.python)
    identifier = environment_id.compute_host_id(target.platform, interpreter.version, entry.libraries)
    place = home / "environments" / identifier
    wanted = Environment(
        id=identifier,
        runtime="local",
        reference=str(place),
        platform=target.platform,
        python=target.python,
        base=f"CPython {interpreter.version} at {interpreter.path}",
    )
    if acquire_lease(place) and _is_complete(place):
        return wanted
    with lock_path(place):
        if not _is_complete(place):
            if request.python != target.python:
                progress.print_message(
                    f"this machine has no Python {request.python}: runs use its Python {interpreter.version}"
                )
            _create_environment(entry, target, interpreter, place, home=home, progress=progress)
        acquire_lease(place)
    return wanted


def _check_java() -> None:
    """Make sure that a run finds what the image has beside its libraries; which Java that is does not change rows."""
    if shutil.which("java", path=SYSTEM_PATH) is None:
        raise ContainerEngineError(
            f"the image spark needs Java, and the local runtime finds none (it looks in {SYSTEM_PATH})",
            hint="install Java 17 or later (on Debian: apt-get install default-jre-headless), or use Docker",
        )


def build_python_path(environment: Path) -> Path:
    """Give the interpreter of a virtual environment."""
    return environment / "bin" / "python"


def _is_complete(place: Path) -> bool:
    """True where nothing is missing and the interpreter that it was made with is still there."""
    return (place / MARKER_FILE).is_file() and build_python_path(place).exists()


def _create_environment(
    entry: PlatformLock,
    target: pins.InstallTarget,
    interpreter: interpreters.Interpreter,
    place: Path,
    *,
    home: Path,
    progress: Progress,
) -> None:
    """Make it in its place, because a virtual environment cannot be moved; the marker, written last, makes it count."""
    found = wheels.fetch_wheels(entry.libraries, target, home=home, progress=progress)
    with translate_os_errors(place):
        if place.exists():
            shutil.rmtree(place)
    failed = f"the libraries cannot be installed for Python {interpreter.version}"
    with (
        translate_os_errors(home),
        make_staging_folder(home, label="install") as folder,
        progress.step(f"making an environment of Python {interpreter.version}"),
    ):
        for wheel in found:
            (folder / wheel.name).symlink_to(wheel)
        (folder / "requirements.txt").write_text(pins.format_pins(entry.libraries), "utf-8")
        uv: list[str | Path] = [tools.find_uv(), "--quiet", "--no-config", "--offline", "--no-cache"]
        variables = tools.build_uv_variables()
        tools.run_tool(
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
        tools.run_tool(
            [
                *uv,
                *install,
                *options,
                "--python",
                build_python_path(place),
                "--requirement",
                "requirements.txt",
            ],
            cwd=folder,
            variables=variables,
            failed=failed,
        )
        sync_folder(place)
        about = {
            "format_version": 1,
            "python": interpreter.version,
            "libraries": {one.name: one.version for one in entry.libraries},
        }
        write_file(place / MARKER_FILE, encode_canonical_json(about))
