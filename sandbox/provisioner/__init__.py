"""Resolve image and requirements into a lock, and build environments from locks."""

from sandbox.provisioner.environments import ensure_environment, record_environment
from sandbox.provisioner.lock.frozen_check import check_frozen
from sandbox.provisioner.lock.request import StackRequest, build_request
from sandbox.provisioner.lock.resolver import compute_inputs, resolve_lock

__all__ = [
    "StackRequest",
    "build_request",
    "check_frozen",
    "compute_inputs",
    "ensure_environment",
    "record_environment",
    "resolve_lock",
]
