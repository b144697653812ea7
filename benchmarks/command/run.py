"""How long the command keeps a person waiting: ratios to what nothing could beat, measured in one run.

    benchmarks/command/run.py [RUNS]

Makes the demo project in a temporary folder, with a home of its own, then takes the median of RUNS (default 7) calls each,
after one that does not count. The limits are: an interpreter that does nothing, and one that imports the libraries.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SANDBOX = [sys.executable, "-m", "sandbox"]
IMPORTS = "import click, duckdb, pydantic, rich"


def seconds(command: list[str], folder: Path, variables: dict[str, str], runs: int) -> float:
    """Give the median wall time of a command, after one call that does not count."""
    taken = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, check=False)
        taken.append(time.perf_counter() - started)
        if done.returncode not in (0, 1):
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.decode()}")
    return statistics.median(taken[1:])


def main(runs: int = 7) -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as name:
        place = Path(name)
        project = place / "shop"
        variables = dict(os.environ) | {"SANDBOX_HOME": str(place / "home")}
        variables.pop("CI", None)
        subprocess.run([*SANDBOX, "demo", str(project)], env=variables, check=True, capture_output=True)
        nothing = seconds([sys.executable, "-c", ""], project, variables, runs)
        limits = {
            "python -c ''": nothing,
            f"python -c '{IMPORTS}'": seconds([sys.executable, "-c", IMPORTS], project, variables, runs),
        }
        measured = {
            "sandbox --help": seconds([*SANDBOX, "--help"], project, variables, runs),
            "sandbox create, again": seconds([*SANDBOX, "create"], project, variables, runs),
            "sandbox run, again": seconds([*SANDBOX, "run"], project, variables, runs),
            "sandbox diff, again": seconds([*SANDBOX, "diff"], project, variables, runs),
        }
    print(f"{'':46}{'seconds':>9}{'x python':>10}")
    for label, value in (limits | measured).items():
        print(f"{label:46}{value:9.3f}{value / nothing:10.1f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
