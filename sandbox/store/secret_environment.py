"""Variables of the environment that stay in this process: what it starts does not inherit them."""

from __future__ import annotations

import os

SECRET_VARIABLES = ("SANDBOX_MASK_KEY", "SANDBOX_MASK_KEY_FILE")

_withheld_values: dict[str, str] = {}


def remove_secret_variables() -> None:
    """Take them out of the environment; to be called once, before anything is started."""
    _withheld_values.update({name: os.environ.pop(name) for name in SECRET_VARIABLES if name in os.environ})


def read_secret_variable(name: str) -> str | None:
    """Give one of them, withheld or not; None where it is not set or empty."""
    return os.environ.get(name) or _withheld_values.get(name) or None
