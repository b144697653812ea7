"""``sandbox logs``: what a run printed, also while it goes on."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from sandbox.project.run_history import list_requested_runs
from sandbox.runner.logs import find_active_runs
from sandbox.store.folder import translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.config import Project

POLL_SECONDS = 0.2
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class RunLog:
    """The log of one run.

    Attributes:
        run: Its name.
        folder: Where it lies now; a run that goes on moves when it ends.
        is_running: Whether it still runs.
    """

    run: str
    folder: Path
    is_running: bool


def find_run_log(project: Project, *, run: str | None) -> RunLog:
    """Find a run by the beginning of its name; without one the latest that somebody asked for, also one that goes on.

    Raises:
        UsageError: There is none, or several fit.
    """
    runs = project.state_folder / "runs"
    found = {path.name: RunLog(run=path.name, folder=path, is_running=False) for path in runs.glob("[0-9]*")}
    found |= {name: RunLog(run=name, folder=path, is_running=True) for name, path in find_active_runs(runs).items()}
    if not found:
        raise UsageError("this project has no run yet", hint="sandbox run")
    if run is None:
        return found[_find_latest_run(runs, found)]
    fitting = sorted(name for name in found if name.startswith(run))
    if len(fitting) == 1:
        return found[fitting[0]]
    there = "\n".join(fitting or sorted(found)[-5:])
    what = f"{len(fitting)} runs begin with {run!r}" if fitting else f"there is no run {run!r}"
    raise UsageError(what, hint=f"name one of them:\n{there}")


def _find_latest_run(runs: Path, found: Mapping[str, RunLog]) -> str:
    """Give the latest run's name; those that ended and only looked for something come last."""
    asked_for = {folder.name for folder, _ in list_requested_runs(runs)}
    return max(found, key=lambda name: (found[name].is_running or name in asked_for, name))


def stream_log(
    found: RunLog, *, follow: bool, stdout: Callable[[bytes], object], stderr: Callable[[bytes], object]
) -> None:
    """Hand a run's output to two functions; with ``follow`` until it ends.

    Raises:
        StoreError: The log cannot be read.
    """
    with contextlib.ExitStack() as files, translate_os_errors(found.folder):
        streams = [
            (files.enter_context((found.folder / name).open("rb")), take)
            for name, take in (("stdout.log", stdout), ("stderr.log", stderr))
        ]
        while True:
            # Asked before reading: what is written between the two is read in the next turn.
            ended = not (follow and found.is_running and found.folder.exists())
            for file, take in streams:
                while chunk := file.read(CHUNK_BYTES):
                    take(chunk)
            if ended:
                return
            time.sleep(POLL_SECONDS)
