"""The demo's planted mistake, estimated from samples: the truth, found on the whole warehouse, lies in the intervals."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from sandbox.compare import OutputRules, compare_tables
from sandbox.compare.units.sampled_units import build_unit_draws
from sandbox.config import CONFIG_FILE_NAME, load_project
from sandbox.demo import create_demo
from sandbox.model import SilentProgress, TableFiles
from sandbox.project.sample import ensure_sample

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.manifest.diff import OutputDiff

OUTPUT = "customer_value"
SALTS = ("one", "two", "three")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estimate") / "demo"
    create_demo(folder, scale=0.1, progress=SilentProgress())
    archive = subprocess.run(["git", "archive", "main"], cwd=folder, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        content.extractall(folder.parent / "production", filter="data")
    return folder


def outputs(demo: Path, tables: Path, target: Path) -> list[TableFiles]:
    """Run production's code and the changed code on a folder of tables."""
    made = []
    for name, code in (("baseline", demo.parent / "production"), ("candidate", demo)):
        place = target / name
        place.mkdir(parents=True)
        environment = {
            "PATH": os.environ["PATH"],
            "SANDBOX_SAMPLE": str(tables),
            "SANDBOX_OUTPUT": str(place),
        }
        subprocess.run(
            [sys.executable, "pipeline.py"],
            cwd=code,
            env=environment,
            check=True,
            capture_output=True,
        )
        made.append(TableFiles(name=OUTPUT, format="parquet", paths=(place / f"{OUTPUT}.parquet",)))
    return made


def compared(made: list[TableFiles], drawn: dict[str, UnitTableDraw] | None) -> OutputDiff:
    key = ("customer_id",)
    return compare_tables(
        {OUTPUT: made[0]},
        {OUTPUT: made[1]},
        rules={OUTPUT: OutputRules(key=key, unit_key=key)},
        units={"customers": key},
        draws=drawn,
        identical=(),
        memory=2**29,
        threads=2,
        progress=SilentProgress(),
    )[OUTPUT]


def test_the_planted_mistake_is_estimated_as_it_is(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "home"))
    everything = tmp_path / "everything"
    for path in (demo / "warehouse").iterdir():
        (everything / path.stem).mkdir(parents=True)
        for file in [path] if path.is_file() else path.iterdir():
            (everything / path.stem / file.name).symlink_to(file)
    truth = compared(outputs(demo, everything, tmp_path / "whole"), None).rows
    assert truth.changed > 100
    for salt in SALTS:
        project = load_project(demo / CONFIG_FILE_NAME, start=demo, environ={}, flags={("sample", "salt"): salt})
        drawn = ensure_sample(project, progress=SilentProgress())
        made = outputs(demo, drawn.sample.path / "tables", tmp_path / salt)
        found = compared(made, build_unit_draws(drawn.manifest, drawn.sample.path)).estimate
        for figure, value in (
            (found.units_affected, truth.changed + truth.removed),
            (found.rows_changed, truth.changed),
            (found.rows_removed, truth.removed),
        ):
            assert figure is not None
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= value <= figure.high, (salt, figure)
        assert set(found.outside) == {"orders", "order_items", "payments"}, "guests' orders are no customer's"
