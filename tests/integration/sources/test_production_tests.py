"""Data tests and declared rules, asked of the outputs that production made: the same answers wherever they lie."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from sandbox.config.project_file import load_project
from sandbox.errors import ConfigError
from sandbox.model import SilentProgress
from sandbox.production.data_tests import run_production_tests
from tests.headers import CUSTOMERS, build_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.production.data_tests import ProductionTests
    from tests.integration.sources.conftest import Bucket
    from tests.integration.sources.server import Server

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
RULES = """
[[tests]]
name = "no debts"
sql = "from value where total < 0"
on = ["diff", "production"]

[[tests]]
name = "only in a diff"
sql = "from value"

[outputs.value]
key = ["customer_id"]
not_null = ["total"]
ranges = { age = { min = 0, max = 120 } }
references = { country = "countries.code" }
"""
BROKEN = {
    "value: customer_id is unique": 2,
    "value: customer_id is never NULL": 0,
    "value: total is never NULL": 1,
    "value: age is from 0 to 120": 1,
    "value: country is in countries.code": 1,
    "no debts": 1,
}
VALUES = pa.table(
    {
        "customer_id": [1, 2, 3, 3, 5],
        "total": [10.5, -1.0, None, 2.0, 3.0],
        "age": [30, 121, 40, None, 50],
        "country": ["DE", "FR", "DE", "XX", None],
    }
)
COUNTRIES = pa.table({"code": ["DE", "FR"], "name": ["Germany", "France"]})


@dataclass(frozen=True)
class ProductionProject:
    """A project, and the folder for what production made."""

    root: Path

    @property
    def outputs(self) -> Path:
        return self.root / "production"

    def load(self, rules: str = RULES) -> Project:
        file = self.root / "sandbox.toml"
        file.write_text(build_header("source") + CUSTOMERS + rules, "utf-8")
        return load_project(file, start=self.root, environ={}, flags={})

    def ask(self, rules: str = RULES, *, place: str | None = "production") -> ProductionTests:
        return run_production_tests(self.load(rules), place, dbt_results=None, now=NOW, progress=SilentProgress())


@pytest.fixture
def tested(tmp_path: Path) -> ProductionProject:
    project = ProductionProject(tmp_path / "it's [a] ünï project")
    project.outputs.mkdir(parents=True)
    return project


def _copy(table: pa.Table, path: Path, options: str = "") -> None:
    quoted = str(path).replace("'", "''")
    with duckdb.connect() as connection:
        connection.register("rows", table)
        connection.execute(f"copy rows to '{quoted}' {options}")


def _write_parquet(tested: ProductionProject, request: pytest.FixtureRequest) -> str:
    _copy(VALUES, tested.outputs / "value.parquet")
    _copy(COUNTRIES, tested.outputs / "countries.parquet")
    return "production"


def _write_csv(tested: ProductionProject, request: pytest.FixtureRequest) -> str:
    _copy(VALUES, tested.outputs / "value.csv")
    _copy(COUNTRIES, tested.outputs / "countries.csv")
    return "production"


def _write_database(tested: ProductionProject, request: pytest.FixtureRequest) -> str:
    with duckdb.connect(tested.outputs / "made.duckdb") as connection:
        for name, table in (("value", VALUES), ("countries", COUNTRIES)):
            connection.register("rows", table)
            connection.execute(f"create table {name} as from rows")
    return "production/made.duckdb"


def _write_database_in_folder(tested: ProductionProject, request: pytest.FixtureRequest) -> str:
    _write_database(tested, request)
    return "production"


def _write_delta(tested: ProductionProject, request: pytest.FixtureRequest) -> str:
    for name, table in (("value", VALUES), ("countries", COUNTRIES)):
        written = tested.root.parent / name  # the library takes no brackets in a path
        write_deltalake(str(written), table)
        shutil.move(written, tested.outputs / name)
    return "production"


def _write_bucket(tested: ProductionProject, request: pytest.FixtureRequest) -> str:
    bucket: Bucket = request.getfixturevalue("bucket")
    _write_parquet(tested, request)
    bucket.upload(tested.outputs)
    shutil.rmtree(tested.outputs)
    return bucket.uri


def _write_lake_in_bucket(tested: ProductionProject, request: pytest.FixtureRequest) -> str:
    bucket: Bucket = request.getfixturevalue("bucket")
    _write_delta(tested, request)
    bucket.upload(tested.outputs)
    shutil.rmtree(tested.outputs)
    return bucket.uri


def _write_postgres(tested: ProductionProject, request: pytest.FixtureRequest) -> str:
    server: Server = request.getfixturevalue("server").create_database("production-tests")
    kinds = {"customer_id": "bigint", "total": "double precision", "age": "bigint", "country": "text"}
    server.put("value", VALUES, kinds)
    server.put("countries", COUNTRIES, {"code": "text", "name": "text"})
    return server.uri


@pytest.mark.parametrize(
    "write",
    [
        _write_parquet, _write_csv, _write_database, _write_database_in_folder, _write_delta, _write_bucket,
        _write_lake_in_bucket, _write_postgres,
    ],
)  # fmt: skip
def test_answers_are_the_same_wherever_the_outputs_lie(
    write: Callable[[ProductionProject, pytest.FixtureRequest], str],
    tested: ProductionProject,
    request: pytest.FixtureRequest,
) -> None:
    place = write(tested, request)
    result = tested.ask(place=place)
    assert {test.name: test.candidate_failures for test in result.tests} == BROKEN, result.tests
    assert result.verdict == "broken"
    assert set(result.outputs) == {"value", "countries"}


def test_sound_outputs_hold_and_the_settings_may_name_the_place(tested: ProductionProject) -> None:
    _copy(VALUES.slice(0, 1), tested.outputs / "value.parquet")
    _copy(COUNTRIES, tested.outputs / "countries.parquet")
    result = tested.ask(f'{RULES}\n[production]\noutputs = "production"\n', place=None)
    assert result.verdict == "held", result.tests


DAILY = pa.table({"day": ["2026-02-27", "2026-02-28", "2026-03-01"], "total": [-1, 2, 3]})
SINCE = """
[[tests]]
name = "no debts"
sql = "from daily where total < 0"
on = ["production"]

