"""The demo's warehouse and baseball as every kind of lake and database: one fingerprint, also where a draw was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import deltalake
import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from sandbox.demo import create_demo
from sandbox.model import SilentProgress
from tests.integration.sources.projects import BASEBALL, BASEBALL_TABLES, sampled
from tests.kill_points import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("delta", "iceberg", "duckdb")


def rows_of(relation: str) -> pa.Table:
    with duckdb.connect() as connection:
        return connection.sql(f"from {relation}").to_arrow_table()


def rewritten(tables: dict[str, pa.Table], kind: str, folder: Path) -> str:
    """Write tables as another kind of source, and give its address."""
    if kind == "duckdb":
        with duckdb.connect(str(folder / "all.duckdb")) as connection:
            for name, rows in tables.items():
                connection.register("rows_", rows)
                connection.execute(f'create table "{name}" as from rows_')
        return "all.duckdb"
    if kind == "delta":
        for name, rows in tables.items():
            half = len(rows) // 2
            deltalake.write_deltalake(str(folder / "lake" / name), rows.slice(0, half))
            deltalake.write_deltalake(str(folder / "lake" / name), rows.slice(half), mode="append")
        return "lake/"
    catalogue = SqlCatalog("lake", uri=f"sqlite:///{folder}/catalogue.db", warehouse=f"file://{folder}/iceberg")
    catalogue.create_namespace("shop")
    for name, rows in tables.items():
        half = len(rows) // 2
        table = catalogue.create_table(f"shop.{name}", schema=rows.schema)
        table.append(rows.slice(0, half))
        table.append(rows.slice(half))
    catalogue.close()
    return "iceberg+sqlite:///catalogue.db?namespace=shop"


def demo(project: Path) -> dict[str, pa.Table]:
    create_demo(project, scale=0.05, progress=SilentProgress())
    return {
        path.stem: rows_of(f"read_parquet('{path if path.is_file() else path / '*.parquet'}')")
        for path in sorted((project / "warehouse").iterdir())
    }


def warehouse_of(project: Path, baseball: Path) -> dict[str, pa.Table]:
    project.mkdir()
    (project / "core").mkdir()
    tables = {name: rows_of(f"'{baseball / name}.csv'") for name in BASEBALL_TABLES}
    with duckdb.connect() as connection:
        for name, rows in tables.items():
            connection.register("rows_", rows)
            connection.execute(f"copy rows_ to '{project / 'core' / name}.parquet' (format parquet)")
    (project / "sandbox.toml").write_text(BASEBALL, "utf-8")
    return tables


Made = tuple["Path", dict[str, pa.Table], str]


@pytest.fixture(scope="module", params=["demo", "baseball"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, baseball: Path) -> Made:
    """A project on Parquet, its tables, and the fingerprint of its sample."""
    place = tmp_path_factory.mktemp(request.param)
    tables = demo(place / "own") if request.param == "demo" else warehouse_of(place / "own", baseball)
    return place, tables, sampled(place / "own", place / "home")["fingerprint"]


def moved(made: Made, kind: str, target: Path) -> None:
    """Make the same project on another kind of source."""
    target.mkdir()
    uri = rewritten(made[1], kind, target)
    text = (made[0] / "own" / "sandbox.toml").read_text("utf-8")
    for own in ("warehouse/", "core/"):
        text = text.replace(f'uri = "{own}"', f'uri = "{uri}"')
    (target / "sandbox.toml").write_text(text, "utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_gives_one_fingerprint(made: Made, kind: str, tmp_path: Path) -> None:
    moved(made, kind, tmp_path / "other")
    assert sampled(tmp_path / "other", tmp_path / "home")["fingerprint"] == made[2]


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_draw_from_a_lake_that_is_killed_ends_with_the_same_fingerprint(
    made: Made, kind: str, tmp_path: Path
) -> None:
    """It can take over 20 s: the demo and the baseball tables are written as a lake, and drawn four times."""
    moved(made, kind, tmp_path / "other")
    home = tmp_path / "home"

    def sample(home: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tests.kill_points", str(tmp_path / "other"), str(kill_at), "sample"],
            cwd=ROOT,
            env={**os.environ, "SANDBOX_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )

    steps = int(sample(tmp_path / "unkilled", 0).stdout.split()[-1])
    assert sample(home, round(steps * 0.5)).returncode == -signal.SIGKILL
    # A draw that goes on has fewer steps, and may be done before.
    assert {sample(home, round(steps * share)).returncode for share in (0.4, 0.5)} <= {0, -signal.SIGKILL}
    assert sampled(tmp_path / "other", home)["fingerprint"] == made[2]
    left = [path.name for path in (home / "samples").iterdir() if path.name != made[2]]
    assert not [name for name in left if not name.startswith(".")]
