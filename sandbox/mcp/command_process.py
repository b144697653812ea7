"""Run one command of sandbox in a process of its own, with progress, until it ends or is cancelled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.text import TextReceiveStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from anyio.abc import Process

STOP_SECONDS = 30.0
"""How long a cancelled command may take to remove what it started."""
VERDICT_STATUSES = (0, 1)


class CommandFailure(Exception):  # noqa: N818 - it becomes the library's error of a tool
    """A command that did not reach a result, with its message and hint."""


async def run_command(
    arguments: Sequence[str],
    folder: Path,
    report_progress: Callable[[float, float | None, str | None], Awaitable[None]],
) -> dict[str, Any]:
    """Run a command and return its JSON; each line that it writes about its steps is reported.

    Where code runs is taken from the baseline's ``sandbox.toml``, as in CI: the agent may have edited this one.

    Raises:
        CommandFailure: It failed, or was used wrongly.
    """
    command = [sys.executable, "-m", "sandbox", *arguments]
    environment = os.environ | {"CI": "true", "NO_COLOR": "1"}
    printed: list[str] = []
    async with await anyio.open_process(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_collect, process, printed)
                await _follow_steps(process, report_progress)
            await process.wait()
        finally:
            if process.returncode is None:
                with anyio.CancelScope(shield=True):
                    await _stop(process)
    return _read_result("".join(printed), process.returncode)


async def _collect(process: Process, printed: list[str]) -> None:
    assert process.stdout is not None
    printed.extend([text async for text in TextReceiveStream(process.stdout, errors="replace")])


async def _follow_steps(
    process: Process, report_progress: Callable[[float, float | None, str | None], Awaitable[None]]
) -> None:
    assert process.stderr is not None
    count, rest = 0, ""
    async for text in TextReceiveStream(process.stderr, errors="replace"):
        *lines, rest = (rest + text).split("\n")
        for line in filter(None, lines):
            count += 1
            await report_progress(count, None, line)


async def _stop(process: Process) -> None:
    """Interrupt a command, and kill it if it does not end."""
    process.send_signal(signal.SIGINT)
    with anyio.move_on_after(STOP_SECONDS):
        await process.wait()
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _read_result(printed: str, status: int | None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise CommandFailure(f"the command ended with status {status} and no result") from None
    if (error := found.get("error")) is not None:
        raise CommandFailure(f"{error['message']} (status {error['status']})\n{error['hint']}".rstrip())
    if status not in VERDICT_STATUSES:
        raise CommandFailure(f"the command ended with status {status}: {json.dumps(found)[:1000]}")
    return found
