"""What tests require of the machine: in CI nothing may be missing; elsewhere a test is skipped."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"


def skip_or_fail(missing: str) -> NoReturn:
    """Fail in CI, skip elsewhere; ``missing`` names what is not there and how to get it."""
    if IN_CI:
        pytest.fail(missing)
    pytest.skip(missing)
