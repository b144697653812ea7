"""Waiting for what another process does, for as long as a busy machine may take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 300.0
"""How long a test waits before it fails; a machine under load is slow, not wrong."""
NEVER_SECONDS = 3600
"""How long something sleeps that has to be ended by what is tested."""


def wait_until(is_reached: Callable[[], object], *, describe: Callable[[], object] = str) -> None:
    """Wait until a state is reached; fail with a description if that takes longer than `PATIENCE_SECONDS`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_reached():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.02)
