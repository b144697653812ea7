"""``sandbox logs``: print the log of a run, also while it runs."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from sandbox.formatting import format_count
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
        folder: Its present folder; a running run's folder is moved at its end.
        is_running: Whether it still runs.
    """

    run: str
    folder: Path
    is_running: bool


def find_run_log(project: Project, *, run: str | None) -> RunLog:
    """Find a run by the prefix of its name, or the latest requested one, running ones included.

    Raises:
        UsageError: There is none, or several match.
    """
    runs = project.state_folder / "runs"
    logs = {path.name: RunLog(run=path.name, folder=path, is_running=False) for path in runs.glob("[0-9]*")}
    logs |= {name: RunLog(run=name, folder=path, is_running=True) for name, path in find_active_runs(runs).items()}
    if not logs:
        raise UsageError("this project has no run yet", hint="sandbox run")
    if run is None:
        return logs[_find_latest_run(runs, logs)]
    fitting = sorted(name for name in logs if name.startswith(run))
    if len(fitting) == 1:
        return logs[fitting[0]]
    there = "\n".join(fitting or sorted(logs)[-5:])
    what = (
        f"{format_count(len(fitting), 'run begins', 'runs begin')} with {run!r}"
        if fitting
        else f"there is no run {run!r}"
    )
    raise UsageError(what, hint=f"name one of them:\n{there}")


def _find_latest_run(runs: Path, logs: Mapping[str, RunLog]) -> str:
    """Return the latest run's name, preferring running and requested runs."""
    asked_for = {folder.name for folder, _ in list_requested_runs(runs)}
    return max(logs, key=lambda name: (logs[name].is_running or name in asked_for, name))


def stream_log(
    log: RunLog, *, follow: bool, stdout: Callable[[bytes], object], stderr: Callable[[bytes], object]
) -> None:
    """Pass a run's output to two functions; with ``follow`` until it ends.

    Raises:
        StoreError: The log cannot be read.
    """
    with contextlib.ExitStack() as files, translate_os_errors(log.folder):
        streams = [
            (files.enter_context((log.folder / name).open("rb")), take)
            for name, take in (("stdout.log", stdout), ("stderr.log", stderr))
        ]
        while True:
            # Checked before reading: output written in between is read in the next turn.
            ended = not (follow and log.is_running and log.folder.exists())
            for file, take in streams:
                while chunk := file.read(CHUNK_BYTES):
                    take(chunk)
            if ended:
                return
            time.sleep(POLL_SECONDS)
