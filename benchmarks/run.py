"""One table of whole processes: ours, peers and limits, with the ratio of processor seconds to the limit.

    benchmarks/run.py [--scale 0.1] [--runs 3] [--peers] [--check] [--folder FOLDER]

Each command runs once to warm up, then RUNS times, in turn with the others of its task; the run with the fewest processor
seconds is shown. README.md says how each figure is made. With ``--check`` the end is 1 if a ratio is beyond its loose bound.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "diff"))

import pair  # noqa: E402 - beside the benchmark of the diff
import run as diff_benchmark  # noqa: E402

PEERS = ("diffly", "datadiffer", "datacompy")
GB = 10**9
FULL_ROWS = 10_000_000
FULL_FILES = 5000
WIDE_COLUMNS = 3000
PROJECT = """version = 1
[project]
name = "bench"
[source]
uri = "{folder}"
[pipeline]
command = "true"
[sample]
salt = "s"
unit = "rows"
strata = ["country"]
rate = {rate}
min_per_stratum = 0
[tables.rows]
key = ["order_id"]
"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command to measure; ``home`` is removed before each run, because a drawn sample is not drawn again."""

    label: str
    arguments: list[str]
    home: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A limit, and the commands that are compared with it; ``bound`` is the highest ratio of ours with ``--check``."""

    name: str
    limit: Command
    commands: list[Command]
    bound: float


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one process took."""

    processor: float
    wall: float
    peak: float


def measure_command(command: Command) -> Usage:
    """Run a command once.

    Raises:
        SystemExit: It failed.
    """
    if command.home is not None:
        shutil.rmtree(command.home, ignore_errors=True)
    # As users run it: with compiled modules.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables = kept | ({"SANDBOX_HOME": str(command.home)} if command.home else {})
    folder = command.home.parent if command.home else None
    started = time.perf_counter()
    child = subprocess.Popen(
        command.arguments, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) not in {0, 1}:
        sys.exit(f"{command.label} ended with {os.waitstatus_to_exitcode(status)}:\n{errors[-3000:]}")
    wall = time.perf_counter() - started
    return Usage(processor=usage.ru_utime + usage.ru_stime, wall=wall, peak=usage.ru_maxrss * 1024 / 1e6)


def measure_task(task: Task, runs: int) -> dict[str, Usage]:
    """Run the commands of a task in turn, and return the run with the fewest processor seconds of each."""
    commands = [task.limit, *task.commands]
    found: dict[str, list[Usage]] = {command.label: [] for command in commands}
    for _ in range(runs + 1):
        for command in commands:
            found[command.label].append(measure_command(command))
    return {label: min(each[1:], key=lambda usage: usage.processor) for label, each in found.items()}


def build_tasks(folder: Path, scale: float, *, peers: bool) -> list[Task]:
    """Write the tables, and return what is to be measured."""
    duckdb.sql("set enable_progress_bar = false")
    rows = max(1000, int(FULL_ROWS * scale))
    paths = diff_benchmark.apart(pair.make, folder, rows=rows)
    before, after = str(paths["baseline"]), str(paths["candidate"])
    amount, copy = write_changed_column(folder, before, rows), shutil.copyfile(before, folder / "copy.parquet")
    wide, ten = write_wide_pair(folder), write_small_pair(folder)
    others = []
    if peers:
        python = diff_benchmark.with_peers(folder)
        script = str(HERE / "diff" / "contestants.py")
        others = [Command(label=name, arguments=[python, script, name, before, after, str(4 * GB)]) for name in PEERS]
    tasks = [
        Task(
            name=name,
            limit=read_files(*files),
            commands=[Command(label="ours", arguments=[*diff, *files, "--key", key]), *more],
            bound=bound,
        )
        for name, files, key, more, bound in (
            ("diff, 1.3 % of the rows changed", (before, after), "order_id", others, 15),
            ("diff, amount changed in 1 %", (before, amount), "order_id", [], 15),
            ("diff, equal files", (before, str(copy)), "order_id", [], 6),
            ("diff, rows in another order", (before, str(paths["reordered"])), "order_id", [], 15),
            ("diff, 2 rows of 3,000 columns", wide, "id", [], 15),
            ("diff, ten rows", ten, "id", [], 8),
        )
        for diff in [[sys.executable, "-m", "sandbox", "diff"]]
    ]
    few = write_project(folder / "few", [f"from read_parquet('{before}')"], rate=0.01)
    many = max(40, int(FULL_FILES * scale))
    queries = [f"from read_parquet('{before}') limit 40 offset {number * 40 % rows}" for number in range(many)]
    small = write_project(folder / "many", queries, rate=0.2)
    draw = [sys.executable, "-m", "sandbox", "sample"]
    tasks.append(
        Task(
            name="draw 1 % by row",
            limit=read_files(str(few / "source/rows/*.parquet")),
            commands=[Command(label="ours", arguments=draw, home=few / "home")],
            bound=30,
        )
    )
    tasks.append(
        Task(
            name=f"draw from {many:,} small files",
            limit=read_files(str(small / "source/rows/*.parquet")),
            commands=[Command(label="ours", arguments=draw, home=small / "home")],
            bound=25,
        )
    )
    return tasks


