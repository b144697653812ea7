"""A draw as SQL for other databases: carried out, it gives the rows and counts of the sample; for warehouses its text is kept."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from chdb.session import Session
from pyarrow import parquet
from sqlglot import exp

from sandbox.demo import create_demo
from sandbox.engine.spark.cluster import SparkCluster, SparkEndpoint
from sandbox.errors import DataRuleError
from sandbox.model import SilentProgress, SqlDialect
from sandbox.sampler.plan import warehouse_sql
from sandbox.sampler.plan.planner import plan_sample
from tests.integration.sources.projects import BASEBALL, BASEBALL_TABLES
from tests.projects import SourceProject
from tests.requirements import IN_CI

if TYPE_CHECKING:
    from sandbox.manifest.sample import SampleManifest
    from sandbox.sampler.plan.plan import SamplePlan, UnitPlan
    from tests.integration.sources.conftest import Arrow
    from tests.integration.sources.server import Server

KEPT = Path(__file__).parent / "compiled"
WAREHOUSES: tuple[SqlDialect, ...] = ("snowflake", "bigquery", "trino", "clickhouse", "databricks")
# Two units, one with a key of two columns and strata of every kind; children by one column and by two, NULL and dangling
# references, polymorphic ones, a number that is named by a text, lookups named by several tables, rows that only closure
# brings into a unit's table, rows that share a key.
TABLES = {
    "regions": "select 'r' || i as code, 'Region ' || i % 3 as name from range(6) as r(i)",
    "cities": """select i::bigint as id, case when i % 7 > 0 then 'r' || i % 8 end as region, i * 100 as size
        from range(400) as r(i)""",
    "people": """select case when i % 50 = 0 then null else ['DE', 'FR', 'ÖS', 'a:b', ''][i % 5 + 1] end as country,
        i // 5 as number, case when i % 9 > 0 then i * 31 % 470 end::bigint as city,
        ['a', 'b', 'it''s\\', null, 'x' || i][least(i % 6, 4) + 1] as kind, (i * 7919 % 100000 / 100 - 100)::decimal(9, 2) as spent,
        date '1940-01-01' + (i * 37 % 20000)::int as born, i % 11 > 0 as active from range(1500) as r(i)""",
    "visits": """select i as id, case when i % 13 = 0 then null else ['DE', 'FR', 'ÖS', 'a:b', '', 'XX'][i * 7 % 6 + 1] end as country,
        case when i % 17 > 0 then i * 3 % 320 end as number, (i * 11 % 500)::varchar as place,
        case when i % 4 > 0 then i * 5 % 2100 end as shop from range(6000) as r(i)""",
    "shops": """select i as id, ['DE', 'FR', null][i % 3 + 1] as owner_country, i * 3 % 4000 as owner_number,
        i % 4 as class from range(2000) as r(i)""",
    "notes": """select i as id, i * 7 % 6500 as about, ['visit', 'city', 'other', null][i % 4 + 1] as about_kind
        from range(9000) as r(i)""",
    "devices": """select md5((i // 3)::varchar)::uuid as token, i as seen, date '1969-12-01' + (i % 60)::int as day
        from range(900) as r(i)""",
}
SECTIONS = """
[sample]
salt = "compiled"
unit = "people"
strata = ["regions.name", { column = "kind", rare_below = 20 }, { column = "spent", bins = [0, 250.5] }]
rate = 0.2
min_per_stratum = 2
[sample.also.shops]
strata = ["class"]
rate = 0.3
[sample.also.devices]
rate = 0.25
[tables.regions]
key = ["code"]
keep = "all"
[tables.cities]
key = ["id"]
keep = "referenced"
references = { region = "regions.code" }
[tables.people]
key = ["country", "number"]
where = "active and born between '1945-01-01' and '2010-12-31' and not (kind = 'b' and spent > 800.00 or city in (3, 4))"
references = { city = "cities.id" }
[tables.people.mask]
born = "none"
[tables.visits]
key = ["id"]
belongs_to = "people"
references = { shop = "shops.id", place = "cities.id" }
[[tables.visits.reference]]
columns = ["country", "number"]
table = "people"
key = ["country", "number"]
[tables.shops]
key = ["id"]
[[tables.shops.reference]]
columns = ["owner_country", "owner_number"]
table = "people"
key = ["country", "number"]
[tables.notes]
key = ["id"]
[[tables.notes.reference]]
columns = ["about"]
table = "visits"
key = ["id"]
when = { about_kind = "visit" }
[[tables.notes.reference]]
columns = ["about"]
table = "cities"
key = ["id"]
when = { about_kind = "city" }
[tables.devices]
key = ["token"]
duplicates = "unit"
"""


def write_shop(lake: SourceProject, _: Path) -> str:
    with duckdb.connect() as connection:
        for name, select in TABLES.items():
            connection.execute(f"copy ({select}) to '{_quoted(lake.source / name)}.parquet' (format parquet)")
    return SECTIONS


def demo(lake: SourceProject, _: Path) -> str:
    create_demo(lake.root / "demo", scale=0.02, progress=SilentProgress())
    shutil.copytree(lake.root / "demo" / "warehouse", lake.source, dirs_exist_ok=True)
    return unmasked(_sections((lake.root / "demo" / "sandbox.toml").read_text("utf-8")))


def baseball_tables(lake: SourceProject, baseball: Path) -> str:
    with duckdb.connect() as connection:
        for name in BASEBALL_TABLES:
            rows = connection.from_csv_auto(str(baseball / f"{name}.csv"))
            rows.write_parquet(str(lake.source / f"{name}.parquet"))
    return _sections(BASEBALL)


def odd_names(lake: SourceProject, _: Path) -> str:
    """Names and values with everything that quotes, escapes or separates somewhere."""
    tables = {
        'we"ird ta`ble': """select i as "k""ey", 'n' || i as "sel`ect", ['a''b', 'c"d', 'e\\f', chr(10) || '--', '${x}', '😀', ''][i % 7 + 1]
            as "a.b; drop" from range(900) as r(i)""",
        "group": """select i as "order", i * 3 % 1000 as "k""ey", 'n' || i * 3 % 1000 as "from" from range(2000) as r(i)""",
    }
    with duckdb.connect() as connection:
        for name, select in tables.items():
            connection.execute(f"copy ({select}) to '{_quoted(lake.source / name)}.parquet' (format parquet)")
    return ODD


ODD = """
[sample]
unit = 'we"ird ta`ble'
strata = ["a.b; drop"]
rate = 0.3
[tables.'we"ird ta`ble']
key = ['k"ey', "sel`ect"]
[tables.group]
key = ["order"]
[[tables.group.reference]]
columns = ['k"ey', "from"]
table = 'we"ird ta`ble'
key = ['k"ey', "sel`ect"]
"""


def key_kinds(lake: SourceProject, _: Path) -> str:
    """Units by keys of every kind that can be said everywhere."""
    with duckdb.connect() as connection:
        for name, select in KINDS.items():
            connection.execute(f"copy ({select}) to '{_quoted(lake.source / name)}.parquet' (format parquet)")
    first, *others = KINDS
    draws = "".join(f"[sample.also.{name}]\nrate = 0.4\n" for name in others)
    keys = {"several": '"day", "price", "small", "word"'}
    tables = "".join(
        f'[tables.{name}]\nkey = [{keys.get(name, chr(34) + "k" + chr(34))}]\nduplicates = "unit"\n' for name in KINDS
    )
    return f'[sample]\nsalt = "kinds"\nunit = "{first}"\nrate = 0.4\n{draws}{tables}'


KINDS = {
    "whole": """select unnest([-9223372036854775808, -4611686018427387905, -2147483648, -1, 0, 1, 2147483647, 4294967296,
        9223372036854775807, null]::bigint[]) as k union all select i * -7919 from range(100) as r(i)""",
    "tiny": "select (i - 100)::tinyint as k from range(200) as r(i)",
    "decimals": "select (i * 0.37 - 20)::decimal(12, 2) as k from range(200) as r(i)",
    "without_point": "select (i - 100)::decimal(18, 0) as k from range(200) as r(i)",
    "dates": "select date '1901-01-01' + (i * 300)::int as k from range(300) as r(i)",
    "moments": """select (timestamp '1955-01-01' + i * interval 7919 hour + i * interval 3 microsecond)::timestamptz as k
        from range(150) as r(i)""",
    "truths": "select i % 2 = 0 as k from range(10) as r(i)",
    "words": "select ['é', 'e' || chr(769), '😀', '', ' ', 'a''b', 'c\\d', chr(9)][i % 8 + 1] || i // 8 as k from range(160) as r(i)",
    "uuids": "select md5(i::varchar)::uuid as k from range(150) as r(i)",
    "several": """select date '1969-12-01' + (i % 60)::int as day, ((i - 50) * 0.125)::decimal(9, 3) as price, (i % 100)::utinyint as small,
        case when i % 20 > 0 then '😀:' || i end as word from range(200) as r(i)""",
}


def _sections(settings: str) -> str:
    return re.split(r"^\[(?:stack|pipeline)\]", settings[settings.index("[sample]") :], flags=re.MULTILINE)[0]


def unmasked(sections: str) -> str:
    return re.sub(
        r"(?<=\.mask\]).*?(?=\n\n|\Z)",
        lambda found: re.sub(r"(\w+) = .*", r'\1 = "none"', found[0].partition("\n")[2]).join(["\n", ""]),
        sections,
        flags=re.DOTALL,
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A project, its plan, and the sample that was drawn from files."""

    lake: SourceProject
    plan: SamplePlan
    sample: Path
    manifest: SampleManifest


@pytest.fixture(scope="module", params=[write_shop, demo, baseball_tables, odd_names, key_kinds])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, baseball: Path) -> Made:
    lake = SourceProject(root=tmp_path_factory.mktemp(request.param.__name__))
    lake.source.mkdir()
    sections = request.param(lake, baseball)
    sample, manifest = lake.draw(sections)
    return Made(
        lake=lake,
        plan=plan_sample(lake.project(sections), progress=SilentProgress()),
        sample=sample.path / "tables",
        manifest=manifest,
    )


Carry = Callable[[str], pa.Table]


def in_duckdb(made: Made, *_: object) -> Iterator[Carry]:
    with duckdb.connect() as connection:
        for name, files in sources(made):
            paths = ", ".join(f"'{_quoted(file)}'" for file in files)
            connection.execute(f"create view {_name(name)} as from read_parquet([{paths}])")
        yield lambda sql: connection.sql(sql).to_arrow_table()


def in_postgres(made: Made, arrow: Arrow, request: pytest.FixtureRequest) -> Iterator[Carry]:
    server: Server = request.getfixturevalue("server")
    database = server.create_database(f"compiled_{uuid.uuid4().hex}")
    for name, files in sources(made):
        rows = pa.concat_tables([arrow(file) for file in files])
        decimals = {
            one.name: f"numeric({one.type.precision}, {one.type.scale})"
            for one in rows.schema
            if pa.types.is_decimal(one.type)
        }
        database.put(name, rows, decimals)
    with database.connected() as connection, connection.cursor() as cursor:

        def carry(sql: str) -> pa.Table:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

        yield carry


@pytest.fixture(scope="module")
def spark(request: pytest.FixtureRequest) -> Iterator[SparkCluster]:
    if shutil.which("java") is None and not IN_CI:
        pytest.skip("there is no Java; to get it: tests/integration/sources/java.sh")
    master = request.getfixturevalue("cluster").master
    with contextlib.closing(SparkCluster(SparkEndpoint(remote=None, master=master))) as opened:
        yield opened


def in_spark(made: Made, arrow: Arrow, request: pytest.FixtureRequest) -> Iterator[Carry]:
    """Spark 4 with the settings that it comes with: what Databricks SQL is made of, not that itself."""
    cluster: SparkCluster = request.getfixturevalue("spark")
    with tempfile.TemporaryDirectory() as place:
        for number, (name, files) in enumerate(sources(made)):
            parquet.write_table(pa.concat_tables([arrow(file) for file in files]), f"{place}/{number}.parquet")
            frame = cluster.read_parquet([f"{place}/{number}.parquet"])
            frame.createOrReplaceTempView("`" + name.replace("`", "``") + "`")
        yield lambda sql: cluster.spark.sql(sql).toArrow()


def in_clickhouse(made: Made, arrow: Arrow, *_: object) -> Iterator[Carry]:
    """ClickHouse within this process."""
    with tempfile.TemporaryDirectory() as place, contextlib.closing(Session(f"{place}/data")) as session:
        for number, (name, files) in enumerate(sources(made)):
            rows = pa.concat_tables([arrow(file) for file in files])
            parquet.write_table(rows, f"{place}/{number}.parquet")
            session.query(f"create view {_name(name)} as select * from file('{place}/{number}.parquet', 'Parquet')")
        yield lambda sql: parquet.read_table(io.BytesIO(session.query(sql, "Parquet").bytes()))


ENGINES: dict[SqlDialect, Callable[[Made, Arrow, pytest.FixtureRequest], Iterator[Carry]]] = {
    "duckdb": in_duckdb,
    "postgres": in_postgres,
    "databricks": in_spark,
    "clickhouse": in_clickhouse,
}
SLOW = [pytest.param(one, marks=pytest.mark.slow) if one == "databricks" else one for one in ENGINES]


@pytest.mark.parametrize("dialect", SLOW)
def test_what_is_compiled_gives_the_rows_and_counts_of_the_sample(
    made: Made, arrow: Arrow, dialect: SqlDialect, request: pytest.FixtureRequest
) -> None:
    """Takes long: Spark plans the statements of all tables."""
    statements = warehouse_sql.compile_plan(made.plan, dialect)
    with contextlib.contextmanager(ENGINES[dialect])(made, arrow, request) as carry:
        for one in statements:
            rows = carry(one.sql)
            if one.title == warehouse_sql.COUNTS_TITLE:
                assert counted(rows) == populations(made.plan.units[one.table])
            else:
                assert rows.num_rows == made.manifest.tables[one.table].rows
                assert not different(rows, made.sample / one.table)
    assert sorted(one.table for one in statements if one.title == warehouse_sql.ROWS_TITLE) == sorted(made.plan.tables)


@pytest.mark.parametrize("dialect", WAREHOUSES)
def test_for_warehouses_the_text_is_kept(lake: SourceProject, dialect: SqlDialect) -> None:
    """After a change that is meant: write what `kept` gives into the file, and look at the difference."""
    assert kept(lake, dialect) == (KEPT / f"{dialect}.sql").read_text("utf-8")


@pytest.mark.parametrize("dialect", WAREHOUSES)
def test_for_warehouses_each_statement_is_one_select_of_the_dialect(lake: SourceProject, dialect: SqlDialect) -> None:
    for one in warehouse_sql.compile_plan(
        plan_sample(lake.project(write_shop(lake, lake.root)), progress=SilentProgress()), dialect
    ):
        [parsed] = sqlglot.parse(one.sql, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
        assert isinstance(parsed, exp.Query)
        assert not [called.name for called in parsed.find_all(exp.Anonymous) if "sandbox" in called.name.lower()]
        assert {table.name for table in parsed.find_all(exp.Table)} <= {*TABLES, *_ctes(parsed)}


@pytest.mark.parametrize("dialect", ["snowflake", "trino", "databricks", "clickhouse"])
def test_odd_names_are_quoted_so_that_nothing_of_them_is_sql(lake: SourceProject, dialect: SqlDialect) -> None:
    for one in warehouse_sql.compile_plan(
        plan_sample(lake.project(odd_names(lake, lake.root)), progress=SilentProgress()), dialect
    ):
        [parsed] = sqlglot.parse(one.sql, read=dialect)
        assert parsed is not None
        assert {table.name for table in parsed.find_all(exp.Table)} <= {
            'we"ird ta`ble',
            "group",
            *_ctes(parsed),
        }
        texts = {text.name for text in parsed.find_all(exp.Literal) if text.is_string}
        assert {"a'b", 'c"d', "\n--"} <= texts or one.table == "group" or one.title == warehouse_sql.COUNTS_TITLE


def test_a_name_that_cannot_be_said_is_refused(lake: SourceProject) -> None:
    plan = plan_sample(lake.project(odd_names(lake, lake.root)), progress=SilentProgress())
    with pytest.raises(DataRuleError, match=r"the name .* cannot be said in bigquery: it has"):
        warehouse_sql.compile_plan(plan, "bigquery")


@pytest.mark.parametrize(
    ("dialect", "name"), [("clickhouse", "back\\slash"), ("databricks", "${setting}"), ("bigquery", "a`b")]
)
def test_a_column_that_cannot_be_said_is_refused(lake: SourceProject, dialect: SqlDialect, name: str) -> None:
    plan = surveyed(lake, f"select i as k, 1 as {_name(name)} from range(9) as r(i)", "")
    with pytest.raises(DataRuleError, match="cannot be said in"):
        warehouse_sql.compile_plan(plan, dialect)
    assert warehouse_sql.compile_plan(plan, "snowflake")


@pytest.mark.parametrize(
    ("select", "sections", "message"),
    [
        ("select i as k, i::double as x", 'strata = ["x"]', "the strata column x is DOUBLE"),
        ("select i as k, timestamp '2020-01-01' as x", 'strata = ["x"]', "the strata column x is TIMESTAMP"),
        (
            "select i as k, 'b' as x",
            "[tables.t]\nwhere = \"x > 'a'\"",
            "where: .* > 'a' may mean another thing",
        ),
        (
            "select i as k, 'a' as x",
            "[tables.t]\nwhere = \"upper(x) = 'A'\"",
            r"where: UPPER\(.*\) may mean another",
        ),
        (
            "select i as k, 1.0::double as x",
            '[tables.t]\nwhere = "x = 1"',
            "where: .* may mean another thing",
        ),
        ("select i as k, 1 as x", '[tables.t]\nwhere = "x < 1.5"', "where: 1.5 may mean another thing"),
        (
            "select i as k, i as x",
            '[tables.t]\nreferences = { x = "t.k" }',
            "references go in a circle, t → t",
        ),
    ],
)
@pytest.mark.parametrize("dialect", WAREHOUSES)
def test_what_may_mean_another_thing_is_refused(
    lake: SourceProject, dialect: SqlDialect, select: str, sections: str, message: str
) -> None:
    plan = surveyed(lake, f"{select} from range(20) as r(i)", sections)
    with pytest.raises(DataRuleError, match=message):
        warehouse_sql.compile_plan(plan, dialect)


def test_a_reference_that_is_compared_in_other_ways_is_refused(lake: SourceProject) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"copy (select i::double as k from range(9) as r(i)) to '{_quoted(lake.source)}/c.parquet'")
    plan = surveyed(lake, "select i as k from range(9) as r(i)", '[tables.c]\nreferences = { k = "t.k" }')
    with pytest.raises(DataRuleError, match="c → t: k is DOUBLE and k is BIGINT"):
        warehouse_sql.compile_plan(plan, "trino")


def test_the_command_prints_the_sql_and_says_that_it_was_not_run(lake: SourceProject) -> None:
    lake.project(write_shop(lake, lake.root))
    done = planned(lake, "--sql", "snowflake")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(
        "as SQL for snowflake; compiled, not run: no test carries it out there."
    )
    assert len([one for one in sqlglot.parse(done.stdout, read="snowflake") if one is not None]) == len(TABLES) + 3
    found = json.loads(planned(lake, "--sql", "duckdb", "--json").stdout)
    assert found["run"]
    assert {one["table"] for one in found["statements"]} == set(TABLES)
    assert not json.loads(planned(lake, "--sql", "trino", "--json").stdout)["run"]


def test_the_command_refuses_with_the_exit_status_of_a_rule(lake: SourceProject) -> None:
    lake.project(odd_names(lake, lake.root))
    done = planned(lake, "--sql", "bigquery")
    assert done.returncode == DataRuleError.status
    assert not done.stdout
    assert "cannot be said in bigquery" in done.stderr


def test_personal_values_are_said_to_be_unmasked(lake: SourceProject) -> None:
    plan = surveyed(lake, "select i as k, 'x' as email from range(9) as r(i)", "")
    assert "-- Nothing is masked" in warehouse_sql.format_script(
        warehouse_sql.compile_plan(plan, "trino"), plan, "trino"
    )
    harmless = surveyed(lake, "select i as k, i as x from range(9) as r(i)", "")
    assert "masked" not in warehouse_sql.format_script(warehouse_sql.compile_plan(harmless, "trino"), harmless, "trino")


def planned(lake: SourceProject, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", "plan", *arguments],
        cwd=lake.root,
        env={**os.environ, "SANDBOX_HOME": str(lake.home)},
        capture_output=True,
        text=True,
        check=False,
    )


def surveyed(lake: SourceProject, select: str, sections: str) -> SamplePlan:
    """Give the plan of one table ``t`` with the key ``k``."""
    with duckdb.connect() as connection:
        connection.execute(f"copy ({select}) to '{_quoted(lake.source)}/t.parquet' (format parquet)")
    inside, _, outside = sections.partition("[tables.")
    outside = outside.removeprefix("t]") if outside.startswith("t]") else f"[tables.{outside}"
    text = f'[sample]\nunit = "t"\nrate = 0.5\n{inside}\n[tables.t]\nkey = ["k"]\n{outside if outside != "[tables." else ""}'
    project = lake.project(text)
    return plan_sample(project, progress=SilentProgress())


def kept(lake: SourceProject, dialect: SqlDialect) -> str:
    """Give the SQL of one small project: a key of two columns, two strata, a condition, each role."""
    with duckdb.connect() as connection:
        for name in ("cities", "people", "visits"):
            connection.execute(f"copy ({TABLES[name]}) to '{_quoted(lake.source / name)}.parquet' (format parquet)")
    plan = plan_sample(lake.project(FEW), progress=SilentProgress())
    return warehouse_sql.format_script(warehouse_sql.compile_plan(plan, dialect), plan, dialect)


FEW = """
[sample]
salt = "compiled"
unit = "people"
strata = [{ column = "spent", bins = [0] }]
rate = 0.2
[tables.cities]
key = ["id"]
keep = "referenced"
[tables.people]
key = ["country", "number"]
where = "active"
references = { city = "cities.id" }
[tables.people.mask]
born = "none"
[tables.visits]
key = ["id"]
[[tables.visits.reference]]
columns = ["country", "number"]
table = "people"
key = ["country", "number"]
"""


def _ctes(parsed: exp.Expr) -> set[str]:
    return {cte.alias for cte in parsed.find_all(exp.CTE)}


def sources(made: Made) -> Iterator[tuple[str, list[Path]]]:
    """Give each table of the source and its files."""
    for name in made.plan.tables:
        path = made.lake.source / name
        yield name, sorted(path.glob("*.parquet")) if path.is_dir() else [path.with_name(f"{name}.parquet")]


def counted(rows: pa.Table) -> list[tuple[str | None, ...]]:
    cells = (row.values() for row in rows.to_pylist())
    return sorted((tuple(None if one is None else str(one) for one in row) for row in cells), key=str)


def populations(unit: UnitPlan) -> list[tuple[str | None, ...]]:
    """Give what `counted` has to be."""
    found = []
    for stratum in unit.strata:
        cells: list[str | None] = []
        for column, label in zip(unit.columns, stratum.labels, strict=True):
            cells.append(label.text)
            if column.rare_below is not None:
                cells.append(str(int(label.kind == "rare")))
        found.append((*cells, str(stratum.population)))
    return sorted(found, key=str)


def different(rows: pa.Table, sample: Path) -> list[tuple[Any, ...]]:
    """Give rows that are in one and not in the other, each as often as that is so."""
    with duckdb.connect() as connection:
        connection.register("found", rows)
        drawn = f"read_parquet('{_quoted(sample)}/*.parquet')"
        connection.execute(f"create table rows as from {drawn} limit 0")
        names = ", ".join(_name(name) for name in connection.table("rows").columns)
        connection.execute(f"insert into rows ({names}) select {names} from found")
        less, more = f"from {drawn} except all from rows", f"from rows except all from {drawn}"
        return connection.execute(f"({less}) union all ({more}) limit 5").fetchall()


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
