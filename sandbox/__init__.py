"""Change pipeline code, and see what it does to the data before you merge."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["__version__", "compare_tables", "open"]
__version__ = "0.1.0"

_API = {"compare_tables": "compare_tables", "open": "open_project"}


def __getattr__(name: str) -> Any:
    """Load the API at first use, so that commands start fast; ``__init__.pyi`` has its types."""
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("sandbox.api"), _API[name])
