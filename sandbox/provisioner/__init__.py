"""Turns image and requirements into a lock, and a lock into an environment that code can run in."""

from sandbox.provisioner.environments import environment, recorded
from sandbox.provisioner.lock.frozen_check import check_frozen
from sandbox.provisioner.lock.request import StackRequest, request
from sandbox.provisioner.lock.resolver import inputs, resolve

__all__ = [
    "StackRequest",
    "check_frozen",
    "environment",
    "inputs",
    "recorded",
    "request",
    "resolve",
]
