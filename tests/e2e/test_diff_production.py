"""`sandbox diff --baseline-output`: production's own outputs instead of a run."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop


@pytest.fixture
def production(shop: Shop, tmp_path: Path) -> Path:
    """Give a folder with what the pipeline makes of the whole warehouse, and with an output that names no unit."""
    sample = tmp_path / "all"
    for table in ("customers", "orders"):
        (sample / table).mkdir(parents=True)
        file = str(shop.root / "warehouse" / f"{table}.csv").replace("'", "''")
        duckdb.sql(f"copy (from read_csv('{file}')) to '{sample}/{table}/0.parquet'")
    made = tmp_path / "really made"
    made.mkdir()
    environment = {**os.environ, "SANDBOX_SAMPLE": str(sample), "SANDBOX_OUTPUT": str(made)}
    subprocess.run([sys.executable, "pipeline.py"], cwd=shop.root, env=environment, check=True)
    return made


def test_production_is_cut_to_the_samples_units(shop: Shop, production: Path) -> None:
    same = shop.run("diff", "--baseline-output", str(production), "--json")
    assert same.status == 0, same.stdout
    assert any("floating-point" in warning for warning in same.json["warnings"])
    document = same.json
    rows = document["outputs"]["value"]["rows"]
    made = document["baseline"]["made"]["value"]
    assert made["rows"] == 400
    assert made["compared"] == rows["baseline"] == rows["candidate"] == rows["unchanged"] < 400
    assert dt.datetime.fromisoformat(made["modified"]).year >= 2026
    assert document["baseline"]["run"] is None
    assert document["baseline"]["ref"] == str(production)
    assert not [path for path in (shop.root / ".sandbox").iterdir() if path.name.startswith(".staged")]

    database = production.parent / "made.duckdb"
    with duckdb.connect(str(database)) as connection:
        # Text where the sample has numbers: units are still found.
        connection.execute(
            f"create table value as select customer_id::varchar as customer_id, * exclude customer_id "
            f"from '{production}/value.parquet'; create table stray as select 1 as n"
        )
    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "coalesce(sum(amount), 0) + 1")
    changed = shop.run("diff", "--baseline-output", str(database), "--json")
    assert changed.status == 1
    document = changed.json
    output = document["outputs"]["value"]
    assert output["columns"]["total"]["changed"] == output["rows"]["baseline"] == made["compared"]
    assert "stray" not in document["outputs"]
    assert [entry["name"] for entry in document["not_compared"]] == ["stray"]
    assert {result["rule"] for result in document["gate"] if not result["held"]} == {
        "changed_rows",
        "not_compared",
        "schema",
    }


def test_what_cannot_be_compared_is_named(shop: Shop, production: Path) -> None:
    missing = shop.run("diff", "--baseline-output", str(production / "nothing"))
    assert missing.status == 10
    assert "is not there" in missing.stderr
    file = shop.run("diff", "--baseline-output", str(production / "value.parquet"))
    assert file.status == 10
    assert "name its folder" in file.stderr
    (production / "value.parquet").unlink()
    duckdb.sql(f"copy (select 'DE' as country, 3 as n) to '{production}/value.parquet'")
    unitless = shop.run("diff", "--baseline-output", str(production))
    assert unitless.status == 10
    assert "no column names a sampling unit" in unitless.stderr
