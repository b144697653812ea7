"""Run the program that calls dbt on many versions of a project: ``driver.py KIT < requests``, with the image's Python.

Each line of input is a JSON object: ``project``, ``sample``, ``output``, ``state`` (or null), ``environment``, ``plan``. Each
line of output is the exit status. Versions run in forks, so that dbt is imported once.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any


def run_version(request: dict[str, Any], kit: Path) -> int:
    """Run one version in a fork, and return its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 70
    try:
        status = run_program(request, kit)
    except BaseException:  # noqa: BLE001 - it must not reach the parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run_program(request: dict[str, Any], kit: Path) -> int:
    """Run one version in this process."""
    output = Path(request["output"])
    output.mkdir(parents=True)
    temporary = output.with_suffix(".tmp")
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    log = os.open(output.with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(request["project"])
    os.environ.update({**request["environment"], "SANDBOX_OUTPUT": str(output), "SANDBOX_SAMPLE": request["sample"]})
    if request["state"]:
        os.environ["SANDBOX_STATE"] = request["state"]
    (kit / "plan.json").write_text(json.dumps(request["plan"]))
    sys.argv = ["project.py"]
    return int(importlib.import_module("project").main())


def main() -> None:
    """Run every requested version."""
    kit = Path(sys.argv[1])
    sys.path.insert(0, str(kit))
    for module in ("dbt.cli.main", "dbt.adapters.duckdb.impl", "pandas"):
        importlib.import_module(module)
    for line in sys.stdin:
        sys.stdout.write(f"{run_version(json.loads(line), kit)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
