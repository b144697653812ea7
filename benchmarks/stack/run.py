"""How long the stack keeps a person waiting, beside what Docker itself needs: ratios measured in one run.

    benchmarks/stack/run.py [RUNS]

Makes the demo project at a tenth of its size in a temporary folder, with a home of its own, and removes its image first, so that the first `create`
downloads and builds. All else is the median of RUNS (default 7) calls, after one that does not count. The limit of a run is
`docker run` of the same command, in the same image, with the same flags and mounts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SANDBOX = [sys.executable, "-m", "sandbox"]
COMMAND = 'echo done > "$SANDBOX_OUTPUT/value.csv"; echo 1 >> "$SANDBOX_OUTPUT/value.csv"'
CREATE_SECONDS, RUN_SECONDS = 1.0, 0.3


class Place:
    """A demo project, and calls in it."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "shop"
        self.variables = {**os.environ, "SANDBOX_HOME": str(folder / "home"), "SANDBOX_RUNTIME": "docker"}
        self.variables.pop("CI", None)
        made = "import pathlib, sys; from sandbox.demo import create_demo; from sandbox.model import SilentProgress\n"
        made += "create_demo(pathlib.Path(sys.argv[1]), scale=0.1, progress=SilentProgress())"
        self.called([sys.executable, "-c", made, str(self.project)], folder)

    def called(self, command: list[str], folder: Path | None = None) -> tuple[float, str]:
        """Carry out a command; gives its seconds and what it printed. A diff may end with 1."""
        started = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder or self.project,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode not in (0, 1):
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        return seconds, done.stdout

    def medians(self, commands: list[list[str]], runs: int) -> list[float]:
        """Give the median seconds of commands that take turns, after one call of each that does not count."""
        for command in commands:
            self.called(command)
        seconds = [[self.called(command)[0] for command in commands] for _ in range(runs)]
        return [statistics.median(column) for column in zip(*seconds, strict=True)]


def plain(created: dict[str, Any], folder: Path) -> list[str]:
    """Give the `docker run` that does what a run does, with the same flags and mounts."""
    mounts = {}
    for name, writable in (("sample", False), ("code", False), ("output", True)):
        source = Path(created["sample_path"]) / "tables" if name == "sample" else folder / name
        source.mkdir(exist_ok=True)
        source.chmod(0o777 if writable else 0o755)
        mounts[name] = f"type=bind,source={source},target=/sandbox/{name}{'' if writable else ',readonly'}"
    memory = 4 * 10**9
    return [
        *("docker", "run", "--rm", "--init", "--network", "none", "--read-only", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges:true", "--ipc", "private", "--pids-limit", "512"),
        *("--memory", str(memory), "--memory-swap", str(memory), "--cpus", "2", "--user", "1000:1000"),
        *("--ulimit", "core=0:0", "--hostname", "sandbox", "--no-healthcheck"),
        *("--tmpfs", f"/tmp:rw,exec,nosuid,nodev,mode=1777,size={memory // 2}"),
        *("--tmpfs", f"/home/sandbox:rw,exec,nosuid,nodev,mode=0700,uid=1000,gid=1000,size={memory // 4}"),
        *(part for mount in mounts.values() for part in ("--mount", mount)),
        *("--workdir", "/sandbox/code", "--env", "SANDBOX_OUTPUT=/sandbox/output"),
        *("--entrypoint", "/bin/sh", created["environment"]["reference"], "-c", COMMAND),
    ]


def main(runs: int = 7) -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as name:
        place = Place(Path(name))
        created = json.loads(place.called([*SANDBOX, "create", "--json"])[1])
        place.called(["docker", "rmi", created["environment"]["reference"]])
        cold = place.called([*SANDBOX, "create"])[0]
        diff = place.called([*SANDBOX, "diff"])[0]
        warm, again = place.medians([[*SANDBOX, "create"], [*SANDBOX, "diff"]], runs)
        settings = place.project / "sandbox.toml"
        lines = settings.read_text().splitlines()
        settings.write_text(
            "\n".join(f"command = {json.dumps(COMMAND)}" if line.startswith("command =") else line for line in lines)
        )
        limit, run = place.medians([plain(created, Path(name)), [*SANDBOX, "run", "--fresh"]], runs)
    print(f"{'':52}{'seconds':>9}{'x docker run':>14}")
    for label, value in {
        "docker run, the same command, flags and mounts": limit,
        "sandbox create, the image is not there": cold,
        "sandbox create, again": warm,
        "sandbox run --fresh": run,
        "sandbox diff, the first": diff,
        "sandbox diff, again": again,
    }.items():
        print(f"{label:52}{value:9.3f}{value / limit:14.1f}")
    print(f"\n{'met' if warm <= CREATE_SECONDS else 'MISSED':8}create again, at most {CREATE_SECONDS:g} s: {warm:.2f}")
    print(
        f"{'met' if run - limit <= RUN_SECONDS else 'MISSED':8}run beyond docker run, at most {RUN_SECONDS:g} s: {run - limit:.2f}"
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
