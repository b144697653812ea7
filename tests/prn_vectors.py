"""The published test vectors of the sampling rule, and their check in the SQL of a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import quote_literal
from sandbox.engine.rule import prn, pushdown_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.engine.rule.pushdown_sql import PushdownDialect

VECTORS = json.loads((Path(__file__).parent / "unit" / "engine" / "prn-vectors.json").read_text("utf-8"))
_INTEGER_TYPES: dict[PushdownDialect, str] = {
    "mysql": "signed", "postgres": "bigint", "databricks": "bigint", "snowflake": "bigint",
}  # fmt: skip


def check_vectors(execute: Callable[[str], Sequence[Sequence[Any]]], dialect: PushdownDialect) -> None:
    """Check the numbers that a server computes, given a function that returns the rows of a query."""
    for group in VECTORS["integer_keys"]:
        keys = " union all ".join(f"select cast({key} as {_INTEGER_TYPES[dialect]}) as k" for key, _ in group["key_u"])
        numbers = _compute_numbers(execute, keys, {"k": "BIGINT"}, group["coefficients"], dialect)
        assert sorted(numbers) == sorted(u for _, u in group["key_u"])
    for vector in VECTORS["text_keys"]:
        columns = {f"p{index}": "VARCHAR" for index in range(len(vector["parts"]))}
        coefficients = prn.compute_coefficients(vector["salt"], vector["unit"])
        cells = ", ".join(
            f"{quote_literal(part)} as {name}" for name, part in zip(columns, vector["parts"], strict=True)
        )
        assert _compute_numbers(execute, f"select {cells}", columns, coefficients, dialect) == [vector["u"]]


def _compute_numbers(
    execute: Callable[[str], Sequence[Sequence[Any]]],
    rows: str,
    columns: dict[str, str],
    coefficients: Sequence[int],
    dialect: PushdownDialect,
) -> list[int]:
    if dialect == "databricks":  # its subqueries in FROM know no row around them
        k, fold, number = pushdown_sql.build_number_steps(columns, list(columns), coefficients, dialect)
        query = f"select {number} from (select {fold} as x from (select {k} as k from ({rows}) r) k) x"
    else:
        number = pushdown_sql.build_random_number_sql(columns, list(columns), coefficients, dialect)
        query = f"select {number} from ({rows}) r"
    return [int(found) for (found,) in execute(query)]
