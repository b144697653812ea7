"""What a call of the command imports: the slow libraries only where they are needed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.projects import Shop

CALL = """
import sys
from sandbox.cli import main
sys.argv[0] = "sandbox"
status = main()
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(status)
"""
SLOW = {"docker", "duckdb", "ibis", "jinja2", "numpy", "psutil", "pyarrow", "pydantic", "rich", "sqlglot"}


def imported(shop: Shop, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CALL, *arguments],
        cwd=shop.root,
        env=shop.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_imports_nothing_slow(shop: Shop, arguments: tuple[str, ...]) -> None:
    found = imported(shop, *arguments)
    assert "click" in found
    assert found & SLOW == set()


def test_draw_imports_only_what_its_source_needs(shop: Shop) -> None:
    found = imported(shop, "sample")
    assert {"ibis", "pyarrow"} <= found
    drivers = {"adbc_driver_manager", "deltalake", "docker", "pyiceberg", "pymysql", "pyspark"}
    assert found & ({"pandas", "polars"} | drivers) == set()


def test_warm_create_needs_neither_ibis_nor_an_engine_of_containers(shop: Shop) -> None:
    shop.run("create")
    assert imported(shop, "create") & {"ibis", "sqlglot", "docker", "jinja2"} == set()


def test_diff_of_the_same_runs_neither_compares_nor_estimates_again(shop: Shop) -> None:
    (shop.root / "value.sql").write_text("select customer_id from customers")
    assert shop.run("diff").status == 0
    slow = {"ibis", "sqlglot", "docker", "numpy", "pyarrow"}
    assert imported(shop, "diff") & slow == set()
    assert imported(shop, "diff", "--fresh") & slow == {"numpy", "pyarrow", "sqlglot"}
