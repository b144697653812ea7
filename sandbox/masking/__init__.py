"""Masks of personal columns: their functions, their assignment to columns, and their secret. Guide: docs/masking.md."""

from sandbox.masking.duckdb_functions import Masking
from sandbox.masking.rules import describe_masks, needs_secret, resolve_masks
from sandbox.masking.secret import Secret, find_secret, load_secret

__all__ = [
    "Masking",
    "Secret",
    "describe_masks",
    "find_secret",
    "load_secret",
    "needs_secret",
    "resolve_masks",
]
