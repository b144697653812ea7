"""Masks of personal columns: what they do, which column has which, and the secret behind them. Guide: docs/masking.md."""

from sandbox.masking.duckdb_functions import Masking
from sandbox.masking.rules import described, needs_secret, resolved
from sandbox.masking.secret import Secret, secret

__all__ = ["Masking", "Secret", "described", "needs_secret", "resolved", "secret"]
