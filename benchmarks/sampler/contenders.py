"""The contenders, one a process: `contenders.py NAME SOURCE SCRATCH RUNS` prints seconds and rows as JSON.

Each reads Parquet with two threads and, but for the scan, writes one sample of about 1 % as Parquet (zstd).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 2
RATE = 0.01
WIDE = "sales"
TABLES = ("customers", "sales", "returns")

BY_ROW = """
[sample]
salt = "benchmark"
unit = "sales"
strata = ["country", "channel"]
rate = 0.01
[tables.sales]
key = ["sale_id"]
"""
BY_UNIT = """
[sample]
salt = "benchmark"
unit = "customers"
strata = ["country", "segment"]
rate = 0.01
[tables.customers]
key = ["customer_id"]
[tables.sales]
references = { customer_id = "customers.customer_id" }
[tables.returns]
references = { customer_id = "customers.customer_id" }
"""


class Steps:
    """Progress that measures how long each step takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        """Measure a step."""
        del total, unit
        started = time.perf_counter()
        yield lambda _: None
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def print_message(self, message: str) -> None:
        """Put a warning into the log."""
        print(message, file=sys.stderr)


def scan(source: Path, scratch: Path, steps: Steps, *, tables: tuple[str, ...]) -> Callable[[], int]:
    """Read every value of the files once: what no sampler that reads all columns can beat."""
    connection = _duckdb(scratch)

    def work() -> int:
        for table in tables:
            files = _files(source, table)
            with steps.step(f"scanning {table}"):
                every = _columns(connection, files)
                connection.execute(f"select bit_xor(hash({every})) from {files}").fetchall()
        return 0

    return work


def draw(source: Path, scratch: Path, steps: Steps, *, sections: str) -> Callable[[], int]:
    """Plan and draw a stratified sample with sandbox, as `sandbox sample --refresh` does."""
    os.environ["SANDBOX_HOME"] = str(scratch / "home")
    from sandbox.config.project_file import load_project  # noqa: PLC0415
    from sandbox.project.sample import ensure_sample  # noqa: PLC0415 - what a contender imports is its own affair

    file = scratch / "sandbox.toml"
    head = 'version = 1\n[project]\nname = "benchmark"\n[pipeline]\ncommand = "true"\n[source]\n'
    file.write_text(f"{head}uri = {json.dumps(str(source))}\n{sections}")
    project = load_project(file, start=scratch, environ={}, flags={})

    def work() -> int:
        shutil.rmtree(scratch / "home", ignore_errors=True)
        result = ensure_sample(project, refresh=True, progress=steps)
        return sum(table.rows for table in result.manifest.tables.values())

    return work


def duckdb_sample(source: Path, scratch: Path, steps: Steps) -> Callable[[], int]:
    """Draw rows with DuckDB's own clause: no strata, no keys, another sample every time."""
    connection = _duckdb(scratch)
    target = _literal(scratch / "sample.parquet")

    def work() -> int:
        select = f"select * from {_files(source, WIDE)} using sample {RATE * 100:g} percent (bernoulli)"
        with steps.step("sampling"):
            return int(connection.execute(f"copy ({select}) to {target} (compression zstd)").fetchall()[0][0])

    return work


def polars_hash(source: Path, scratch: Path, steps: Steps) -> Callable[[], int]:
    """Keep the rows whose key has a small hash, with the streaming engine: no strata, repeatable within a version."""
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    import polars as pl  # noqa: PLC0415 - see `draw`

    target = scratch / "sample.parquet"

    def work() -> int:
        kept = pl.scan_parquet(source / WIDE / "*.parquet").filter(pl.col("sale_id").hash(7) < int(RATE * 2**64))
        with steps.step("filtering"):
            kept.sink_parquet(target, compression="zstd", engine="streaming")
        return int(pl.scan_parquet(target).select(pl.len()).collect().item())

    return work


def spark_sample_by(source: Path, scratch: Path, steps: Steps) -> Callable[[], int]:
    """Draw rows with Spark's `sampleBy`, a fraction for each country."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - see `draw`

    session = (
        SparkSession.builder.master(f"local[{THREADS}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", str(scratch / "spark"))
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )
    fractions = dict.fromkeys(("DE", "FR", "US", "PL", "IT", "ES"), RATE)
    target = str(scratch / "sample")

    def work() -> int:
        kept = session.read.parquet(str(source / WIDE)).sampleBy("country", fractions, seed=7)
        with steps.step("sampling"):
            kept.write.mode("overwrite").parquet(target)
        return int(session.read.parquet(target).count())

    return work


def _cpu() -> float:
    """Give the processor time that this process and its children have had; Spark's work is done by a child."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _duckdb(scratch: Path) -> Any:
    import duckdb  # noqa: PLC0415 - see `draw`

    spill = str(scratch / "spill")
    return duckdb.connect(config={"threads": THREADS, "memory_limit": "1GiB", "temp_directory": spill})


def _columns(connection: Any, files: str) -> str:
    names = [row[0] for row in connection.execute(f"describe select * from {files}").fetchall()]
    return ", ".join(f'"{name}"' for name in names)


def _files(source: Path, table: str) -> str:
    return f"read_parquet({_literal(source / table / '*.parquet')})"


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


CONTENDERS: dict[str, Callable[[Path, Path, Steps], Callable[[], int]]] = {
    "scan": lambda *place: scan(*place, tables=(WIDE,)),
    "scan-all": lambda *place: scan(*place, tables=TABLES),
    "draw-rows": lambda *place: draw(*place, sections=BY_ROW),
    "draw-units": lambda *place: draw(*place, sections=BY_UNIT),
    "duckdb": duckdb_sample,
    "polars": polars_hash,
    "spark": spark_sample_by,
}


def main(name: str, source: str, place: str, runs: str) -> None:
    """Do the work of one contender, once to warm up, then for the clock."""
    scratch = Path(place) / name
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    steps = Steps()
    work = CONTENDERS[name](Path(source), scratch, steps)
    seconds, rows = [], work()
    steps.seconds.clear()
    before = _cpu()
    for _ in range(int(runs)):
        started = time.perf_counter()
        rows = work()
        seconds.append(time.perf_counter() - started)
    cpu = (_cpu() - before) / int(runs)
    means = {step: total / int(runs) for step, total in steps.seconds.items()}
    shutil.rmtree(scratch, ignore_errors=True)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": rows, "steps": means}))


if __name__ == "__main__":
    main(*sys.argv[1:5])
