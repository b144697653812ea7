"""A candidate that takes nodes over makes exactly what one that builds everything makes, whatever has changed.

The program that calls dbt runs here in the image's own libraries, as processes of this machine. Changes of different nodes
are made at once; ``DBT_CHANGES=each`` makes each of them alone, which takes an hour.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox import provisioner
from sandbox.config.sections.stack import StackSection
from sandbox.dbt.runs import build_program_files
from sandbox.model import SilentProgress
from tests.integration.dbt.changes import ALWAYS_BUILT, CHANGES, FILES, Change

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = {
    "raw.orders": "select i as id, (i * 37) % 1000 as amount from range(40000) t(i)",
    "raw.returns": "select i as id from range(77) t(i)",
}
EVERYTHING = frozenset({"*"})


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The program that calls dbt, in a process of the image's Python, and the folders of its runs."""

    root: Path
    requests: IO[str]
    statuses: IO[str]

    def run(self, change: Change, *, state: Path | None = None) -> Path:
        """Run a version of the project, and return its output folder."""
        project = self.root / f"version {len(list(self.root.glob('version*')))}" / "project"
        for path, text in change.apply(FILES).items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text)
        output = project.with_name("output")
        environment = {"REGION": "south", "OMP_NUM_THREADS": "2", **change.environment}
        plan = {"memory": 10**9, "seeds": [], "postgres": False, "started": "2026-01-01T00:00:00+00:00", "environment": sorted(environment)}  # fmt: skip
        request = {
            "project": str(project),
            "sample": str(self.root / "sample"),
            "output": str(output),
            "state": None if state is None else str(state),
            "environment": environment,
            "plan": plan,
        }
        self.requests.write(json.dumps(request) + "\n")
        self.requests.flush()
        status = self.statuses.readline().strip()
        assert status == "0", output.with_suffix(".log").read_text()[-5000:]
        return output


@pytest.fixture(scope="module")
def programs(sandbox_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Give the program in its libraries; they are installed once for all tests of dbt."""
    request = provisioner.build_request(StackSection(image="dbt"), lambda _: b"")
    lock = provisioner.resolve_lock(request, previous=None, upgrade=False, progress=SilentProgress(), runtime="local")
    environment = provisioner.ensure_environment(
        request, lock, "local", home=sandbox_home, progress=SilentProgress(), frozen=False
    )
    root = tmp_path_factory.mktemp("dbt")
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


@pytest.fixture(scope="module")
def baseline(programs: Programs) -> Path:
    return programs.run(Change())


def merge_changes() -> list[list[str]]:
    """Group changes of different nodes; what changes everything is alone."""
    groups: list[list[str]] = []
    for name, change in CHANGES.items():
        touched = change.built | change.failing
        if os.environ.get("DBT_CHANGES") == "each" or EVERYTHING & touched:
            groups.append([name])
            continue
        for group in groups:
            others = frozenset[str]().union(*(CHANGES[other].built | CHANGES[other].failing for other in group))
            if not others & (touched | EVERYTHING):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def read_rows(output: Path) -> dict[str, Any]:
    """Read the number of rows and a digest of each output, and the tests' results."""
    connection, found = duckdb.connect(), dict[str, Any]()
    for file in sorted(output.glob("*.parquet")):
        columns = [name for name, *_ in connection.execute(f"describe from '{file}'").fetchall()]
        listed = ", ".join(f'"{column}"' for column in columns)
        query = f"select count(*), sum(hash({listed})) from '{file}'"
        found[file.stem] = columns, connection.execute(query).fetchone()
    tests = read_record(output, "tests.json")
    return {**found, "tests": {key: (test["status"], test["failures"]) for key, test in tests.items()}}


def read_record(output: Path, name: str) -> Any:
    return json.loads((output / "_dbt" / name).read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("names", merge_changes(), ids=lambda names: f"{names[-1]} and {len(names) - 1} more")
def test_reuse_makes_what_a_whole_build_makes(programs: Programs, baseline: Path, names: list[str]) -> None:
    """Slow: each group is two runs of dbt."""
    files, environment = FILES, dict[str, str]()
    for name in names:
        files = CHANGES[name].apply(files)
        environment |= CHANGES[name].environment
    change = Change(files=files, environment=environment)
    candidate = programs.run(change, state=baseline)
    record = read_record(candidate, "built.json")
    expected = ALWAYS_BUILT.union(*(CHANGES[name].built for name in names))
    valid = (
        f"select distinct dbt_valid_from::varchar, dbt_updated_at::varchar from '{candidate}/orders_snapshot.parquet'"
    )
    assert duckdb.connect().execute(valid).fetchall() == [("2026-01-01 00:00:00",) * 2]  # the time of the sample
    if EVERYTHING & expected:
        assert record["taken_over"] == []
        return
    assert set(record["built"]) == expected, record["reasons"]
    assert read_rows(candidate) == read_rows(programs.run(change))
    tests = read_record(candidate, "tests.json")
    failing = {test["name"] for test in tests.values() if test["status"] != "pass"}
    assert failing == frozenset[str]().union(*(CHANGES[name].failing for name in names))
