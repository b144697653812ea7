"""The sampling rule compiled for databases. Its text is kept: for all but Postgres nobody can run it here."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot

from sandbox.engine.rule import prn, pushdown_sql

KEPT = Path(__file__).parent / "pushed"
COLUMNS = {
    "customer_id": "BIGINT", "number": "INTEGER", "email": "VARCHAR", "token": "UUID", "day": "DATE", "seen": "TIMESTAMP",
    "price": "DECIMAL(12,2)", "active": "BOOLEAN",
}  # fmt: skip
KEYS = (
    ("customer_id",), ("number",), ("email",), ("token",), ("day",), ("seen",), ("price",), ("active",),
    ("number", "email"),
)  # fmt: skip


def compiled(dialect: pushdown_sql.PushdownDialect) -> str:
    coefficients = prn.compute_coefficients("2026-q4", "customers")
    return "".join(
        f"-- {', '.join(key)}\n{pushdown_sql.build_random_number_sql(COLUMNS, key, coefficients, dialect)}\n"
        for key in KEYS
    )


@pytest.mark.parametrize("dialect", pushdown_sql.PUSHDOWN_DIALECTS)
def test_the_rule_is_compiled_to_the_text_that_is_kept(dialect: pushdown_sql.PushdownDialect) -> None:
    """After a change that is meant: write what `compiled` gives into the file, and look at the difference."""
    assert compiled(dialect) == (KEPT / f"{dialect}.sql").read_text("utf-8")


@pytest.mark.parametrize("dialect", pushdown_sql.PUSHDOWN_DIALECTS)
def test_what_is_compiled_is_one_expression_of_its_dialect(dialect: pushdown_sql.PushdownDialect) -> None:
    for line in compiled(dialect).splitlines():
        if not line.startswith("--"):
            assert isinstance(sqlglot.parse_one(line, read=dialect), sqlglot.exp.Expr)


def test_a_hash_is_computed_once_a_row() -> None:
    """But in MySQL and Snowflake, whose subqueries in FROM know no row around them."""
    for dialect in set(pushdown_sql.PUSHDOWN_DIALECTS) - {"mysql", "snowflake"}:
        text = pushdown_sql.build_random_number_sql(COLUMNS, ("email",), (1, 2, 3, 4, 5, 6), dialect).lower()
        assert text.count("sha") == 1
