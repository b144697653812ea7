"""The shop's warehouse: five related tables as Parquet, the same values on every machine and for any thread count.

The SQL of each table lies in ``sql/``: ``<table>.sql`` makes it, ``<table>.select.sql`` says what is written of it.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, literal
from sandbox.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.model import Progress

CUSTOMERS = 120_000
PRODUCTS = 2_000
FIRST_ORDER = 10_000_000
YEARS = (2023, 2024, 2025, 2026)
YEARLY = ("orders", "order_items", "payments")


def make(folder: Path, *, scale: float, progress: Progress, threads: int | None = None) -> None:
    """Write the tables: one file each for customers and products, one a year for the others.

    Args:
        folder: Where; made if it is not there.
        scale: How many customers, as a multiple of 120,000; at least 100 customers are made.
        progress: Shown in orders.
        threads: Worker threads; None takes what this process may use.

    Raises:
        StoreError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Session(memory=2**31, threads=threads, failure=StoreError) as session:
        with progress.step("inventing customers"):
            _set(session, "customers", max(100, round(CUSTOMERS * scale)))
            _set(session, "products", PRODUCTS)
            for name in ("draw", "calendar", "customers", "products", "placed"):
                session.execute(_sql(name), doing=f"making {name}")
            _write(session, "customers", folder / "customers.parquet")
            _write(session, "products", folder / "products.parquet")
        [(orders,)] = session.rows("select count(*) from placed")
        with progress.step("inventing orders, items and payments", total=orders, unit="orders") as advance:
            before = 0
            for year in YEARS:
                made = _make_year(session, folder, year=year, before=before)
                before += made
                advance(made)


def _make_year(session: Session, folder: Path, *, year: int, before: int) -> int:
    """Write one year's files and give how many orders it had."""
    _set(session, "year", year)
    _set(session, "orders_before", FIRST_ORDER + before)
    for table in YEARLY:
        session.execute(_sql(table), doing=f"making {table} of {year}")
        _write(session, table, folder / table / f"{year}.parquet")
    [(orders,)] = session.rows("select count(*) from orders_made")
    return int(orders)


def _set(session: Session, variable: str, value: int) -> None:
    session.execute(f"set variable {variable} = {value}::bigint")


def _write(session: Session, table: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    session.execute(
        f"copy ({_sql(f'{table}.select')}) to {literal(str(path))} (format parquet, compression zstd)",
        doing=f"writing {path.name} of {table}",
    )


def _sql(name: str) -> str:
    return (resources.files("sandbox.demo") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
