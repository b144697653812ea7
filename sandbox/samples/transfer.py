"""Transfer files to or from a store in parallel, with progress, until all are done or one fails."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sandbox.formatting import format_count
from sandbox.store.remote import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.manifest.sample import StoredFile
    from sandbox.model import Progress
    from sandbox.store.remote import RemoteStore

MAX_PARALLEL_TRANSFERS = 4

AdvanceCallback = Callable[[float], None]
OutcomeQueue: TypeAlias = "queue.SimpleQueue[BaseException | None]"


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Counts of transferred files and bytes, and of files already present."""

    files: int
    bytes: int
    files_present: int


def transfer_files(
    doing: str,
    files: Sequence[StoredFile],
    lacking: Sequence[StoredFile],
    transfer_file: Callable[[StoredFile, AdvanceCallback, threading.Event], None],
    progress: Progress,
) -> Transfer:
    """Transfer files in parallel; the first failure stops the others.

    Args:
        doing: Name of the step.
        files: All files.
        lacking: The files to transfer.
        transfer_file: Transfers a file, reports moved bytes, and returns early once the event is set.
        progress: Shows the step.
    """
    stop = threading.Event()
    there = len(files) - len(lacking)
    total = sum(file.bytes for file in lacking)
    name = f"{doing}, {there} of {format_count(len(files), 'file')} there" if there else doing
    ended: OutcomeQueue = queue.SimpleQueue()
    with (
        progress.step(name, total=total, unit="bytes") as advance,
        ThreadPoolExecutor(MAX_PARALLEL_TRANSFERS) as pool,
    ):
        try:
            for file in lacking:
                pool.submit(_run_and_report, functools.partial(transfer_file, file, advance, stop), stop, ended)
            for _ in lacking:
                _wait_for_outcome(ended)
        except BaseException as error:
            stop.set()
            if isinstance(error, KeyboardInterrupt):
                progress.print_message("ending what is under way; the same command goes on from there later")
            raise
    return Transfer(files=len(lacking), bytes=total, files_present=there)


def read_chunks(path: Path, advance: AdvanceCallback) -> Iterator[bytes]:
    """Yield a file's bytes in chunks, and report each once it is consumed."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            advance(len(chunk))


def write_uninterrupted(store: RemoteStore, path: str, content: bytes) -> None:
    """Write a small file to its end even on Ctrl-C, which reaches only the main thread (see `RemoteStore.write`)."""
    ended: OutcomeQueue = queue.SimpleQueue()
    write = functools.partial(store.write, path, [content])
    threading.Thread(target=_run_and_report, args=(write, threading.Event(), ended)).start()
    _wait_for_outcome(ended)


def _run_and_report(work: Callable[[], object], stop: threading.Event, ended: OutcomeQueue) -> None:
    """Run work in a thread unless stopped, and report its outcome."""
    try:
        if not stop.is_set():
            work()
    except BaseException as error:  # noqa: BLE001 - raised again by the waiting thread
        ended.put(error)
    else:
        ended.put(None)


def _wait_for_outcome(ended: OutcomeQueue) -> None:
    """Wait for one outcome and raise its failure.

    Futures hold locks while they are awaited. An interrupt could leave one locked, and its threads would wait
    forever; a simple queue has no such lock.
    """
    failure = ended.get()
    if failure is not None:
        raise failure
