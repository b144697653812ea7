"""What a run that did not succeed means: an error, with the last lines that it printed unless they may not be shown."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, assert_never

from sandbox.errors import EngineError, PipelineError, PipelineMemoryError, PipelineTimeoutError, SandboxError
from sandbox.model import Ending
from sandbox.runner.logs import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.runner.run import Run

QUOTED = "; its last lines"
UNQUOTED = f"{QUOTED} are not shown, because they may hold values of rows"


def require_success(run: Run) -> None:
    """Raise what a run's ending means, if it is not a success; with the end of its log.

    Raises:
        PipelineError, PipelineTimeoutError, PipelineMemoryError, EngineError: How it ended.
    """
    record = run.record
    limits = record.limits
    where = f"the pipeline at {record.code.ref}"
    hint = f"the whole log: {run.folder / 'stderr.log'}"
    error: type[SandboxError]
    match record.ending:
        case Ending.SUCCEEDED:
            return
        case Ending.FAILED:
            error, message = PipelineError, f"{where} failed with status {record.status}"
            if shutil.disk_usage(run.folder).free < 2**20:
                hint = f"the disk of {run.folder.parent} is full: free some space, then try again\n{hint}"
        case Ending.SIGNALLED:
            error, message = PipelineError, f"{where} was ended by signal {record.signal}"
        case Ending.TIMED_OUT:
            error, message = PipelineTimeoutError, f"{where} did not end within {limits.timeout_seconds:g} s"
            hint = f"raise [stack.limits] timeout, or make it faster\n{hint}"
        case Ending.OUT_OF_MEMORY:
            error, message = (
                PipelineMemoryError,
                f"{where} needed more memory than {limits.memory_bytes:,} bytes",
            )
            hint = f"raise [stack.limits] memory, or sample less\n{hint}"
        case Ending.LOST:
            error, message = (
                EngineError,
                (
                    f"{where} was lost: its container was removed, or the container engine went away, while it ran"
                ),
            )
            hint = "look at the engine with: sandbox doctor"
        case _:
            assert_never(record.ending)
    raise error(with_log(message, run.folder), hint=hint)


@contextlib.contextmanager
def quoting(allowed: bool) -> Iterator[None]:
    """Errors of the block hold what a run printed only if that is allowed."""
    try:
        yield
    except SandboxError as error:
        if allowed or QUOTED not in error.message:
            raise
        raise type(error)(in_short(error) + UNQUOTED, hint=error.hint) from error


def in_short(error: SandboxError) -> str:
    r"""Give the message of an error in one line, without what a failed run printed.

    >>> in_short(PipelineError("the pipeline failed with status 1; its last lines:\n  | no space"))
    'the pipeline failed with status 1'
    """
    return error.message.partition(QUOTED)[0].splitlines()[0]


def with_log(message: str, folder: Path) -> str:
    """Give a message with the last lines that a run printed, if it printed any."""
    lines = last_lines(folder / "stderr.log") or last_lines(folder / "stdout.log")
    return "\n".join([f"{message}{QUOTED}:", *(f"  | {line}" for line in lines)]) if lines else message
