"""Masks of personal columns: what they do, which column has which, and the secret behind them. Guide: docs/masking.md."""

from sandbox.sampler.masking.binding import Masking
from sandbox.sampler.masking.rules import described, needs_secret, resolved
from sandbox.sampler.masking.secret import Secret, secret

__all__ = ["Masking", "Secret", "described", "needs_secret", "resolved", "secret"]