[[tests]]
name = "no debts ever"
sql = "from complete.daily where total < 0"
on = ["production"]

[outputs.daily]
since = {since}
"""


@pytest.mark.parametrize(
    ("since", "failures"),
    [('"day"', 0), ('"day"\nlast = "1d"', 0), ('"day"\nlast = "3d"', 1)],
)
@pytest.mark.parametrize("partitioned", [False, True])
def test_the_newest_part_alone_is_read(tested: ProductionProject, since: str, failures: int, partitioned: bool) -> None:
    if partitioned:
        _copy(DAILY, tested.outputs / "daily", "(format parquet, partition_by (day))")
    else:
        _copy(DAILY, tested.outputs / "daily.parquet")
    result = tested.ask(SINCE.replace("{since}", since))
    assert [test.candidate_failures for test in result.tests] == [failures, 1], result.tests
    assert result.outputs["daily"].condition is not None
    assert "2026-0" in result.outputs["daily"].condition


def test_an_output_above_the_limit_of_bytes_is_not_read_unless_its_newest_part_is_below(
    tested: ProductionProject,
) -> None:
    _copy(DAILY, tested.outputs / "daily", "(format parquet, partition_by (day))")
    size = max(path.stat().st_size for path in tested.outputs.rglob("*.parquet"))
    limit = f"\n[production]\nmax_bytes = {size}\n"
    newest, ever = tested.ask(SINCE.replace("{since}", '"day"') + limit).tests
    assert (newest.outcome, ever.outcome) == ("passed", "not_evaluated")
    assert "max_bytes" in ever.problems["candidate"]
    assert tested.ask(SINCE.replace("{since}", '"day"') + limit).verdict == "not_judged"


def test_a_query_reads_nothing_else_and_ends_in_time(tested: ProductionProject) -> None:
    _copy(DAILY, tested.outputs / "daily.parquet")
    secret = tested.root / "secret.csv"
    secret.write_text("a\n1\n", "utf-8")
    queries = {
        "elsewhere": f"from read_csv('{str(secret).replace(chr(39), chr(39) * 2)}')",
        "writes": "create table daily2 as from daily",
        "endless": "select sum(a.range * b.range) from range(10000000) a, range(10000000) b",
        "missing": "from dayly",
    }
    rules = "".join(
        f"[[tests]]\nname = '{name}'\nsql = \"{sql}\"\non = ['production']\n" for name, sql in queries.items()
    )
    result = tested.ask(f"{rules}\n[production]\ntimeout = '1s'\n")
    assert {test.outcome for test in result.tests} == {"not_evaluated"}, result.tests
    assert result.verdict == "not_judged"
    problems = {test.name: test.problems["candidate"] for test in result.tests}
    assert "dayly" in problems["missing"] or "took all of" in problems["missing"]


def test_settings_that_ask_nothing_and_places_that_are_not_there_are_errors(tested: ProductionProject) -> None:
    with pytest.raises(ConfigError, match="asks nothing of production"):
        tested.ask("")
    with pytest.raises(ConfigError, match="where production's outputs are"):
        tested.ask(place=None)
    with pytest.raises(ConfigError, match="are not at"):
        tested.ask(place="nowhere")
