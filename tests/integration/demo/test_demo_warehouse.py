"""The demo's data: the same everywhere, related as declared, and as uneven as a shop's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.config.project_file import load_project
from sandbox.demo import repository, warehouse
from sandbox.engine.duckdb.session import Session, quote_identifier, quote_literal
from sandbox.model import SilentProgress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config.settings import Settings

SCALE = 0.05
TABLES = ("customers", "products", "orders", "order_items", "payments")


def written(folder: Path, *, threads: int) -> Path:
    warehouse.write_warehouse(folder, scale=SCALE, progress=SilentProgress(), threads=threads)
    return folder


def files(folder: Path, table: str) -> str:
    return quote_literal(
        str(folder / f"{table}.parquet" if (folder / f"{table}.parquet").exists() else folder / table / "*")
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("two threads"), threads=2)


@pytest.fixture(scope="module")
def tables(folder: Path) -> Iterator[Session]:
    with Session() as session:
        for table in TABLES:
            session.execute(f"create view {table} as from read_parquet({files(folder, table)})")
        yield session


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("project")
    repository.create_repository(folder)
    return load_project(None, start=folder, environ={}, flags={}).settings


def one(session: Session, sql: str) -> Any:
    [(value,)] = session.fetch_rows(sql)
    return value


@pytest.mark.parametrize("threads", [1, 2])
def test_values_are_the_same_for_any_thread_count_and_every_time(folder: Path, tmp_path: Path, threads: int) -> None:
    again = written(tmp_path, threads=threads)
    with Session() as session:
        for table in TABLES:
            first, second = (
                f"from read_parquet({files(each, table)}, file_row_number = true)" for each in (folder, again)
            )
            assert one(session, f"select count(*) from (({first}) except all ({second}))") == 0
            assert one(session, f"select count(*) from (({second}) except all ({first}))") == 0
            assert one(session, f"select count(*) from ({first})") > 0


def test_values_are_those_of_every_other_machine(tables: Session) -> None:
    figures = tables.fetch_rows(
        "select (select count(*) from orders), (select sum(amount) from payments)::varchar,"
        " (select sum(product_id * line) from order_items)::bigint,"
        " (select max(full_name) from customers where customer_id = 100004)"
    )
    assert figures == [(49628, "20967083.59", 365119791, "Małgorzata Yıldız")]


@pytest.mark.parametrize("table", TABLES)
def test_declared_key_is_a_key(tables: Session, settings: Settings, table: str) -> None:
    key = ", ".join(quote_identifier(column) for column in settings.tables[table].key or ())
    assert one(tables, f"select count(*) - count(distinct ({key})) from {table}") == 0


def test_declared_references_hold_but_for_guests(tables: Session, settings: Settings) -> None:
    checked = []
    for table in TABLES:
        for reference in settings.tables[table].all_references:
            ours = ", ".join(f"t.{quote_identifier(column)}" for column in reference.columns)
            theirs = ", ".join(f"p.{quote_identifier(column)}" for column in reference.key)
            dangling = one(
                tables,
                f"select count(*) from {table} t where ({ours}) is not null and not"
                f" exists (from {reference.table} p where ({theirs}) = ({ours})) and t.{quote_identifier(reference.columns[0])} is not null",
            )
            checked.append((table, reference.table, dangling))
    assert sorted(checked) == [
        ("order_items", "orders", 0),
        ("order_items", "products", 0),
        ("orders", "customers", 0),
        ("payments", "orders", 0),
    ]


def test_a_few_orders_are_by_guests_and_nothing_else_lacks_its_reference(tables: Session) -> None:
    assert 0.02 < one(tables, "select avg((customer_id is null)::integer) from orders") < 0.05
    assert one(tables, "select count(*) from order_items where order_id is null or product_id is null") == 0
    assert one(tables, "select count(*) from payments where order_year is null or order_number is null") == 0


def test_few_customers_order_much(tables: Session) -> None:
    shares = tables.fetch_rows(
        "select sum(n) filter (rank <= total * 0.01) / sum(n), sum(n) filter (rank > total * 0.5) / sum(n) from"
        " (select count(*) n, row_number() over (order by count(*) desc) as rank, count(*) over () as total"
        "  from orders where customer_id is not null group by customer_id)"
    )
    [(top, lower_half)] = shares
    assert 0.10 < top < 0.40
    assert lower_half < 0.20


def test_few_products_sell_much(tables: Session) -> None:
    top = one(
        tables,
        "select sum(n) filter (rank <= 20) / sum(n) from"
        " (select count(*) n, row_number() over (order by count(*) desc) as rank from order_items group by product_id)",
    )
    assert 0.15 < top < 0.35


def test_year_and_week_have_seasons_and_the_shop_grows(tables: Session) -> None:
    months = dict(
        tables.fetch_rows("select month(ordered_at), count(*) from orders where year(ordered_at) = 2025 group by 1")
    )
    assert months[12] > 2 * months[2]
    days = dict(tables.fetch_rows("select isodow(ordered_at), count(*) from orders group by 1"))
    assert days[7] < days[5]
    years = tables.fetch_rows(
        "select count(*) from orders where order_year < 2026 group by order_year order by order_year"
    )
    assert years == sorted(years)


def test_countries_and_segments_are_unequal_and_the_rare_ones_are_there(tables: Session) -> None:
    countries = dict(tables.fetch_rows("select country, count(*) from customers group by 1"))
    assert len(countries) == 12
    assert countries["DE"] > 50 * countries["LU"] > 0
    segments = dict(tables.fetch_rows("select segment, count(*) from customers group by 1"))
    assert set(segments) == {"consumer", "business", "reseller", "public"}
    assert 0 < segments["public"] < 0.01 * sum(segments.values())


def test_refunds_failures_and_unpaid_orders_are_there(tables: Session) -> None:
    kinds = set(tables.fetch_rows("select distinct kind, status from payments"))
    assert kinds == {
        ("charge", "settled"),
        ("charge", "failed"),
        ("charge", "pending"),
        ("refund", "settled"),
    }
    assert one(tables, "select count(*) from payments where (kind = 'refund') <> (amount < 0)") == 0
    assert 0.03 < one(tables, "select avg((kind = 'refund')::integer) from payments") < 0.10


def test_orders_without_a_status_are_the_call_centres_before_may_2023(tables: Session) -> None:
    found = tables.fetch_rows("select distinct channel, order_year from orders where status is null")
    assert found == [("phone", 2023)]
    assert one(tables, "select max(month(ordered_at)) from orders where status is null") == 4


def test_columns_have_the_types_one_expects(tables: Session) -> None:
    types = {
        (table, name): kind
        for table in TABLES
        for name, kind, *_ in tables.fetch_rows(f"describe {table}")
    }  # fmt: skip
    assert types["customers", "customer_id"] == "BIGINT"
    assert types["customers", "birth_date"] == "DATE"
    assert types["orders", "ordered_at"] == "TIMESTAMP"
    assert types["payments", "amount"] == "DECIMAL(12,2)"
    assert types["payments", "payment_id"] == "VARCHAR"
    assert {kind for kind in types.values() if kind.startswith(("DOUBLE", "FLOAT", "HUGEINT"))} == set()


def test_personal_data_is_invented(tables: Session) -> None:
    assert (
        one(
            tables,
            "select count(*) from customers where email not similar to '[a-z.0-9]+@example\\.(com|org|net)'",
        )
        == 0
    )
    assert one(tables, "select count(*) - count(distinct email) from customers") == 0
    assert one(tables, "select count(*) from customers where iban is not null and iban not similar to '[A-Z]{2}00DEMO\\d+'") == 0  # fmt: skip
    for column in ("phone", "birth_date", "iban", "newsletter"):
        assert 0 < one(tables, f"select avg(({column} is null)::integer) from customers") < 1


def test_every_personal_column_has_a_rule(tables: Session, settings: Settings) -> None:
    columns = {name for name, *_ in tables.fetch_rows("describe customers")}
    assert set(settings.tables["customers"].mask) == columns & {
        "full_name",
        "email",
        "phone",
        "birth_date",
        "iban",
    }


def test_big_tables_have_several_files(folder: Path) -> None:
    for table in ("orders", "order_items", "payments"):
        assert [path.name for path in sorted((folder / table).iterdir())] == [f"{y}.parquet" for y in range(2023, 2027)]
