"""The demo warehouse: five related tables as Parquet, identical on every machine and for any number of threads.

Each table has two files in ``sql/``: ``<table>.sql`` creates it, ``<table>.select.sql`` selects the written columns.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.model import Progress

CUSTOMER_COUNT = 120_000
PRODUCT_COUNT = 2_000
FIRST_ORDER_ID = 10_000_000
ORDER_YEARS = (2023, 2024, 2025, 2026)
YEARLY_TABLES = ("orders", "order_items", "payments")


def write_warehouse(folder: Path, *, scale: float, progress: Progress, threads: int | None = None) -> None:
    """Write the tables: one file each for customers and products, one per year for the others.

    Args:
        folder: The target folder, created if missing.
        scale: Number of customers as a multiple of 120,000; at least 100 customers.
        progress: Shows progress in orders.
        threads: Worker threads; None uses the processors available to this process.

    Raises:
        StoreError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Session(memory=2**31, threads=threads, failure=StoreError) as session:
        with progress.step("inventing customers"):
            _set_variable(session, "customers", max(100, round(CUSTOMER_COUNT * scale)))
            _set_variable(session, "products", PRODUCT_COUNT)
            for name in ("draw", "calendar", "customers", "products", "placed"):
                session.execute(_read_sql(name), doing=f"making {name}")
            _write_parquet(session, "customers", folder / "customers.parquet")
            _write_parquet(session, "products", folder / "products.parquet")
        [(orders,)] = session.fetch_rows("select count(*) from placed")
        with progress.step("inventing orders, items and payments", total=orders, unit="orders") as advance:
            before = 0
            for year in ORDER_YEARS:
                written = _write_year(session, folder, year=year, before=before)
                before += written
                advance(written)


def _write_year(session: Session, folder: Path, *, year: int, before: int) -> int:
    """Write one year's files and return its number of orders."""
    _set_variable(session, "year", year)
    _set_variable(session, "orders_before", FIRST_ORDER_ID + before)
    for table in YEARLY_TABLES:
        session.execute(_read_sql(table), doing=f"making {table} of {year}")
        _write_parquet(session, table, folder / table / f"{year}.parquet")
    [(orders,)] = session.fetch_rows("select count(*) from orders_made")
    return int(orders)


def _set_variable(session: Session, variable: str, value: int) -> None:
    session.execute(f"set variable {variable} = {value}::bigint")


def _write_parquet(session: Session, table: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    session.execute(
        f"copy ({_read_sql(f'{table}.select')}) to {quote_literal(str(path))} (format parquet, compression zstd)",
        doing=f"writing {path.name} of {table}",
    )


def _read_sql(name: str) -> str:
    return (resources.files("sandbox.demo") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
