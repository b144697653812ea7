"""Processes that are killed at one of their own steps: on a slow machine and on a fast one at the same.

A step is what the interpreter audits (PEP 578): a file opened for writing, made, renamed or removed, a process started, a
request sent to the container engine.

Run as ``python -m tests.kill_points FOLDER STEP WORD...``: calls a command of sandbox in a folder, killed before a step; with
0 it is not killed, and the number of its steps is the last line of the output.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from sandbox.config.settings import Project
    from sandbox.sampler.plan.plan import SamplePlan

ROOT = Path(__file__).parents[1]
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "subprocess.Popen"}
REQUESTS = {"http.client.send", "sandbox.test.step"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def is_step(event: str, arguments: tuple[Any, ...]) -> bool:
    """Return whether an audited event is a step."""
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & WRITING) and arguments[0] != os.devnull
    return event in CHANGES or event in REQUESTS


def watch_steps(kill_at: int | None = None) -> Callable[[], list[str]]:
    """Watch this process until its end, and kill it before a step; return a function that lists the steps so far."""
    seen: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if is_step(event, arguments):
            seen.append(event)
            if len(seen) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return lambda: list(seen)


def draw_until(project: Project, plan: SamplePlan, home: Path, kill_at: int | None, steps: Connection) -> None:
    """Draw a sample in a process of its own, killed before a step; send the number of steps if it ends."""
    from sandbox.model import SilentProgress  # noqa: PLC0415 - a fork server has imported it
    from sandbox.sampler.draw.draw import draw_sample  # noqa: PLC0415

    list_steps = watch_steps(kill_at)
    draw_sample(project, plan, home=home, threads=2, progress=SilentProgress())
    steps.send(len(list_steps()))


def main() -> None:
    """Call a command of sandbox that is killed before a step."""
    _, folder, step, *words = sys.argv
    os.chdir(folder)
    sys.argv = ["sandbox", *words]
    from sandbox.cli import main as run_command  # noqa: PLC0415 - its steps count from here

    list_steps = watch_steps(int(step) or None)
    status = run_command()
    print(len(list_steps()))  # noqa: T201
    sys.exit(status)


if __name__ == "__main__":
    main()
