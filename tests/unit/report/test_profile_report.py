"""How like production a sample is, in words and in the report."""

from __future__ import annotations

import jinja2
import pytest

from sandbox.formatting import format_count, format_share
from sandbox.manifest.profile import (
    BinnedDistribution,
    DistanceRecord,
    ProfiledColumn,
    ProfiledTable,
    SampleProfile,
)
from sandbox.manifest.scan import Finding
from sandbox.report import sample_profile as words
from sandbox.store.paths import find_packaged_folder


def column(p: float, *, notable: bool = False) -> ProfiledColumn:
    bins = BinnedDistribution(
        edges=[1.0, 2.0], population=[0.5, 0.5], sample=[0.25, 0.75],
        ks=DistanceRecord(distance=0.25, p=p), wasserstein=DistanceRecord(distance=0.25, p=p),
    )  # fmt: skip
    return ProfiledColumn(kind="number", compared=True, bins=bins, p=p, adjusted=p, notable=notable)


def profile(whole: bool = False, **tables: ProfiledTable) -> SampleProfile:
    return SampleProfile(whole=whole, alpha=0.05, tables=tables)


def orders(**columns: ProfiledColumn) -> ProfiledTable:
    return ProfiledTable(unit="customers", columns=columns)


def test_the_least_alike_column_is_named_where_none_is_notable() -> None:
    found = profile(orders=orders(amount=column(0.21), state=column(0.8)))
    assert words.summarize_profile(found) == (
        "representative: 2 columns compared, none notable; least alike: orders.amount KS 0.25 (p 0.21)"
    )
    assert words.describe_notable_columns(found) == []


def test_notable_columns_are_listed() -> None:
    found = profile(orders=orders(amount=column(1e-7, notable=True), state=column(0.8)))
    assert words.summarize_profile(found) == "not representative in every column: 2 columns compared, 1 notable"
    assert words.describe_notable_columns(found)[0] == "  orders.amount KS 0.25 (p below 0.0001)"


def test_three_findings_about_production_are_shown_and_the_rest_is_counted() -> None:
    findings = [
        Finding(kind="all_null", severity="note", table="orders", message=f"orders.c{n} is NULL in every row")
        for n in range(5)
    ]
    lines = [str(line) for line in words.render_findings(profile().model_copy(update={"findings": findings}))]
    assert lines[0] == "note    orders.c0 is NULL in every row"
    assert lines[3:] == ["sandbox scan shows 2 more"]
    assert words.render_findings(profile()) == []


def test_tables_left_out_are_said_with_what_to_type() -> None:
    found = profile(orders=ProfiledTable(unit="customers", reason="too many rows"))
    assert words.describe_skipped_tables(found) == [
        "not compared: orders: too many rows",
        words.FULL_PROFILE_HINT,
    ]
    assert words.describe_skipped_tables(found.model_copy(update={"whole": True})) == [
        "not compared: orders: too many rows"
    ]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x>'])
def test_the_card_of_the_report_escapes_every_name(name: str) -> None:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(find_packaged_folder("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["share"] = format_share
    environment.globals["many"] = format_count
    found = profile(orders=orders(**{name: column(0.2)}))
    card = str(environment.get_template("sample.html").module.section(found, words))  # type: ignore[attr-defined]
    assert name not in card
    assert "orders." in card
    assert card.count("<rect") == 2
