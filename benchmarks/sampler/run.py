"""How fast a sample is drawn, and in how much memory: ratios to a full scan and to peers, measured in one run.

    benchmarks/sampler/run.py [--scale 1] [--runs 3] [--folder FOLDER] [--only NAME]... [--json FILE]

Makes the source (about 1 GB at scale 1, see source.py) in FOLDER, by default a temporary one that is removed; a folder that is
kept serves the next run. Every contender is a process of its own, does its work once to warm up and then RUNS times for the
clock, and the median is shown. On a machine that is shared, the processor seconds are the figure to trust. The limit is a scan that reads every value once with DuckDB.

The ten-fold run reads the same files ten times: the draw by unit has its child tables linked ten times over, which
keeps the customers' keys unique and gives each customer ten times the rows. A draw by row has no such run, because each key
would be there ten times, which is an error that the sampler reports.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from measure import Measured, cores, measured
from source import made, repeated

TIMES = 10
MOST_MEMORY = 2**30
LABELS = {
    "scan": "full scan of the wide table (DuckDB): the limit",
    "draw-rows": "sandbox, 1 % by row, 36 strata",
    "duckdb": "DuckDB, using sample 1 percent (bernoulli)",
    "polars": "polars, hash of the key, streaming",
    "spark": "Spark, sampleBy(country), local[2]",
    "scan-all": "full scan of three tables (DuckDB): the limit",
    "draw-units": "sandbox, 1 % by unit with two child tables, 18 strata",
    "scan-all-ten": "full scan, child files ten times over (DuckDB)",
    "draw-units-ten": "sandbox, 1 % by unit, child files ten times over",
}
LIMITS = {
    "scan-all": "scan-all",
    "draw-units": "scan-all",
    "scan-all-ten": "scan-all-ten",
    "draw-units-ten": "scan-all-ten",
}


def main() -> None:
    """Measure and print a table."""
    given = _arguments()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="sandbox-bench-"))
    try:
        found = _measured(folder.resolve(), given.scale, given.runs, given.only or list(LABELS))
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    _print(found)
    _judge(found)
    _steps(found)
    if given.json:
        document = {"date": dt.date.today().isoformat(), "cores": cores(), "scale": given.scale}  # noqa: DTZ011
        document["measured"] = {name: asdict(one) for name, one in found.items()}
        given.json.write_text(json.dumps(document, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", action="append", choices=list(LABELS))
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _measured(folder: Path, scale: float, runs: int, names: list[str]) -> dict[str, Measured]:
    folder.mkdir(parents=True, exist_ok=True)
    source = made(folder, scale)
    ten = repeated(source, TIMES)
    size = sum(path.stat().st_size for path in source.glob("*/*.parquet"))
    wide = sum(path.stat().st_size for path in (source / "sales").iterdir())
    print(f"source: {size / 1e9:.2f} GB, the wide table {wide / 1e9:.2f} GB; {cores()} cores, two threads each\n")
    found = {}
    for name in names:
        place = ten if name.endswith("-ten") else source
        found[name] = measured(name.removesuffix("-ten"), place, folder / "scratch", runs=runs)
        print(f"  {name}: {found[name].seconds:.2f} s", flush=True)
    return found


def _print(found: dict[str, Measured]) -> None:
    print(f"\n{'':58}{'seconds':>9}{'±':>6}{'x scan':>8}{'cpu s':>8}{'x scan':>8}{'peak':>11}{'rows':>12}")
    for name, one in found.items():
        limit = found.get(LIMITS.get(name, "scan"))
        ratio = f"{one.seconds / limit.seconds:.2f}" if limit else ""
        of_cpu = f"{one.cpu / limit.cpu:.2f}" if limit else ""
        memory = f"{one.peak / 2**20:,.0f} MiB"
        rows = f"{one.rows:,}" if one.rows else ""
        print(
            f"{LABELS[name]:58}{one.seconds:9.2f}{one.spread / 2:6.2f}{ratio:>8}{one.cpu:8.2f}{of_cpu:>8}{memory:>11}{rows:>12}"
        )


def _judge(found: dict[str, Measured]) -> None:
    """Say which targets are met, of those that were measured."""
    seconds = {name: one.seconds for name, one in found.items()}
    targets = [
        (
            "draw by row / full scan, at most 1.25",
            ("draw-rows", "scan"),
            lambda a, b: a / b,
            lambda r: r <= 1.25,
        ),
        (
            "DuckDB's sample / draw by row, more than 1",
            ("duckdb", "draw-rows"),
            lambda a, b: a / b,
            lambda r: r > 1,
        ),
        (
            "Spark's sampleBy / draw by row, at least 3",
            ("spark", "draw-rows"),
            lambda a, b: a / b,
            lambda r: r >= 3,
        ),
    ]
    print()
    for label, (one, other), ratio, holds in targets:
        if one in seconds and other in seconds:
            value = ratio(seconds[one], seconds[other])
            print(f"{'met' if holds(value) else 'MISSED':8}{label}: {value:.2f}")
    for name in ("draw-rows", "draw-units", "draw-units-ten"):
        if name in found:
            peak = found[name].peak
            print(f"{'met' if peak < MOST_MEMORY else 'MISSED':8}{name}, peak below 1 GiB: {peak / 2**20:,.0f} MiB")
    if "draw-units" in found and "draw-units-ten" in found:
        one, ten = found["draw-units"], found["draw-units-ten"]
        print(
            f"{'':8}ten times the files: {ten.seconds / one.seconds:.1f} x the time, {ten.peak / one.peak:.2f} x the memory"
        )


def _steps(found: dict[str, Measured]) -> None:
    """Say where the draws' time went."""
    for name in ("draw-rows", "draw-units", "draw-units-ten"):
        if name in found:
            one = found[name]
            parts = sorted(one.steps.items(), key=lambda part: -part[1])
            print(f"\n{name}: {one.seconds:.2f} s")
            for step, seconds in parts:
                print(f"{seconds:9.2f}  {step}")


if __name__ == "__main__":
    main()
