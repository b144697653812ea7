"""Python interpreters of this machine."""

from __future__ import annotations

import functools
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.provisioner.lock import pins, tools

_VERSION_SCRIPT = "import platform; print(platform.python_implementation(), platform.python_version())"


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python of this machine; ``version`` has three parts."""

    path: Path
    version: str

    @property
    def minor_version(self) -> str:
        """Major and minor version."""
        return self.version.rpartition(".")[0]


@functools.cache
def find_interpreter(minor_version: str) -> Interpreter:
    """Return an interpreter of this version if the machine has one, else the current one.

    It searches the current interpreter, ``python3.x`` on the PATH and uv's installations; nothing is downloaded.
    """
    current = Interpreter(path=_find_own_interpreter(), version=platform.python_version())
    if current.minor_version == minor_version:
        return current
    return _find_on_path(minor_version) or _find_uv_python(minor_version) or current


def build_host_target(minor_version: str) -> pins.InstallTarget:
    """Return the install target of the local runtime."""
    return pins.InstallTarget(
        platform=pins.read_host_platform(), python=find_interpreter(minor_version).minor_version, in_container=False
    )


def _find_own_interpreter() -> Path:
    """Return the base interpreter, not the current virtual environment's."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def _find_on_path(minor_version: str) -> Interpreter | None:
    executable = shutil.which(f"python{minor_version}")
    return _probe_interpreter(Path(executable), minor_version) if executable else None


def _find_uv_python(minor_version: str) -> Interpreter | None:
    done = subprocess.run(
        [
            tools.find_uv(),
            "python",
            "find",
            "--managed-python",
            "--no-python-downloads",
            "--no-project",
            minor_version,
        ],
        env=tools.build_uv_variables(),
        cwd=tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return _probe_interpreter(Path(done.stdout.strip()), minor_version) if done.returncode == 0 else None


def _probe_interpreter(path: Path, minor_version: str) -> Interpreter | None:
    """Return an interpreter's version; None if it does not run (a shim without a version) or has another version."""
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", _VERSION_SCRIPT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    kind, _, version = done.stdout.strip().partition(" ")
    if done.returncode != 0 or kind != "CPython" or version.rpartition(".")[0] != minor_version:
        return None
    return Interpreter(path=path, version=version)
