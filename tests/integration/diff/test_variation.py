"""The sample as a repeated run sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.containers import fixed_environment
from sandbox.model import ResourceLimits, RunVariation, Sample
from sandbox.runner.variation import build_thread_variables, choose_variation, prepare_tables, vary_limits

if TYPE_CHECKING:
    from pathlib import Path

VARIATION = RunVariation(threads=1, file_order="reversed")


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    path = tmp_path / "my samples" / "f00"
    for table in ("orders", "shop.customers"):
        (path / "tables" / table).mkdir(parents=True)
        for part in range(3):
            (path / "tables" / table / f"{part}.parquet").write_text(f"{table} {part}")
    return Sample(fingerprint="f00", path=path)


def test_each_tables_files_have_their_names_in_reverse_and_none_is_the_stored_one(sample: Sample) -> None:
    tables = sample.path / "tables"
    with prepare_tables(sample, VARIATION) as view:
        for table in ("orders", "shop.customers"):
            names = sorted(file.name for file in (view / table).iterdir())
            assert names == ["0.parquet", "1.parquet", "2.parquet"]
            assert [(view / table / name).read_text() for name in names] == [f"{table} {n}" for n in (2, 1, 0)]
        (view / "orders" / "0.parquet").write_text("changed")
        assert {path.name for path in sample.path.iterdir()} == {"tables"}
    assert list(sample.path.parent.iterdir()) == [sample.path]
    assert (tables / "orders" / "2.parquet").read_text() == "orders 2"


def test_other_runs_see_the_sample_itself(sample: Sample) -> None:
    with prepare_tables(sample, None) as tables:
        assert tables == sample.path / "tables"


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 2), (1, 2), (2, 1), (2.5, 2), (8, 7)])
def test_thread_count_is_another_one_and_near(cpus: float, threads: int) -> None:
    limits = ResourceLimits(cpus=cpus, memory_bytes=10**9, timeout_seconds=60)
    variation = choose_variation(limits)
    assert variation.threads == threads != fixed_environment.count_threads(limits)
    assert set(build_thread_variables(variation).values()) == {str(threads)}
    varied = vary_limits(variation, limits, processors=64)
    assert (varied.cpus, varied.memory_bytes) == (threads, limits.memory_bytes)
    assert varied.timeout_seconds > limits.timeout_seconds


def test_no_more_processors_are_promised_than_there_are() -> None:
    limits = ResourceLimits(cpus=1, memory_bytes=10**9, timeout_seconds=60)
    assert vary_limits(choose_variation(limits), limits, processors=1).cpus == 1
