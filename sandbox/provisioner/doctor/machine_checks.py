"""Checks of this machine: tools, Python, disk space, clock."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from typing import TYPE_CHECKING

from sandbox.errors import ContainerEngineError
from sandbox.provisioner.doctor.check import DoctorCheck, fail_check, pass_check, run_check
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import tools
from sandbox.provisioner.lock.request import SUPPORTED_PYTHONS

if TYPE_CHECKING:
    from pathlib import Path

MIN_FREE_BYTES = 2 * 10**9  # an image, its wheels, and a build
EARLIEST_TIME = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)  # the clock cannot be earlier


def check_machine(home: Path, root: Path | None) -> list[DoctorCheck]:
    folders = {"space for samples": home}
    if root is not None:
        folders["space for runs"] = root
    return [
        run_check("git", _check_git),
        run_check("uv", _check_uv),
        *(check_space(name, folder) for name, folder in folders.items()),
        _check_clock(),
    ]


def check_local_python() -> DoctorCheck:
    """Check that the stack's Python is available for runs without containers."""
    expected = SUPPORTED_PYTHONS[0]
    interpreter = interpreters.find_interpreter(expected)
    what = f"Python {interpreter.version} at {interpreter.path}"
    if interpreter.minor_version == expected:
        return pass_check("Python for local runs", what)
    return fail_check(
        "Python for local runs",
        f"{what}; the stack has {expected}, and results may differ",
        f"uv python install {expected}",
    )


def check_space(name: str, path: Path) -> DoctorCheck:
    """Check the free space at an existing or future path."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1e9:.1f} GB free at {existing}"
    if free >= MIN_FREE_BYTES:
        return pass_check(name, detail)
    return fail_check(name, f"{detail}; {MIN_FREE_BYTES / 1e9:.0f} GB are needed", f"free some space at {existing}")


def _check_git() -> DoctorCheck:
    fix = "install git: https://git-scm.com/downloads"
    if shutil.which("git") is None:
        return fail_check("git", "not found on the PATH", fix)
    return pass_check("git", _read_version(["git", "--version"]))


def _check_uv() -> DoctorCheck:
    return pass_check("uv", _read_version([tools.find_uv(), "--version"]))


def _read_version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise ContainerEngineError(f"{command[0]} cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        raise ContainerEngineError(f"{' '.join(command)} ends with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def _check_clock() -> DoctorCheck:
    now = dt.datetime.now(dt.UTC)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    if now >= EARLIEST_TIME:
        return pass_check("clock", shown)
    return fail_check("clock", f"{shown}, which cannot be", "set the clock: sudo timedatectl set-ntp true")
