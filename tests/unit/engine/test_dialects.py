"""The number of a key of every kind, as SQL of every database: the text is kept, for nobody can run all of them here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import pytest
import sqlglot

from sandbox.engine.rule import sampling_rule
from sandbox.engine.sql import dialects
from sandbox.engine.sql.ibis_types import to_ibis_type
from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from sandbox.model import SqlDialect

KEPT = Path(__file__).parent / "compiled"
COLUMNS = {
    "customer_id": "BIGINT", "number": "INTEGER", "email": "VARCHAR", "token": "UUID", "day": "DATE", "seen": "TIMESTAMP",
    "zoned": "TIMESTAMP WITH TIME ZONE", "price": "DECIMAL(12,2)", "active": "BOOLEAN", "unsigned": "UBIGINT",
}  # fmt: skip
KEYS = (
    ("customer_id",), ("number",), ("email",), ("token",), ("day",), ("seen",), ("zoned",), ("price",), ("active",),
    ("number", "email"), ("unsigned", "day"),
)  # fmt: skip
WAREHOUSES: tuple[SqlDialect, ...] = ("snowflake", "bigquery", "trino", "clickhouse", "databricks")


def compiled(dialect: SqlDialect) -> str:
    """Give the SQL of each key's integer, or why there is none."""
    table = ibis.table({name: to_ibis_type(kind) for name, kind in COLUMNS.items()}, name="rows")
    lines = []
    for key in KEYS:
        try:
            dialects.check_portable_key(dialect, COLUMNS, key)
            number = sampling_rule.compute_key_number(table, key).name("k").as_table()
            found = dialects.compile_select(number, dialect).sql(dialect=dialect)
        except DataRuleError as error:
            found = f"-- {error.message}"
        lines.append(f"-- {', '.join(key)}\n{found}\n")
    return "".join(lines)


@pytest.mark.parametrize("dialect", WAREHOUSES)
def test_keys_are_compiled_to_the_text_that_is_kept(dialect: SqlDialect) -> None:
    """After a change that is meant: write what `compiled` gives into the file, and look at the difference."""
    assert compiled(dialect) == (KEPT / f"{dialect}.sql").read_text("utf-8")


@pytest.mark.parametrize("dialect", WAREHOUSES)
def test_what_is_compiled_is_one_select_of_its_dialect(dialect: SqlDialect) -> None:
    for line in compiled(dialect).splitlines():
        if not line.startswith("--"):
            assert isinstance(sqlglot.parse_one(line, read=dialect), sqlglot.exp.Select)


@pytest.mark.parametrize("dialect", WAREHOUSES)
@pytest.mark.parametrize("kind", ["UBIGINT", "TIMESTAMP_NS"])
def test_a_key_that_cannot_be_said_exactly_is_refused_with_its_name_and_type(dialect: SqlDialect, kind: str) -> None:
    with pytest.raises(DataRuleError, match=f"the key k is {kind}, which cannot be said exactly in {dialect}"):
        dialects.check_portable_key(dialect, {"k": kind}, ["k"])
    dialects.check_portable_key("duckdb", {"k": kind}, ["k"])


@pytest.mark.parametrize(
    ("dialect", "kind", "other"),
    [
        ("clickhouse", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
        ("databricks", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
        ("databricks", "DECIMAL(12,7)", "DECIMAL(12,6)"),
    ],
)
def test_types_that_one_database_reads_in_its_own_way_are_refused_there(
    dialect: SqlDialect, kind: str, other: str
) -> None:
    with pytest.raises(DataRuleError, match="cannot be said exactly"):
        dialects.check_portable_key(dialect, {"a": "BIGINT", "k": kind}, ["a", "k"])
    dialects.check_portable_key(dialect, {"a": "BIGINT", "k": other}, ["a", "k"])
