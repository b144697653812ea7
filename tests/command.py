"""Calls of the command, each in a process of its own that is forked from one which has imported the libraries.

A test calls the command up to thirty times, and importing the libraries took half of the time of most calls. Modules of
sandbox are imported by each call itself, as always.

Run as ``python -m tests.command FD``: serves the calls that arrive at a socket.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import itertools
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
LIBRARIES = (
    "adbc_driver_postgresql.dbapi", "click", "concurrent.futures", "cryptography.fernet", "docker", "duckdb", "filelock",
    "fsspec", "ibis", "ibis.expr.sql", "jinja2", "numpy", "packaging.requirements", "pandas", "platformdirs", "polars",
    "psutil", "pyarrow.compute", "pyarrow.dataset", "pyarrow.fs", "pyarrow.parquet", "pydantic", "rich.progress",
    "rich.table", "sqlglot", "uuid",
)  # fmt: skip
IMPORT_VARIABLES = ("ARROW_", "DUCKDB_", "FSSPEC_", "LANG", "LC_", "LD_", "MALLOC_", "OMP_", "POLARS_", "PYTHON")
"""Prefixes of variables that matter when Python starts or a library is imported."""
SERVERS = 2  # calls alternate, since all calls of one have the same order of sets


def run_command(
    arguments: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Call the command with nothing on stdin, and wait for it.

    Raises:
        TimeoutExpired: It took longer; it is killed.
    """
    if select_import_variables(env) != select_import_variables(os.environ):
        command = [sys.executable, "-m", "sandbox", *arguments]
        return subprocess.run(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )  # fmt: skip
    call = json.dumps([list(arguments), str(cwd), dict(env)]).encode()
    pipes = [os.pipe() for _ in range(3)]  # for stdout, stderr, and the process id and status
    readers = [os.fdopen(reader, "rb") for reader, _ in pipes]
    try:
        _choose_server().send(call, [writer for _, writer in pipes])
    finally:
        for _, writer in pipes:
            os.close(writer)
    results: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda n=number: results.update({n: readers[n].read()}), daemon=True)
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    with contextlib.ExitStack() as stack:
        for reader in readers:
            stack.callback(reader.close)
        pid = int(readers[2].readline())
        deadline = time.monotonic() + (threading.TIMEOUT_MAX if timeout is None else timeout)
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            os.kill(pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
            raise subprocess.TimeoutExpired(["sandbox", *arguments], timeout or 0, results[0], results[1])
        status = os.waitstatus_to_exitcode(int(readers[2].readline()))
    stdout, stderr = (results[number].decode().replace("\r\n", "\n") for number in range(2))
    return subprocess.CompletedProcess(["sandbox", *arguments], status, stdout, stderr)


def select_import_variables(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a forked call cannot change."""
    return {name: value for name, value in env.items() if name.startswith(IMPORT_VARIABLES)}


class CommandServer:
    """A process that has imported the libraries, and forks for each call."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.command", str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"},  # as the command sets it
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    def send(self, call: bytes, files: list[int]) -> None:
        with self._lock:
            socket.send_fds(self._socket, [call], files)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


_turns = itertools.count()
_lock = threading.Lock()


def _choose_server() -> CommandServer:
    with _lock:
        return _start_server(next(_turns) % SERVERS)


@cache
def _start_server(_: int) -> CommandServer:
    return CommandServer()


def serve(requests: socket.socket) -> list[str] | None:
    """Fork for each call, and report its status; return the arguments of a call in its own process, and None at the end."""
    reports: dict[int, tuple[int, int]] = {}  # by the descriptor of a process: its id, and where its status is written
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd != requests.fileno():
                    selector.unregister(key.fd)
                    pid, report = reports.pop(key.fd)
                    os.write(report, b"%d\n" % os.waitpid(pid, 0)[1])
                    os.close(report)
                    os.close(key.fd)
                    continue
                call, files, _, _ = socket.recv_fds(requests, 1 << 20, 3)
                if not call:
                    return None
                if (pid := os.fork()) == 0:
                    return enter_call(
                        json.loads(call), files, [requests.fileno(), *reports, *(f for _, f in reports.values())]
                    )
                os.write(files[2], b"%d\n" % pid)
                for file in files[:2]:
                    os.close(file)
                handle = os.pidfd_open(pid)
                reports[handle] = pid, files[2]
                selector.register(handle, selectors.EVENT_READ)


def enter_call(call: tuple[list[str], str, dict[str, str]], files: list[int], others: list[int]) -> list[str]:
    """Turn this process into one that a test has started; return the arguments."""
    arguments, cwd, env = call
    for target, file in enumerate([os.open(os.devnull, os.O_RDONLY), *files[:2]]):
        os.dup2(file, target)
        os.close(file)
    for file in (files[2], *others):
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    tempfile.tempdir = None
    sys.path[0] = cwd
    return arguments


def main() -> None:
    """Serve calls, each of which ends in its own process as ``python -m sandbox`` does."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in LIBRARIES:
        importlib.import_module(name)
    del os.environ["PYDANTIC_DISABLE_PLUGINS"]
    gc.freeze()
    arguments = serve(requests)
    if arguments is not None:
        sys.argv = ["sandbox", *arguments]
        runpy.run_module("sandbox", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
