"""A command that waits at one of its own steps until another command has ended there: the same on every machine.

Run as ``python -m tests.interleaving EVENT TEXT OTHER WORD...``: calls the command of sandbox with the words; before the first
audited event of that name (PEP 578) whose arguments contain the text, it calls the command OTHER, words separated by blanks, and
waits. The last line on stderr is the other command's status.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any


def watch_step(event: str, text: str, other: list[str]) -> list[int]:
    """Call the other command before the step; return the list that has its status then."""
    statuses: list[int] = []
    started: list[str] = []

    def watch(seen: str, arguments: tuple[Any, ...]) -> None:
        if seen == event and not started and any(text in str(argument) for argument in arguments):
            started.append(seen)
            called = subprocess.run([sys.executable, "-m", "sandbox", *other], capture_output=True, check=False)
            statuses.append(called.returncode)

    sys.addaudithook(watch)
    return statuses


def main() -> None:
    """Call the command of this process's arguments, and exit with its status."""
    event, text, other, *words = sys.argv[1:]
    statuses = watch_step(event, text, other.split())
    sys.argv = ["sandbox", *words]
    from sandbox.cli import main as call  # noqa: PLC0415 - after the hook

    own_status = call()
    sys.stderr.write("".join(f"{status}\n" for status in statuses))
    sys.stderr.flush()
    os._exit(own_status)


if __name__ == "__main__":
    main()
