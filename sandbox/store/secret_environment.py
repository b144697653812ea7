"""Withhold variables of the environment from child processes."""

from __future__ import annotations

import os

SECRET_VARIABLES = ("SANDBOX_MASK_KEY", "SANDBOX_MASK_KEY_FILE")

_withheld_values: dict[str, str] = {}


def remove_secret_variables() -> None:
    """Remove the secret variables from the environment; call this once, before starting any process."""
    _withheld_values.update({name: os.environ.pop(name) for name in SECRET_VARIABLES if name in os.environ})


def read_secret_variable(name: str) -> str | None:
    """Return a secret variable, withheld or not; None if it is unset or empty."""
    return os.environ.get(name) or _withheld_values.get(name) or None
