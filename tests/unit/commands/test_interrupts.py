"""Ctrl-C while Python is within a destructor, where exceptions are dropped."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import PATIENCE_SECONDS

SCRIPT = """
import os, signal, sys, time
from sandbox.cli import SignalHandler

class Resource:
    def __del__(self):
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        time.sleep(0.001)

handler = SignalHandler()
try:
    Resource()
    while True:
        time.sleep(0.01)
except KeyboardInterrupt:
    sys.exit(handler.status)
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupt_within_a_destructor_is_not_lost(name: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (status, "")
