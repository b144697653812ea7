"""How fast a sample is drawn from Postgres, and what limits it: ratios to what the server itself does, measured in one run.

    benchmarks/postgres/run.py [--scale 1] [--runs 3] [--uri URI]

Makes a table of 10 million rows at scale 1 (about 0.9 GB) in a server of its own, or in the database of URI, where it is removed
again. The limits: a scan by the server that reads every column, the sampling rule in the server alone, and all rows fetched by
ADBC. Each is done once to warm up and RUNS times for the clock; the median is shown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

from adbc_driver_postgresql import dbapi

from sandbox.config.project_file import load_project
from sandbox.engine.postgres.snapshot import PostgresLimits, PostgresSnapshot
from sandbox.engine.rule import prn, pushdown_sql
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from tests.integration.sources.server import PASSWORD, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 10_000_000
TABLE = "sandbox_bench"
MAKE = f"""create table {TABLE} as select n as order_id, (n * 7919) % 1000003 as customer, (array['DE', 'FR', 'US', 'GB', 'NL', 'AT'])[n % 6 + 1]
    as country, (array['web', 'shop', 'phone', 'app', 'mail', 'fax'])[n / 6 % 6 + 1] as channel, date '2024-01-01' + (n % 900)::int as day,
    ((n * 31) % 100000 / 100.0)::numeric(10, 2) as amount, (n % 97)::double precision / 3 as score, md5(n::text) as note
    from generate_series(1::bigint, {{rows}}) n"""
SETTINGS = """version = 1
[project]
name = "bench"
[source]
uri = "{uri}"
[sample]
unit = "{table}"
strata = ["country", "channel"]
rate = {rate}
[tables.{table}]
key = ["order_id"]
[tables.{table}.mask]
note = "none"
[pipeline]
command = "true"
"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--uri")
    given = parser.parse_args()
    rows = round(ROWS * given.scale)
    with _server(given.uri) as uri, tempfile.TemporaryDirectory() as folder:
        _carried_out(uri, f"drop table if exists {TABLE}", MAKE.format(rows=rows), f"alter table {TABLE} add primary key (order_id)",
                     f"vacuum analyze {TABLE}")  # fmt: skip
        try:
            _measure(uri, rows, given.runs, Path(folder))
        finally:
            _carried_out(uri, f"drop table {TABLE}")


def _measure(uri: str, rows: int, runs: int, folder: Path) -> None:
    number = pushdown_sql.build_random_number_sql(
        {"order_id": "BIGINT"}, ["order_id"], prn.compute_coefficients("", TABLE), "postgres"
    )
    every = "order_id, customer, country, channel, day, amount, score, note"
    found = {
        "the server reads every column": _timed(runs, lambda: _asked(uri, f"select bit_xor(hashtextextended(r::text, 0)) from {TABLE} r")),
        "the server counts two columns": _timed(runs, lambda: _asked(uri, f"select country, channel, count(*) from {TABLE} group by 1, 2")),
        "the server computes the rule (1 %)": _timed(
            runs, lambda: _asked(uri, f"select count(*) from {TABLE} r where {number} < {prn.compute_threshold(0.01)}")
        ),
        "all rows by ADBC": _timed(runs, lambda: _fetched(uri, f"select {every} from {TABLE}")),
    }  # fmt: skip
    for rate in (0.01, 0.1):
        found[f"sandbox: survey and draw, {rate:.0%}"] = _timed(runs, lambda rate=rate: _drawn(uri, folder, rate))
    print(f"{rows:,} rows, {os.cpu_count()} processors, server and client on one machine\n")
    print("| | s | M rows/s |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.2f} | {rows / seconds / 1e6:.2f} |")


def _timed(runs: int, work: Callable[[], None]) -> float:
    seconds = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def _asked(uri: str, sql: str) -> None:
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.fetchall()


def _fetched(uri: str, sql: str) -> None:
    with PostgresSnapshot(uri, PostgresLimits()) as snapshot:
        for _ in snapshot.fetch_batches(sql.replace(TABLE, f"public.{TABLE}")):
            pass


def _drawn(uri: str, folder: Path, rate: float) -> None:
    file = folder / "sandbox.toml"
    file.write_text(SETTINGS.format(uri=uri, table=TABLE, rate=rate), "utf-8")
    project = load_project(file, start=folder, environ={}, flags={})
    with tempfile.TemporaryDirectory(dir=folder) as home:
        draw_sample(
            project,
            plan_sample(project, progress=SilentProgress()),
            home=Path(home),
            progress=SilentProgress(),
        )


def _carried_out(uri: str, *statements: str) -> None:
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        for one in statements:
            cursor.execute(one)


@contextlib.contextmanager
def _server(uri: str | None) -> Iterator[str]:
    if uri is not None:
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="sandbox-pg-") as place:
        Path(place).chmod(0o755)
        os.environ["PGPASSWORD"] = PASSWORD
        with started(Path(place) / "server") as server:
            yield server.uri


if __name__ == "__main__":
    main()