def read_files(*files: str) -> Command:
    """Return the limit: DuckDB reads every value of the files once."""
    reads = "".join(
        f"duckdb.sql(\"select bit_xor(hash(columns(*))) from read_parquet('{file}')\").fetchall();" for file in files
    )
    return Command(label="limit", arguments=[sys.executable, "-c", f"import duckdb;{reads}"])


def write_changed_column(folder: Path, before: str, rows: int) -> str:
    """Write a copy of a table with another amount in 1 % of its rows."""
    path = folder / f"amount-{rows}.parquet"
    change = "case when hash(order_id, 11) % 100 = 0 then amount + 1 else amount end as amount"
    duckdb.sql(f"copy (select * replace ({change}) from read_parquet('{before}')) to '{path}' (format parquet)")
    return str(path)


def write_wide_pair(folder: Path) -> tuple[str, str]:
    """Write two tables of two rows, of which one value differs."""
    paths = folder / "wide-baseline.parquet", folder / "wide-candidate.parquet"
    for number, path in enumerate(paths):
        columns = ", ".join(
            f"{place} + id + {number if place == 7 else 0} as c{place}" for place in range(WIDE_COLUMNS)
        )
        duckdb.sql(
            f"copy (select range as id, {columns.replace('id', 'range')} from range(2)) to '{path}' (format parquet)"
        )
    return str(paths[0]), str(paths[1])


def write_small_pair(folder: Path) -> tuple[str, str]:
    """Write two tables of ten rows, of which one value differs."""
    paths = folder / "ten-baseline.parquet", folder / "ten-candidate.parquet"
    for number, path in enumerate(paths):
        value = f"range + case when range = 3 then {number} else 0 end as x"
        duckdb.sql(f"copy (select range as id, {value} from range(10)) to '{path}' (format parquet)")
    return str(paths[0]), str(paths[1])


def write_project(folder: Path, queries: list[str], *, rate: float) -> Path:
    """Write a project whose source has one table, with one file for each query; keys of different files differ."""
    source = folder / "source" / "rows"
    source.mkdir(parents=True, exist_ok=True)
    for number, query in enumerate(queries):
        key = f"order_id + {number * FULL_ROWS} as order_id"
        duckdb.sql(
            f"copy (select * replace ({key}) from ({query})) to '{source}/{number:05d}.parquet' (format parquet)"
        )
    (folder / "sandbox.toml").write_text(PROJECT.format(folder="source", rate=rate))
    shutil.rmtree(folder / ".git", ignore_errors=True)
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "sandbox.toml"], [*identity, "commit", "-qm", "bench"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    beyond = []
    with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        print(f"scale {given.scale:g}, {len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f}")
        print(f"{'':34}{'':12}{'CPU s':>9}{'x limit':>9}{'x ours':>8}{'wall s':>9}{'peak MB':>9}")
        for task in diff_benchmark.apart(build_tasks, folder, given.scale, peers=given.peers):
            found = measure_task(task, given.runs)
            limit, ours = found["limit"], found["ours"]
            for label, usage in found.items():
                ratios = f"{usage.processor / limit.processor:9.1f}{usage.processor / ours.processor:8.1f}"
                print(
                    f"{task.name:34}{label:12}{usage.processor:9.2f}{ratios}{usage.wall:9.2f}{usage.peak:9.0f}",
                    flush=True,
                )
            if ours.processor > task.bound * limit.processor:
                beyond.append(
                    f"{task.name}: {ours.processor / limit.processor:.1f} times the limit, bound {task.bound:g}"
                )
    print("".join(f"beyond its bound: {line}\n" for line in beyond), end="")
    sys.exit(1 if beyond and given.check else 0)


if __name__ == "__main__":
    main()
