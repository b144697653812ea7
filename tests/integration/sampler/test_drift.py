"""Drift: equal frames have no finding, populations of one process almost none, and real changes are found."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

import pytest

from sandbox.model import SilentProgress
from sandbox.production.drift.check import check_drift
from sandbox.sampler.profile.storage import find_profile

if TYPE_CHECKING:
    from sandbox.manifest.production.drift import DriftCheck
    from sandbox.manifest.sample import SampleManifest
    from tests.projects import SourceProject

SECTIONS = """
[sample]
salt = "s"
unit = "customers"
strata = ["country"]
rate = 0.2
min_per_stratum = 5
{more}
[tables.customers]
key = ["id"]
mask = {{ secret = "hash" }}
[tables.orders]
references = {{ customer = "customers.id", product = "products.id" }}
[tables.products]
key = ["id"]
"""
N = 4000
POPULATIONS = int(os.environ.get("DRIFT_POPULATIONS", "5"))
UNITS = f"""
select i as id, ['DE', 'DE', 'DE', 'FR', 'FR', 'US'][1 + i % 6] as country, i % 97 = 0 as vip, 'secret' || i as secret,
  case when i % 10 > 0 then (hash(i) % 1000) / 10.0 end as score
from range({N}) t(i)
"""
"""Customers before they are drawn."""
ORDERS = """
select u.id as source, j, hash(u.id, j) % 50 as product, ((hash(u.id, j, 1) % 10000) / 100)::decimal(10, 2) as amount,
  ['open', 'paid', 'sent'][1 + (hash(u.id, j, 2) % 3)::integer] as status,
  date '2025-01-01' + (hash(u.id, j, 3) % 400)::integer as day
