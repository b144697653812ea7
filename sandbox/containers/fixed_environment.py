"""Environment variables set in every run and runtime, so that outputs do not depend on the machine."""

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
    """Return the number of threads for a run's libraries."""
    return max(1, math.ceil(limits.cpus))


def build_variables(limits: ResourceLimits, *, home: str, temporary: str) -> Mapping[str, str]:
    """Return the fixed variables except PATH.

    Args:
        limits: Determine the thread counts, and Spark's heap (half of the memory).
        home: The home folder as seen by the run.
        temporary: The folder for temporary files as seen by the run.
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
        # Spark looks up its address, and a run has no other; its heap is fixed before it knows its limits.
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DRIVER_MEMORY": f"{max(512, limits.memory_bytes // 2**21)}m",
        **dict.fromkeys(THREAD_COUNT_VARIABLES, str(count_threads(limits))),
    }
