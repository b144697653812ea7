"""Columns that look personal stop a draw until they have a rule."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from sandbox.engine.duckdb.session import Session
from sandbox.errors import ConfigError
from sandbox.model import SilentProgress
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.checks.personal_columns import find_personal_columns
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import SourceProject

SECTIONS = """
[sample]
salt = "s"
unit = "customers"
strata = ["country"]
rate = 0.5
min_per_stratum = 0
[tables.customers]
key = ["id"]
[tables.customers.mask]
notes = "none"
[tables.orders]
references = {{ customer = "customers.id" }}
[tables."odd table"]
keep = "all"
{more}
"""


def source(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select i as id, case when i % 50 = 0 then '?' else 'c' || i || '@web.de' end as contact, "
        "date '1990-01-01' + i::integer as birth_date, 'DE' as country, 'call +49 30 1234567' as notes, i % 9 as email_count, "
        "'4111 1111 1111 1111' as \"paid with\" from range(1, 1201) as r(i)",
        "(format parquet)",
    )
    place.copy(
        "orders.parquet",
        "select i as customer, 'phone' as channel from range(1, 400) as r(i)",
        "(format parquet)",
    )
    place.write("odd table.csv", "dob,phone\n1990-01-01,\n1990-01-02,030 1234567\n")


def test_every_column_is_listed_with_why_and_what_to_write(place: SourceProject) -> None:
    source(place)
    with pytest.raises(ConfigError) as caught:
        place.draw(SECTIONS.format(more=""))
    assert caught.value.status == 10
    assert caught.value.message.splitlines() == [
        "5 columns look personal and have no mask:",
        "  customers.contact: 98 % of 999 values are or hold e-mail addresses",
        "  customers.birth_date: by its name it holds birth dates",
        "  customers.paid with: 100 % of 999 values are card numbers with a right check digit",
        "  odd table.dob: by its name it holds birth dates",
        "  odd table.phone: by its name it holds telephone numbers",
    ]
    assert caught.value.hint == (
        'add these lines to sandbox.toml, with "none" for what may stay as it is:\n'
        "# in [tables.customers.mask], which is there:\n"
        'contact = "email"\n'
        'birth_date = { kind = "date_shift", days = 30 }\n'
        '"paid with" = "key"\n'
        '[tables."odd table".mask]\n'
        'dob = "null"\n'
        'phone = "phone"'
    )


def test_what_the_hint_says_is_enough(place: SourceProject) -> None:
    source(place)
    with pytest.raises(ConfigError) as caught:
        place.draw(SECTIONS.format(more=""))
    first, _, second = caught.value.hint.partition("\n")[2].partition('[tables."')
    sections = SECTIONS.format(more='[tables."' + second).replace('notes = "none"\n', f'notes = "none"\n{first}')
    tomllib.loads(sections)
    _, manifest = place.draw(sections)
    assert set(manifest.masking) == {"customers", "odd table"}


def test_none_is_a_rule(place: SourceProject) -> None:
    place.copy("customers.parquet", "select i as id, 'x@y.de' as email from range(20) as r(i)", "(format parquet)")
    sections = SECTIONS.partition("[tables.customers.mask]")[0].replace('strata = ["country"]\n', "")
    _, manifest = place.draw(sections + '[tables.customers.mask]\nemail = "none"\n')
    assert manifest.masking == {}


def test_a_plan_warns_and_goes_on(place: SourceProject) -> None:
    source(place)
    plan = plan_sample(place.project(SECTIONS.format(more="")), progress=SilentProgress())
    said = [one for one in plan.warnings if "looks personal" in one]
    assert len(said) == 5
    assert said[0] == (
        "customers.contact looks personal: 98 % of 999 values are or hold e-mail addresses; a sample needs a rule in "
        '[tables.customers.mask]: contact = "email"'
    )


def test_a_column_that_a_reference_masks_has_its_rule(place: SourceProject) -> None:
    place.copy("customers.parquet", "select 'c' || i || '@web.de' as id from range(50) as r(i)", "(format parquet)")
    place.copy(
        "orders.parquet",
        "select 'c' || i || '@web.de' as customer from range(50) as r(i)",
        "(format parquet)",
    )
    sections = SECTIONS.partition("[tables.customers.mask]")[0].replace('strata = ["country"]\n', "")
    orders = '[tables.orders]\nreferences = { customer = "customers.id" }\n'
    with pytest.raises(ConfigError) as caught:
        place.draw(sections + orders)
    assert '[tables.customers.mask]\nid = "key"\n[tables.orders.mask]\ncustomer = "key"' in caught.value.hint
    _, manifest = place.draw(sections + '[tables.customers.mask]\nid = "key"\n' + orders)
    assert manifest.masking == {"customers": {"id": "key"}, "orders": {"customer": "key"}}


def test_a_strata_column_is_proposed_to_stay(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select i as id, '10.0.0.1' as country from range(50) as r(i)",
        "(format parquet)",
    )
    with pytest.raises(ConfigError) as caught:
        place.draw(SECTIONS.partition("[tables.customers.mask]")[0])
    assert caught.value.hint.endswith('country = "none"')


def test_values_are_looked_at_throughout_a_large_table(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select i as id, case when i > 40000 then 'c' || i || '@web.de' end as reachable from range(60000) as r(i)",
        "(format parquet, row_group_size 10000)",
    )
    assert found(place) == ["reachable"]


def test_names_whose_values_say_otherwise_are_let_pass(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select i as id, 'red' as phone, 'n' as ip, 12.5 as card, true as email, i as address, 'a b c' as iban from range(99) as r(i)",
        "(format parquet)",
    )
    assert found(place) == []


def test_nested_columns_are_looked_into(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select i as id, {mail: 'c' || i || '@web.de'} as details, ['x'] as tags, 'x'::blob as raw from range(99) as r(i)",
        "(format parquet)",
    )
    assert found(place) == ["details"]


def test_real_tables_of_people_and_teams(baseball: Path) -> None:
    listing = list_source(".", base=baseball)
    project = {
        "version": 1,
        "project": {"name": "x"},
        "source": {"uri": "x"},
        "sample": {"unit": "People", "rate": 0.1},
    }
    from sandbox.config.settings import Settings  # noqa: PLC0415 - beside its one use

    settings = Settings.model_validate(project | {"tables": {name: {} for name in listing.files}})
    with Session(threads=2) as session:
        tables = {name: open_table(session, listing, name) for name in listing.files}
        twice = [find_personal_columns(session, settings, tables, {}) for _ in range(2)]
    assert [(one.table, one.column) for one in twice[0]] == [
        ("People", "nameFirst"), ("People", "nameLast"), ("People", "nameGiven"),
    ]  # fmt: skip
    assert twice[0] == twice[1]


def found(place: SourceProject) -> list[str]:
    sections = SECTIONS.partition("[tables.customers.mask]")[0].replace('strata = ["country"]\n', "")
    plan = plan_sample(place.project(sections), progress=SilentProgress())
    return [one.column for one in plan.personal_columns]
