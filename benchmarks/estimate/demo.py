"""Whether the demo's planted mistake is estimated as it is: the truth against the intervals of many samples.

    benchmarks/estimate/demo.py [SALTS] [SCALE ...]

For each scale (default 0.1, 0.3 and 1) both versions run on the whole warehouse; then, for SALTS salts (default 200), on
a sample that is drawn with that salt, and the two outputs are compared as `sandbox diff` compares them. The last line of a
scale says how often the slice that is named is the right one: customers whose first order is older than the mistake's end.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from sandbox import compare
from sandbox.compare.units.sampled_units import build_unit_draws
from sandbox.config.project_file import CONFIG_FILE_NAME, load_project
from sandbox.demo import create_demo
from sandbox.model import SilentProgress, TableFiles
from sandbox.project.sample import ensure_sample

if TYPE_CHECKING:
    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.manifest.diff import OutputDiff
    from sandbox.manifest.output_estimate import EstimatedFigure, OutputEstimate

OUTPUT = "customer_value"
TOTALS = ("orders", "charged", "lifetime_value")
MENDED = "2023-05"  # from then on every order has a status


def run(code: Path, tables: Path, target: Path) -> Path:
    """Run one version of the pipeline on a folder of tables, and give the file that matters."""
    target.mkdir(parents=True)
    os.environ |= {"SANDBOX_SAMPLE": str(tables), "SANDBOX_OUTPUT": str(target)}
    with contextlib.redirect_stdout(io.StringIO()):
        runpy.run_path(str(code / "pipeline.py"), run_name="__main__")
    return target / f"{OUTPUT}.parquet"


def tables_of(warehouse: Path, target: Path) -> Path:
    """Give the warehouse as a run sees a sample: a folder a table."""
    for path in warehouse.iterdir():
        place = target / path.stem
        place.mkdir(parents=True)
        for file in [path] if path.is_file() else path.glob("*.parquet"):
            (place / file.name).hardlink_to(file)
    return target


def compared(made: list[Path], drawn: dict[str, UnitTableDraw] | None = None) -> OutputDiff:
    """Compare the output of two runs."""
    key = ("customer_id",)
    sides = [{OUTPUT: TableFiles(name=OUTPUT, format="parquet", paths=(path,))} for path in made]
    return compare.compare_tables(
        sides[0],
        sides[1],
        rules={OUTPUT: compare.OutputRules(key=key, unit_key=key)},
        units={"customers": key},
        draws=drawn,
        identical=(),
        memory=10**9,
        threads=None,
        progress=SilentProgress(),
    )[OUTPUT]


def truths(whole: list[Path]) -> dict[str, float]:
    """Give these figures for all customers: each has one row, so the comparison counts them."""
    rows = compared(whole).rows
    sums = [
        duckdb.sql(f"select {', '.join(f'sum({name})::double' for name in TOTALS)} from '{path}'").fetchall()[0]
        for path in whole
    ]
    return {
        "customers": rows.added + rows.removed + rows.changed,
        "rows changed": rows.changed,
        "rows removed": rows.removed,
        **{name: after - before for name, before, after in zip(TOTALS, *sums, strict=True)},
    }


def figures(found: OutputEstimate) -> dict[str, EstimatedFigure]:
    """Give the figures that are looked at."""
    assert found.units_affected is not None
    return {
        "customers": found.units_affected,
        "rows changed": found.rows_changed,
        "rows removed": found.rows_removed,
        **{name: found.totals[name].change for name in TOTALS},
    }


def scale_(place: Path, scale: float, salts: int) -> None:
    """Print the table of one scale."""
    create_demo(place / "shop", scale=scale, progress=SilentProgress())
    candidate = place / "shop"
    baseline = place / "production"
    baseline.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=candidate, check=True, capture_output=True)
    subprocess.run(["tar", "-x"], cwd=baseline, input=archive.stdout, check=True)
    everything = tables_of(candidate / "warehouse", place / "everything")
    whole = [
        run(code, everything, place / f"whole-{name}")
        for name, code in (("baseline", baseline), ("candidate", candidate))
    ]
    truth = truths(whole)
    held: dict[str, list[bool]] = defaultdict(list)
    one_limit: dict[str, int] = defaultdict(int)
    right = 0
    for salt in range(salts):
        found = sampled(place, (baseline, candidate), f"salt-{salt}")
        right += rightly_placed(found)
        for name, figure in figures(found.estimate).items():
            one_limit[name] += figure.status == "lower_bound"
            if figure.low is not None or figure.high is not None:
                low = -math.inf if figure.low is None else figure.low
                high = math.inf if figure.high is None else figure.high
                held[name].append(low <= truth[name] <= high)
    for name, value in truth.items():
        share = f"{sum(held[name]) / len(held[name]):.1%}" if held[name] else "–"
        print(
            f"| {scale:g} | {name} | {value:,.0f} | {1 - len(held[name]) / salts:.0%} | {one_limit[name] / salts:.0%} | {share} |".replace(
                "%", " %"
            )
        )
    print(f"| {scale:g} | the slice that is named | | {right / salts:.1%} are right | | |".replace("%", " %"))


def rightly_placed(found: OutputDiff) -> bool:
    """Say whether the differences are said to lie where they do: with customers whose first order is an old one."""
    slices = found.segments[0].slices if found.segments else []
    return any(one.column == "first_order" and one.low is None and str(one.high) < MENDED for one in slices)


def sampled(place: Path, codes: tuple[Path, Path], salt: str) -> OutputDiff:
    """Draw with one salt, run both versions on the sample, and compare."""
    shop, scratch = place / "shop", place / "scratch"
    project = load_project(shop / CONFIG_FILE_NAME, start=shop, environ=os.environ, flags={("sample", "salt"): salt})
    drawn = ensure_sample(project, progress=SilentProgress())
    made = [run(code, drawn.sample.path / "tables", scratch / str(number)) for number, code in enumerate(codes)]
    found = compared(made, build_unit_draws(drawn.manifest, drawn.sample.path))
    shutil.rmtree(scratch)
    shutil.rmtree(drawn.sample.path)
    return found


def main(salts: int, scales: list[float]) -> None:
    """Print the table."""
    print("| scale | figure | truth | no limit | one limit | held |")
    print("|--:|---|--:|--:|--:|--:|")
    for scale in scales:
        with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as name:
            os.environ["SANDBOX_HOME"] = str(Path(name) / "home")
            scale_(Path(name), scale, salts)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 200, [float(one) for one in given[1:]] or [0.1, 0.3, 1.0])
