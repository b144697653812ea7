"""The program that calls dbt, in a process of the image's Python, on versions of a project."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import duckdb

from sandbox import provisioner
from sandbox.config.sections.stack import StackSection
from sandbox.dbt.runs import build_program_files
from sandbox.model import SilentProgress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAMPLE = {
    "raw.orders": "select i as id, (i * 37) % 1000 as amount from range(40000) t(i)",
    "raw.returns": "select i as id from range(77) t(i)",
}
PLAN = {"memory": 10**9, "seeds": [], "postgres": False, "started": "2026-01-01T00:00:00+00:00"}


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The program that calls dbt, in a process of the image's Python, and the folders of its runs."""

    root: Path
    requests: IO[str]
    statuses: IO[str]

    def run(
        self, files: Mapping[str, str], environment: Mapping[str, str], *, state: Path | None = None, **plan: Any
    ) -> Path:
        """Run a version of a project, and return its output folder; the rest is further entries of the plan."""
        project = self.root / f"version {len(list(self.root.glob('version*')))}" / "project"
        for path, text in files.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text)
        output = project.with_name("output")
        variables = {"OMP_NUM_THREADS": "2", **environment}
        request = {
            "project": str(project),
            "sample": str(self.root / "sample"),
            "output": str(output),
            "state": None if state is None else str(state),
            "environment": variables,
            "plan": {**PLAN, "environment": sorted(variables), **plan},
        }
        self.requests.write(json.dumps(request) + "\n")
        self.requests.flush()
        status = self.statuses.readline().strip()
        assert status == "0", output.with_suffix(".log").read_text()[-5000:]
        return output


def start_programs(home: Path, root: Path) -> Iterator[Programs]:
    """Start the program in its libraries, which are installed once for all tests of dbt, and stop it in the end."""
    request = provisioner.build_request(StackSection(image="dbt"), lambda _: b"")
    lock = provisioner.resolve_lock(request, previous=None, upgrade=False, progress=SilentProgress(), runtime="local")
    environment = provisioner.ensure_environment(
        request, lock, "local", home=home, progress=SilentProgress(), frozen=False
    )
    kit = root / "kit"
    kit.mkdir()
    for name, content in build_program_files({}).items():
        (kit / name).write_bytes(content)
    for table, query in SAMPLE.items():
        (root / "sample" / table).mkdir(parents=True)
        duckdb.connect().execute(f"copy ({query}) to '{root}/sample/{table}/part.parquet'")
    python = Path(environment.reference) / "bin" / "python"
    driver = Path(__file__).with_name("driver.py")
    with subprocess.Popen([python, driver, kit], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield Programs(root=root, requests=process.stdin, statuses=process.stdout)
        process.stdin.close()
