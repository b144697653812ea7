"""Raise the errors of failed runs, with the last lines of their logs if these may be shown."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, assert_never

from sandbox.errors import (
    ContainerEngineError,
    PipelineError,
    PipelineMemoryError,
    PipelineTimeoutError,
    SandboxError,
)
from sandbox.formatting import format_count, format_size
from sandbox.model import RunOutcome
from sandbox.runner.logs import LAST_LINES_LABEL, append_log_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.runner.run import Run

HIDDEN_LINES_NOTE = f"{LAST_LINES_LABEL} are not shown, because they may hold values of rows"


def check_success(run: Run) -> None:
    """Raise the error of a run's outcome, with the end of its log, unless it succeeded.

    Raises:
        PipelineError, PipelineTimeoutError, PipelineMemoryError, ContainerEngineError: The run's outcome.
    """
    record = run.record
    limits = record.limits
    where = f"the pipeline at {record.code.ref}"
    hint = f"the whole log: {run.folder / 'stderr.log'}"
    error: type[SandboxError]
    match record.ending:
        case RunOutcome.SUCCEEDED:
            return
        case RunOutcome.FAILED:
            error, message = PipelineError, f"{where} failed with status {record.status}"
            if shutil.disk_usage(run.folder).free < 2**20:
                hint = f"the disk of {run.folder.parent} is full: free some space, then try again\n{hint}"
        case RunOutcome.SIGNALLED:
            error, message = PipelineError, f"{where} was ended by signal {record.signal}"
        case RunOutcome.TIMED_OUT:
            error, message = PipelineTimeoutError, f"{where} did not end within {limits.timeout_seconds:g} s"
            hint = f"raise [stack.limits] timeout, or make it faster\n{hint}"
        case RunOutcome.OUT_OF_MEMORY:
            error, message = (
                PipelineMemoryError,
                f"{where} needed more memory than {format_count(limits.memory_bytes, 'byte')}",
            )
            hint = f"raise [stack.limits] memory, or sample less\n{hint}"
        case RunOutcome.OUTPUT_FULL:
            sizes = f"{format_size(record.output_bytes)} of files, and it may write {format_size(limits.output_bytes)}"
            error, message = PipelineError, f"{where} wrote {sizes}"
            hint = f"raise [stack.limits] output (default: half of the free space), or write less\n{hint}"
        case RunOutcome.LOST:
            error, message = (
                ContainerEngineError,
                (f"{where} was lost: its container was removed, or the container engine went away, while it ran"),
            )
            hint = "look at the engine with: sandbox doctor"
        case _:
            assert_never(record.ending)
    raise error(append_log_lines(message, run.folder), hint=hint)


@contextlib.contextmanager
def allow_quoted_output(allowed: bool) -> Iterator[None]:
    """Remove a run's printed lines from errors of the block unless they are allowed."""
    try:
        yield
    except SandboxError as error:
        if allowed or LAST_LINES_LABEL not in error.message:
            raise
        raise type(error)(summarize_error(error) + HIDDEN_LINES_NOTE, hint=error.hint) from error


def summarize_error(error: SandboxError) -> str:
    r"""Return the message of an error in one line, without the printed lines of a failed run.

    >>> summarize_error(PipelineError("the pipeline failed with status 1; its last lines:\n  | no space"))
    'the pipeline failed with status 1'
    """
    return error.message.partition(LAST_LINES_LABEL)[0].splitlines()[0]
