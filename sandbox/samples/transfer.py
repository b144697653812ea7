"""Files on their way to or from a store: a few at a time, with progress, and an end to all when one fails."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

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
    """What was brought to or from a store; ``there`` counts what did not have to be."""

    files: int
    bytes: int
    files_present: int


def transfer_files(
    doing: str,
    wanted: Sequence[StoredFile],
    lacking: Sequence[StoredFile],
    one: Callable[[StoredFile, AdvanceCallback, threading.Event], None],
    progress: Progress,
) -> Transfer:
    """Transfer files, a few at a time; what fails first stops the rest.

    Args:
        doing: What is shown.
        wanted: All files.
        lacking: Those of them that are to be transferred.
        one: Transfers one, says how many bytes have moved, and ends early, without an error, once it is told to stop.
        progress: Shows the step.
    """
    stop = threading.Event()
    there = len(wanted) - len(lacking)
    total = sum(file.bytes for file in lacking)
    name = f"{doing}, {there} of {len(wanted)} files are there" if there else doing
    ended: OutcomeQueue = queue.SimpleQueue()
    with (
        progress.step(name, total=total, unit="bytes") as advance,
        ThreadPoolExecutor(MAX_PARALLEL_TRANSFERS) as pool,
    ):
        try:
            for file in lacking:
                pool.submit(_run_and_report, functools.partial(one, file, advance, stop), stop, ended)
            for _ in lacking:
                _wait_for_outcome(ended)
        except BaseException as error:
            stop.set()
            if isinstance(error, KeyboardInterrupt):
                progress.print_message("ending what is under way; the same command goes on from there later")
            raise
    return Transfer(files=len(lacking), bytes=total, files_present=there)


def read_chunks(path: Path, advance: AdvanceCallback) -> Iterator[bytes]:
    """Give a file's bytes, piece by piece, and say when each has been taken."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            advance(len(chunk))


def write_uninterrupted(store: RemoteStore, path: str, content: bytes) -> None:
    """Write a small file to its end whatever happens: Ctrl-C reaches the main thread only (see `RemoteStore.write`)."""
    ended: OutcomeQueue = queue.SimpleQueue()
    write = functools.partial(store.write, path, [content])
    threading.Thread(target=_run_and_report, args=(write, threading.Event(), ended)).start()
    _wait_for_outcome(ended)


def _run_and_report(work: Callable[[], object], stop: threading.Event, ended: OutcomeQueue) -> None:
    """Do some work in a thread, unless it is to stop, and tell how it ended."""
    try:
        if not stop.is_set():
            work()
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        ended.put(error)
    else:
        ended.put(None)


def _wait_for_outcome(ended: OutcomeQueue) -> None:
    """Wait for one piece of work, and raise what it failed with.

    Waiting for futures takes their locks; an interrupt meanwhile would keep one, and their threads would wait for ever. A
    simple queue has no lock that an interrupt can leave behind.
    """
    failure = ended.get()
    if failure is not None:
        raise failure
