"""Checks of this machine: tools, Python, space, clock."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from typing import TYPE_CHECKING

from sandbox.errors import EngineError
from sandbox.provisioner.doctor.check import Check, bad, carried_out, good
from sandbox.provisioner.local import interpreters
from sandbox.provisioner.lock import tools
from sandbox.provisioner.lock.request import PYTHONS

if TYPE_CHECKING:
    from pathlib import Path

NEEDED_BYTES = 2 * 10**9  # an image, its wheels, and room for a build
BUILT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)  # no machine's clock can be before this


def machine(home: Path, root: Path | None) -> list[Check]:
    """Check what every runtime needs."""
    places = {"space for samples": home}
    if root is not None:
        places["space for runs"] = root
    return [
        carried_out("git", _git),
        carried_out("uv", _uv),
        *(space(name, place) for name, place in places.items()),
        _clock(),
    ]


def local() -> Check:
    """Check whether runs without containers have the stack's Python."""
    wanted = PYTHONS[0]
    found = interpreters.interpreter(wanted)
    what = f"Python {found.version} at {found.path}"
    if found.minor == wanted:
        return good("Python for local runs", what)
    return bad(
        "Python for local runs",
        f"{what}; the stack has {wanted}, and results may differ",
        f"uv python install {wanted}",
    )


def space(name: str, place: Path) -> Check:
    """Check the free space where something lies, or will lie."""
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / 1e9:.1f} GB free at {there}"
    if free >= NEEDED_BYTES:
        return good(name, detail)
    return bad(name, f"{detail}; {NEEDED_BYTES / 1e9:.0f} GB are needed", f"free some space at {there}")


def _git() -> Check:
    fix = "install git: https://git-scm.com/downloads"
    if shutil.which("git") is None:
        return bad("git", "not found on the PATH", fix)
    return good("git", _version(["git", "--version"]))


def _uv() -> Check:
    return good("uv", _version([tools.find_uv(), "--version"]))


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        raise EngineError(f"{' '.join(command)} ends with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def _clock() -> Check:
    now = dt.datetime.now(dt.UTC)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    if now >= BUILT:
        return good("clock", shown)
    return bad("clock", f"{shown}, which cannot be", "set the clock: sudo timedatectl set-ntp true")
