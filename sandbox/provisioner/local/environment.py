"""Environments as virtual environments on this machine."""

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
from sandbox.store.environment_check import is_environment_unchanged, write_environment_record
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
    """Return the virtual environment of a lock's entry, created if necessary (see `sandbox.provisioner.environments`)."""
    if request.image == "spark":
        _check_java()
    interpreter = interpreters.find_interpreter(request.python)
    identifier = environment_id.compute_host_id(target.platform, interpreter.version, entry.libraries)
    path = home / "environments" / identifier
    environment = Environment(
        id=identifier,
        runtime="local",
        reference=str(path),
        platform=target.platform,
        python=target.python,
        base=f"CPython {interpreter.version} at {interpreter.path}",
    )
    if acquire_lease(path) and _is_complete(path):
        return environment
    with lock_path(path):
        if not _is_complete(path):
            if request.python != target.python:
                progress.print_message(
                    f"this machine has no Python {request.python}: runs use its Python {interpreter.version}"
                )
            _create_environment(entry, target, interpreter, path, home=home, progress=progress)
        acquire_lease(path)
    return environment


def _check_java() -> None:
    """Check that Java is installed, as in the image; its version does not change rows."""
    if shutil.which("java", path=SYSTEM_PATH) is None:
        raise ContainerEngineError(
            f"the image spark needs Java, and the local runtime finds none (it looks in {SYSTEM_PATH})",
            hint="install Java 17 or later (on Debian: apt-get install default-jre-headless), or use Docker",
        )


def build_python_path(environment: Path) -> Path:
    """Return the interpreter's path in a virtual environment."""
    return environment / "bin" / "python"


def _is_complete(path: Path) -> bool:
    """Return whether the environment is complete and as it was made, and its interpreter still exists."""
    return (path / MARKER_FILE).is_file() and build_python_path(path).exists() and is_environment_unchanged(path)


def _create_environment(
    entry: PlatformLock,
    target: pins.InstallTarget,
    interpreter: interpreters.Interpreter,
    path: Path,
    *,
    home: Path,
    progress: Progress,
) -> None:
    """Create the environment at its final path, because a virtual environment cannot be moved.

    The marker file, written last, marks it complete.
    """
    wheel_files = wheels.fetch_wheels(entry.libraries, target, home=home, progress=progress)
    with translate_os_errors(path):
        if path.exists():
            shutil.rmtree(path)
    failed = f"the libraries cannot be installed for Python {interpreter.version}"
    with (
        translate_os_errors(home),
        make_staging_folder(home, label="install") as folder,
        progress.step(f"creating an environment with Python {interpreter.version}"),
    ):
        for wheel in wheel_files:
            (folder / wheel.name).symlink_to(wheel)
        (folder / "requirements.txt").write_text(pins.format_pins(entry.libraries), "utf-8")
        uv: list[str | Path] = [tools.find_uv(), "--quiet", "--no-config", "--offline", "--no-cache"]
        variables = tools.build_uv_variables()
        tools.run_tool(
            [*uv, "venv", "--no-project", "--python", interpreter.path, path],
            cwd=folder,
            variables=variables,
            failed=failed,
        )
        # Copied, not linked: runs are not isolated here, and must not modify files shared with other environments.
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
                build_python_path(path),
                "--requirement",
                "requirements.txt",
            ],
            cwd=folder,
            variables=variables,
            failed=failed,
        )
        sync_folder(path)
        marker = {
            "format_version": 1,
            "python": interpreter.version,
            "libraries": {library.name: library.version for library in entry.libraries},
        }
        write_file(path / MARKER_FILE, encode_canonical_json(marker))
        write_environment_record(path)
