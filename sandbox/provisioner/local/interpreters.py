"""The interpreters of this machine."""

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
        """Major and minor."""
        return self.version.rpartition(".")[0]


@functools.cache
def find_interpreter(wanted: str) -> Interpreter:
    """Give an interpreter of the wanted version if this machine has one, else the one that runs this.

    Looked for are this interpreter, ``python3.x`` on the PATH and what uv installed; nothing is downloaded.
    """
    own = Interpreter(path=_find_own_interpreter(), version=platform.python_version())
    if own.minor_version == wanted:
        return own
    return _find_on_path(wanted) or _find_uv_python(wanted) or own


def build_host_target(wanted: str) -> pins.InstallTarget:
    """Give what the local runtime's libraries are for."""
    return pins.InstallTarget(
        platform=pins.read_host_platform(), python=find_interpreter(wanted).minor_version, in_container=False
    )


def _find_own_interpreter() -> Path:
    """Give the interpreter itself, not the virtual environment that this may run in."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def _find_on_path(wanted: str) -> Interpreter | None:
    found = shutil.which(f"python{wanted}")
    return _probe_interpreter(Path(found), wanted) if found else None


def _find_uv_python(wanted: str) -> Interpreter | None:
    done = subprocess.run(
        [
            tools.find_uv(),
            "python",
            "find",
            "--managed-python",
            "--no-python-downloads",
            "--no-project",
            wanted,
        ],
        env=tools.build_uv_variables(),
        cwd=tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return _probe_interpreter(Path(done.stdout.strip()), wanted) if done.returncode == 0 else None


def _probe_interpreter(path: Path, wanted: str) -> Interpreter | None:
    """Ask an interpreter what it is; None where it does not run (a shim without a version) or is another."""
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
    if done.returncode != 0 or kind != "CPython" or version.rpartition(".")[0] != wanted:
        return None
    return Interpreter(path=path, version=version)
