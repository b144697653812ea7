"""Variables of the environment that stay in this process: what it starts does not inherit them."""

from __future__ import annotations

import os

NAMES = ("SANDBOX_MASK_KEY", "SANDBOX_MASK_KEY_FILE")

_withheld: dict[str, str] = {}


def withhold() -> None:
    """Take them out of the environment; to be called once, before anything is started."""
    _withheld.update({name: os.environ.pop(name) for name in NAMES if name in os.environ})


def private(name: str) -> str | None:
    """Give one of them, withheld or not; None where it is not set or empty."""
    return os.environ.get(name) or _withheld.get(name) or None
