"""Ours against peers, and against reading both files once: seconds and peak memory of whole processes, in one run.

    benchmarks/diff/run.py [--folder FOLDER] [--rows 10000000] [--runs 3] [--only NAME,...] [--wide ROWS]

Makes the tables in FOLDER, by default a temporary one that is removed, and an environment with the peers, which want other
versions of libraries than this project; a folder that is kept serves the next run. Every count is checked; a contestant that
finds another one is said to be wrong. With ``--wide ROWS`` so many rows with a text of 400 characters are compared within
1 GB, a pair that is larger than that.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pair
import uv

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
PEERS = ("datacompy", "diffly", "datadiffer", "datadiffer_segments", "reladiff")
PACKAGES = ("datacompy", "polars", "diffly", "datadiffer", "reladiff[duckdb]")
GB = 10**9

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The fastest of some runs; ``wrong`` says what was found instead, or that it failed.

    ``processor`` are the seconds that all its threads took together, which other processes hardly change.
    """

    seconds: float
    processor: float
    peak: float
    wrong: str = ""


def measured(
    python: str, name: str, tables: tuple[Path, Path], expected: dict[str, int], memory: int, runs: int
) -> Measured:
    """Run a contestant some times."""
    best: Measured | None = None
    for _ in range(runs):
        command = [python, str(HERE / "contestants.py"), name, *map(str, tables), str(memory)]
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        said = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        wrong = ""
        if status != 0:
            wrong = f"failed with status {status}"
        elif name != "limit" and (found := json.loads(said)) != expected:
            wrong = f"found {found}"
        processor = usage.ru_utime + usage.ru_stime
        one = Measured(seconds=seconds, processor=processor, peak=usage.ru_maxrss * 1024 / GB, wrong=wrong)
        if best is None or one.seconds < best.seconds:
            best = one
    assert best is not None
    return best


def apart(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Do work in a process of its own: a child's peak counts what its parent held when it was started."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as other:
        return other.submit(work, *arguments, **named).result()


def shown(label: str, found: Measured, ours: Measured | None) -> None:
    """Print one line of the table."""
    factor = ""
    if ours:
        factors = found.seconds / ours.seconds, found.processor / ours.processor, found.peak / ours.peak
        factor = "".join(f"{one:8.1f} x" for one in factors)
    figures = f"{found.seconds:9.2f} s{found.processor:9.2f} s{found.peak:8.2f} GB"
    print(f"{label:26}{figures}{factor}  {found.wrong}", flush=True)


def database(paths: dict[str, Path], candidate: str) -> None:
    """Put both tables into a DuckDB file, for the peer that compares tables of a database; with its own DuckDB."""
    import duckdb  # noqa: PLC0415 -- only where that peer takes part

    file = paths["baseline"].with_suffix(".duckdb")
    file.unlink(missing_ok=True)
    with duckdb.connect(str(file), config={"storage_compatibility_version": "v1.2.0"}) as made:
        for name, source in (("baseline", "baseline"), ("candidate", candidate)):
            made.execute(f"create table {name} as from read_parquet('{paths[source]}')")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--wide", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if given.rows:
            narrow(given, folder)
        if given.wide:
            larger_than_memory(given, folder)


def with_peers(folder: Path) -> str:
    """Give a Python that has the peers."""
    python = folder / "peers" / "bin" / "python"
    if not python.exists():
        for command in (
            ["venv", str(folder / "peers")],
            ["pip", "install", "--python", str(python), *PACKAGES],
        ):
            subprocess.run([uv.find_uv_bin(), *command, "--quiet"], check=True)
    return str(python)


def narrow(given: argparse.Namespace, folder: Path) -> None:
    """Compare ten columns, in the same and in another order."""
    paths = apart(pair.make, folder, rows=given.rows)
    expected = pair.expected(given.rows)
    sizes = ", ".join(f"{name} {path.stat().st_size / GB:.2f} GB" for name, path in paths.items())
    print(f"{given.rows:,} rows x 10 columns: {sizes}; {expected}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'':26}{'wall':>11}{'processor':>11}{'peak':>11}{'wall':>10}{'processor':>10}{'peak':>10}  (of ours)")
    ours = None
    for name in given.only.split(",") if given.only else ["ours", "limit", *PEERS]:
        python = with_peers(folder) if name in PEERS else sys.executable
        if name == "reladiff":
            apart(database, paths, "candidate")
        tables = (paths["baseline"], paths["candidate"])
        found = measured(python, name, tables, expected, 4 * GB, given.runs)
        shown(name, found, ours)
        if name == "ours":
            ours = found
            for label, other, memory in (
                ("ours, reordered", "reordered", 4 * GB),
                ("ours, within 0.5 GB", "candidate", GB // 2),
            ):
                pair_ = (paths["baseline"], paths[other])
                shown(label, measured(sys.executable, "ours", pair_, expected, memory, given.runs), ours)


def larger_than_memory(given: argparse.Namespace, folder: Path) -> None:
    """Compare tables that are larger than what may be held."""
    paths = apart(pair.make, folder, rows=given.wide, wide=400)
    expected = pair.expected(given.wide)
    total = (paths["baseline"].stat().st_size + paths["candidate"].stat().st_size) / GB
    print(f"\n{given.wide:,} rows x 11 columns, {total:.2f} GB the pair, within 1 GB")
    for label, name, other in (
        ("ours", "ours", "candidate"),
        ("ours, reordered", "ours", "reordered"),
        ("limit", "limit", "candidate"),
    ):
        found = measured(sys.executable, name, (paths["baseline"], paths[other]), expected, GB, 1)
        shown(label, found, None)


if __name__ == "__main__":
    main()
