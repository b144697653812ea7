"""The sample in the user's own tests: a plugin for pytest, and tables that must hold the same data."""

from __future__ import annotations

from sandbox.testing.assertions import assert_same_data

__all__ = ["assert_same_data"]