from (UNITS) u, range(5) t(j) where j <= hash(u.id) % 5
"""


def _write(lake: SourceProject, chosen: str = f"select i as id, i as source from range({N}) t(i)") -> None:
    """Write a population: ``chosen`` has an id and the unit that it is a copy of."""
    lake.copy(
        "customers.parquet", f"select c.id, u.* exclude (id) from ({chosen}) c join ({UNITS}) u on u.id = c.source"
    )
    orders = ORDERS.replace("UNITS", UNITS)
    lake.copy(
        "orders.parquet",
        f"select c.id as customer, o.* exclude (source) from ({chosen}) c join ({orders}) o using (source)",
    )
    lake.copy("products.parquet", "select i as id from range(50) t(i)")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[SourceProject, SampleManifest]:
    from tests.projects import create_source_project  # noqa: PLC0415 - a fixture of the module

    lake = create_source_project(tmp_path_factory.mktemp("drift"), sections=SECTIONS.format(more=""))
    _write(lake)
    _, manifest = lake.draw()
    return lake, manifest


def _check(
    drawn: tuple[SourceProject, SampleManifest], *, more: str = "", now: dt.datetime | None = None
) -> DriftCheck:
    lake, manifest = drawn
    project = lake.project(SECTIONS.format(more=more))
    profile = find_profile(project, lake.home, manifest.fingerprint)
    return check_drift(project, manifest, profile, now=now or dt.datetime.now(dt.UTC), progress=SilentProgress())


def _replace(lake: SourceProject, name: str, select: str) -> None:
    """Write a table again from its own rows, which the query calls ``rows``."""
    path = lake.source / f"{name}.parquet"
    old = path.rename(path.with_suffix(".old"))
    quoted = str(old).replace("'", "''").replace("[", "[[]")
    lake.copy(path.name, select.replace("rows", f"read_parquet('{quoted}')"))
    old.unlink()


def test_equal_frames_have_no_finding_and_what_is_not_recorded_is_named(
    drawn: tuple[SourceProject, SampleManifest],
) -> None:
    lake, manifest = drawn
    _write(lake)
    result = _check(drawn)
    assert (result.verdict, result.findings) == ("fresh", [])
    assert result.compared > 30
    assert any(line.startswith("products: a lookup table") for line in result.not_checked)
    old = lake.project(SECTIONS.format(more=""))
    bare = check_drift(old, manifest, None, now=dt.datetime.now(dt.UTC), progress=SilentProgress())
    assert bare.verdict == "fresh"
    assert {line.partition(":")[0] for line in bare.not_checked} == {"customers", "orders", "products"}


CHANGES: dict[str, tuple[str, str, str, str, str]] = {
    "a new status in 1 % of the rows": (
        "orders", "select * replace (if(hash(customer, j, 9) % 100 = 0, 'disputed', status) as status) from rows",
        "drifting", "values", "the column status has a new value disputed in 0.9 % of orders, which no run has seen",
    ),
    "a doubled stratum": (
        "customers", "from rows union all by name select * replace (id + 100000 as id) from rows where country = 'US'",
        "drifting", "stratum", "stratum country = US of customers grew from 16.7 % to 28.5 % of the units",
    ),
    "a dropped month": (
        "orders", "from rows where date_trunc('month', day) <> date '2025-05-01'",
        "drifting", "period", "2025-05 of orders.day is missing",
    ),
    "half a month": (
        "orders", "from rows where date_trunc('month', day) <> date '2025-05-01' or j % 2 = 0",
        "drifting", "period", "2025-05 of orders.day shrank",
    ),
    "more NULLs": (
        "customers", "select * replace (if(id % 3 = 0, null, score) as score) from rows",
        "drifting", "nulls", "NULL in customers.score grew from 10.0 % to",
    ),
    "larger amounts": (
        "orders", "select * replace ((amount * 1.3)::decimal(10, 2) as amount) from rows",
        "drifting", "mean", "the sum of orders.amount per row of customers grew from",
    ),
    "dangling references": (
        "orders", "select * replace (if(hash(customer, j, 4) % 20 = 0, 9999, product) as product) from rows",
        "drifting", "references", "the share of rows whose orders.product names no row of products grew from 0 % to",
    ),
    "a new stratum": (
        "customers", "select * replace (if(id % 50 = 0, 'PT', country) as country) from rows",
        "stale", "stratum", "stratum country = PT of customers holds 2.0 % of the units, and the sample has none of them",
    ),
    "a new column": ("customers", "select *, 1 as extra from rows", "stale", "schema", "customers.extra is new"),
    "another type": (
        "orders", "select * replace (amount::double as amount) from rows", "stale", "schema",
        "orders.amount is DOUBLE, and was DECIMAL(",
    ),
    "a repeated key": ("customers", "from rows union all from rows where id = 7", "stale", "key", "production breaks a rule"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found(drawn: tuple[SourceProject, SampleManifest], name: str) -> None:
    table, select, verdict, kind, message = CHANGES[name]
    _write(drawn[0])
    _replace(drawn[0], table, select)
    result = _check(drawn)
    assert result.verdict == verdict, result.findings
    assert any(finding.kind == kind and finding.message.startswith(message) for finding in result.findings), (
        result.findings
    )
    assert "secret" not in result.to_json_text().replace("customers.secret", "")


def test_age_and_limits_are_those_of_the_settings(drawn: tuple[SourceProject, SampleManifest]) -> None:
    _write(drawn[0])
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=91)
    result = _check(drawn, more='max_age = "90d"', now=later)
    assert (result.verdict, [finding.kind for finding in result.findings]) == ("stale", ["age"])
    _replace(drawn[0], "orders", CHANGES["a new status in 1 % of the rows"][1])
    assert _check(drawn, more="max_drift = 3.0").verdict == "fresh"


def test_a_missing_table_is_stale(drawn: tuple[SourceProject, SampleManifest]) -> None:
    lake, _ = drawn
    _write(lake)
    (lake.source / "products.parquet").unlink()
    result = _check(drawn)
    assert result.verdict == "stale"
    assert [finding.message for finding in result.findings] == ["production has no table products any more"]


@pytest.mark.parametrize("growth", [1.0, 1.5])
def test_populations_of_one_process_are_seldom_called_unlike(
    drawn: tuple[SourceProject, SampleManifest], growth: float
) -> None:
    """Units redrawn with replacement: `make study` has 100 of each, a run of the tests a twentieth."""
    alarms = 0
    for number in range(POPULATIONS):
        _write(
            drawn[0],
            f"select i as id, (hash(i, {number}, {round(growth * 10)}) % {N})::bigint as source from range({int(N * growth)}) t(i)",
        )
        alarms += _check(drawn).verdict != "fresh"
    assert alarms <= POPULATIONS // 100, f"{alarms} of {POPULATIONS}"
