"""A shell on a terminal, which here is a pseudo-terminal that the test types on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from sandbox.containers.local.runtime import LocalRuntime
from sandbox.errors import ContainerEngineError
from tests.waiting import NEVER_SECONDS, PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.containers.protocol import Job
    from tests.integration.containers.conftest import Jobs

CALLER = """
import pickle, sys
from sandbox.containers.{module}.runtime import {runtime}
with open(sys.argv[1], "rb") as file:
    job = pickle.load(file)
sys.exit({runtime}().run_shell(job))
"""
RUNTIMES = {"docker": "DockerRuntime", "local": "LocalRuntime"}


class Typist:
    """A process on a pseudo-terminal of 24 rows and 80 columns, and somebody who types and reads."""

    def __init__(self, command: list[str]) -> None:
        self.terminal, inner = os.openpty()
        self.resize(24, 80, tell=False)
        self.modes = termios.tcgetattr(inner)
        self.process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner)
        self.inner = inner
        self.seen = b""

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, text: str) -> bytes:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text.encode() not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} does not come in {self.seen!r}"
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.seen += os.read(self.terminal, 65536)
        before, _, self.seen = self.seen.partition(text.encode())
        return before

    def resize(self, rows: int, columns: int, *, tell: bool = True) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.process.send_signal(signal.SIGWINCH)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.inner)


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "local"])
def typist(request: pytest.FixtureRequest, jobs: Jobs) -> Iterator[Typist]:
    if request.param == "docker":
        request.getfixturevalue("engine")
    job: Job = jobs.job("exec /bin/sh -i", request.param)
    file = jobs.folder / "job"
    file.write_bytes(pickle.dumps(job))
    code = CALLER.format(module=request.param, runtime=RUNTIMES[request.param])
    one = Typist([sys.executable, "-c", code, str(file)])
    yield one
    one.close()


def test_what_is_typed_is_done_and_the_status_is_handed_on(typist: Typist) -> None:
    typist.type("echo $((6 * 7))ok; exit 7\n")
    typist.until("42ok")
    assert typist.process.wait(PATIENCE_SECONDS) == 7


def test_the_end_of_input_ends_the_shell(typist: Typist) -> None:
    typist.type("echo $((1 + 1))ready\n")
    typist.until("2ready")
    typist.type("\x04")
    assert typist.process.wait(PATIENCE_SECONDS) == 0


def test_an_interruption_goes_to_what_works_in_the_shell_and_not_to_us(typist: Typist, jobs: Jobs) -> None:
    nap = f"{NEVER_SECONDS}.{int(jobs.token, 16) % 10**9:09d}"
    typist.type(f"echo $((1 + 1))ready; sleep {nap}\n")
    typist.until("2ready")
    wait_until(lambda: any(nap in (one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])))
    typist.type("\x03")
    typist.type("echo $((40 + 2))after; exit 0\n")
    typist.until("42after")
    assert typist.process.wait(PATIENCE_SECONDS) == 0


def test_the_shell_knows_the_size_and_every_change_of_it(typist: Typist) -> None:
    typist.type("echo $((1 + 1))ready\n")
    typist.until("2ready")
    typist.type("stty size; echo $((3 + 4))first\n")
    assert b"24 80" in typist.until("7first")
    typist.resize(50, 132)

    def is_known() -> bool:
        typist.type("stty size; echo $((3 + 6))second\n")
        return b"50 132" in typist.until("9second")

    wait_until(is_known)
    typist.type("exit 0\n")
    assert typist.process.wait(PATIENCE_SECONDS) == 0


def test_the_terminal_is_as_before_afterwards(typist: Typist) -> None:
    typist.type("exit 0\n")
    assert typist.process.wait(PATIENCE_SECONDS) == 0
    assert termios.tcgetattr(typist.inner) == typist.modes


def test_there_must_be_a_terminal(jobs: Jobs) -> None:
    with pytest.raises(ContainerEngineError, match="needs a terminal"):
        LocalRuntime().run_shell(jobs.job("exec /bin/sh", "local"))
