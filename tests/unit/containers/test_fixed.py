from __future__ import annotations

import pytest

from sandbox.containers import fixed_environment
from sandbox.model import ResourceLimits


@pytest.mark.parametrize(("cpus", "threads"), [(0.1, 1), (1, 1), (1.5, 2), (2, 2), (7.01, 8)])
def test_thread_counts_are_the_processors_rounded_up(cpus: float, threads: int) -> None:
    limits = ResourceLimits(cpus=cpus, memory_bytes=2**30, timeout_seconds=1)
    variables = fixed_environment.build_variables(limits, home="/h", temporary="/t")
    assert {variables[name] for name in fixed_environment.THREAD_COUNT_VARIABLES} == {str(threads)}


def test_what_could_change_outputs_is_fixed() -> None:
    limits = ResourceLimits(cpus=1, memory_bytes=2**30, timeout_seconds=1)
    variables = fixed_environment.build_variables(limits, home="/h", temporary="/t")
    assert variables["TZ"] == "UTC"
    assert variables["LANG"] == "C.UTF-8"
    assert variables["PYTHONHASHSEED"] == "0"
    assert (variables["HOME"], variables["TMPDIR"]) == ("/h", "/t")
