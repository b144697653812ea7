"""The demo's pipeline: repeatable to the byte, and wrong for the promised share of customers once changed."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from sandbox.demo import create_demo
from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.model import SilentProgress

if TYPE_CHECKING:
    from pathlib import Path

SCALE = 0.05
OUTPUTS = {"customer_value", "customer_segments", "daily_revenue", "product_sales", "payment_issues"}
ON_ONE_CPU = """
import os, runpy
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
runpy.run_path("pipeline.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "my demo"
    create_demo(folder, scale=SCALE, progress=SilentProgress())
    return folder


@pytest.fixture(scope="module")
def sample(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the whole warehouse in the shape of a sample: a folder a table."""
    folder = tmp_path_factory.mktemp("sample")
    for path in (demo / "warehouse").iterdir():
        if path.is_dir():
            (folder / path.name).symlink_to(path)
        else:
            (folder / path.stem).mkdir()
            (folder / path.stem / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def production(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the code of main."""
    folder = tmp_path_factory.mktemp("main")
    archive = subprocess.run(["git", "archive", "main"], cwd=demo, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        content.extractall(folder, filter="data")
    return folder


def run(code: Path, sample: Path, output: Path, *, one_cpu: bool = False) -> Path:
    output.mkdir(exist_ok=True)
    command = [sys.executable, *(["-c", ON_ONE_CPU] if one_cpu else ["pipeline.py"])]
    environment = {"PATH": os.environ["PATH"], "SANDBOX_SAMPLE": str(sample), "SANDBOX_OUTPUT": str(output)}
    subprocess.run(command, cwd=code, env=environment, check=True, capture_output=True)
    return output


@pytest.fixture(scope="module")
def baseline(production: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(production, sample, tmp_path_factory.mktemp("baseline"))


@pytest.fixture(scope="module")
def candidate(demo: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(demo, sample, tmp_path_factory.mktemp("candidate"))


def digests(folder: Path) -> dict[str, str]:
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def moved(baseline: Path, candidate: Path, output: str) -> dict[str, int]:
    """Count the rows of an output that were removed, added and changed, by customer_id."""
    ours, theirs = (quote_literal(str(folder / f"{output}.parquet")) for folder in (baseline, candidate))
    with Session() as session:
        [row] = session.fetch_rows(
            f"select count(b.customer_id), count(*) filter (c.customer_id is null),"
            f" count(*) filter (b.customer_id is null), count(*) filter (b.customer_id = c.customer_id and b <> c)"
            f" from read_parquet({ours}) b full join read_parquet({theirs}) c on b.customer_id = c.customer_id"
        )
    return dict(zip(("baseline", "removed", "added", "changed"), row, strict=True))


def test_every_output_is_written_and_has_rows(baseline: Path) -> None:
    assert set(digests(baseline)) == OUTPUTS
    with Session() as session:
        for output in OUTPUTS:
            [(rows,)] = session.fetch_rows(f"select count(*) from {quote_literal(str(baseline / f'{output}.parquet'))}")
            assert rows > 100, output


@pytest.mark.parametrize("one_cpu", [False, True])
def test_running_again_gives_the_same_bytes(
    production: Path, sample: Path, baseline: Path, tmp_path: Path, one_cpu: bool
) -> None:
    assert digests(run(production, sample, tmp_path, one_cpu=one_cpu)) == digests(baseline)


def test_other_files_and_order_of_rows_give_the_same_bytes(
    production: Path, sample: Path, baseline: Path, tmp_path: Path
) -> None:
    shuffled = tmp_path / "sample"
    with Session() as session:
        for table in sample.iterdir():
            (shuffled / table.name).mkdir(parents=True)
            rows = f"from read_parquet({quote_literal(str(table / '*.parquet'))}, file_row_number = true)"
            for part in range(3):
                target = quote_literal(str(shuffled / table.name / f"{part}.parquet"))
                session.execute(
                    f"copy (select * exclude (file_row_number) {rows} where file_row_number % 3 = {part}"
                    f" order by file_row_number desc) to {target}"
                )
    assert digests(run(production, shuffled, tmp_path / "output")) == digests(baseline)


def test_planted_change_is_wrong_for_a_small_share_of_customers(baseline: Path, candidate: Path) -> None:
    rows = moved(baseline, candidate, "customer_value")
    assert 0.01 < (rows["changed"] + rows["removed"]) / rows["baseline"] < 0.03
    assert rows["changed"] > rows["removed"] > 0
    assert rows["added"] == 0


def test_planted_change_affects_exactly_the_customers_with_orders_of_no_status(
    demo: Path, baseline: Path, candidate: Path
) -> None:
    orders = quote_literal(str(demo / "warehouse" / "orders" / "*.parquet"))
    ours, theirs = (quote_literal(str(folder / "customer_value.parquet")) for folder in (baseline, candidate))
    with Session() as session:
        affected = session.fetch_rows(f"select customer_id from (from {ours} except from {theirs}) order by 1")
        without = session.fetch_rows(
            f"select distinct customer_id from {orders} where status is null and customer_id is not null order by 1"
        )
    assert affected == without


def test_planted_change_moves_one_downstream_output_and_no_other(baseline: Path, candidate: Path) -> None:
    ours, theirs = digests(baseline), digests(candidate)
    assert {name for name in OUTPUTS if ours[name] != theirs[name]} == {"customer_value", "customer_segments"}
    downstream = moved(baseline, candidate, "customer_segments")
    assert downstream["removed"] == moved(baseline, candidate, "customer_value")["removed"]
    assert 0 < downstream["changed"] < 0.03 * downstream["baseline"]


def test_nobody_is_worth_less_than_nothing(baseline: Path) -> None:
    with Session() as session:
        path = quote_literal(str(baseline / "customer_value.parquet"))
        [(negative, positive)] = session.fetch_rows(
            f"select count(*) filter (lifetime_value < 0), count(*) filter (lifetime_value > 0) from {path}"
        )
    assert negative == 0
    assert positive > 1000
