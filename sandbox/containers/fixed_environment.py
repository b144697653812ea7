"""The variables that every run sees, whatever carries it out, so that its outputs do not depend on the machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.model import ResourceLimits

THREAD_COUNT_VARIABLES = (
    "OMP_NUM_THREADS",  # OpenMP: scikit-learn, Arrow
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "PYTHON_CPU_COUNT",  # os.cpu_count() from Python 3.13 on
)
USER_NAME = "sandbox"


def count_threads(limits: ResourceLimits) -> int:
    """Give the number of threads that a run's libraries should start."""
    return max(1, math.ceil(limits.cpus))


def build_variables(limits: ResourceLimits, *, home: str, temporary: str) -> Mapping[str, str]:
    """Give the fixed variables, PATH aside.

    Args:
        limits: Their processors become the thread counts, half of their memory the heap of Spark.
        home: The home folder as the run sees it.
        temporary: The folder for temporary files as the run sees it.
    """
    return {
        "HOME": home,
        "TMPDIR": temporary,
        "USER": USER_NAME,
        "LOGNAME": USER_NAME,
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",  # the code is read-only
        # Spark asks for its own address, of which a run has no other, and fixes its heap before it knows its limits.
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DRIVER_MEMORY": f"{max(512, limits.memory_bytes // 2**21)}m",
        **dict.fromkeys(THREAD_COUNT_VARIABLES, str(count_threads(limits))),
    }
