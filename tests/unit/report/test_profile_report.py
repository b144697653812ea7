"""How like production a sample is, in words and in the report."""

from __future__ import annotations

import jinja2
import pytest

from sandbox.formatting import share
from sandbox.manifest.profile import Bins, Column, Distance, Profile, Table
from sandbox.manifest.scan import Finding
from sandbox.report import sample_profile as words
from sandbox.store.paths import packaged


def column(p: float, *, notable: bool = False) -> Column:
    bins = Bins(
        edges=[1.0, 2.0], population=[0.5, 0.5], sample=[0.25, 0.75],
        ks=Distance(distance=0.25, p=p), wasserstein=Distance(distance=0.25, p=p),
    )  # fmt: skip
    return Column(kind="number", compared=True, bins=bins, p=p, adjusted=p, notable=notable)


def profile(whole: bool = False, **tables: Table) -> Profile:
    return Profile(whole=whole, alpha=0.05, tables=tables)


def orders(**columns: Column) -> Table:
    return Table(unit="customers", columns=columns)


def test_the_least_alike_column_is_named_where_none_is_notable() -> None:
    found = profile(orders=orders(amount=column(0.21), state=column(0.8)))
    assert words.headline(found) == (
        "representative: 2 columns compared, none notable; least alike: orders.amount KS 0.25 (p 0.21)"
    )
    assert words.notable(found) == []


def test_notable_columns_are_listed() -> None:
    found = profile(orders=orders(amount=column(1e-7, notable=True), state=column(0.8)))
    assert words.headline(found) == "not representative in every column: 2 columns compared, 1 notable"
    assert words.notable(found)[0] == "  orders.amount KS 0.25 (p below 0.0001)"


def test_three_findings_about_production_are_shown_and_the_rest_is_counted() -> None:
    findings = [
        Finding(kind="all_null", severity="note", table="orders", message=f"orders.c{n} is NULL in every row")
        for n in range(5)
    ]
    lines = [str(line) for line in words.broken(profile().model_copy(update={"findings": findings}))]
    assert lines[0] == "note    orders.c0 is NULL in every row"
    assert lines[3:] == ["sandbox scan shows 2 more"]
    assert words.broken(profile()) == []


def test_tables_left_out_are_said_with_what_to_type() -> None:
    found = profile(orders=Table(unit="customers", reason="too many rows"))
    assert words.left_out(found) == ["not compared: orders: too many rows", words.LEFT_OUT]
    assert words.left_out(found.model_copy(update={"whole": True})) == ["not compared: orders: too many rows"]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x>'])
def test_the_card_of_the_report_escapes_every_name(name: str) -> None:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(packaged("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["share"] = share
    found = profile(orders=orders(**{name: column(0.2)}))
    card = str(environment.get_template("sample.html").module.section(found, words))  # type: ignore[attr-defined]
    assert name not in card
    assert "orders." in card
    assert card.count("<rect") == 2
