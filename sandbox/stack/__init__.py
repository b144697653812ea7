"""Turns image and requirements into a lock, and a lock into an environment that code can run in."""

from sandbox.stack.environments import environment, recorded
from sandbox.stack.frozen import check_frozen
from sandbox.stack.resolution import inputs, resolve
from sandbox.stack.wanted import StackRequest, request

__all__ = [
    "StackRequest",
    "check_frozen",
    "environment",
    "inputs",
    "recorded",
    "request",
    "resolve",
]
