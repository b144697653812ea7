"""Count which columns of units are unique in the whole source, for the separability check.

A column that is unique in the sample may repeat in the source. Only small tables are counted, and only columns that could
identify something: unmasked texts, UUIDs and whole numbers. Documents and dates as text would not survive other values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sources.registry import build_select

if TYPE_CHECKING:
    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.plan.plan import TableStep

MAX_COUNTED_ROWS = 500_000
_COLUMNS_PER_QUERY = 20  # thousands of distinct counts in one query take DuckDB many minutes to plan
_IDENTIFYING_TYPE = re.compile(r"VARCHAR|UUID|U?(SMALL|BIG|HUGE)INT|U?INTEGER")
_STRUCTURED_TEXT = (
    r"""length({0}) > 100 or regexp_matches({0}, '[\s{{}}\[\]<>"]') or try_cast({0} as TIMESTAMP) is not null"""
)


def find_unique_columns(extraction: Extraction) -> dict[str, list[str]]:
    """Return the columns without a repeated value in the whole source, by table; NULL may repeat."""
    steps = [step for step in extraction.plan.steps if step.unit is not None]
    return {step.table: found for step in steps if (found := _find_unique_columns(extraction, step))}


def _find_unique_columns(extraction: Extraction, step: TableStep) -> list[str]:
    table = extraction.plan.tables[step.table]
    columns = _list_candidates(extraction, step)
    if not columns or table.rows > MAX_COUNTED_ROWS:
        return []
    unique: list[str] = []
    for start in range(0, len(columns), _COLUMNS_PER_QUERY):
        names = columns[start : start + _COLUMNS_PER_QUERY]
        conditions = ", ".join(_build_condition(quote_identifier(name), table.columns[name]) for name in names)
        [row] = extraction.session.fetch_rows(
            f"select {conditions} from ({build_select(table)})", doing=f"counting values of {step.table}"
        )
        unique += [name for name, is_unique in zip(names, row, strict=True) if is_unique]
    return unique


def _list_candidates(extraction: Extraction, step: TableStep) -> list[str]:
    """List the identifying columns without a mask, apart from references."""
    masks = extraction.plan.masks.get(step.table, {})
    excluded = {column for reference in step.references for column in reference.columns}
    excluded |= {column for column, mask in masks.items() if mask.kind != "none"}
    types = extraction.plan.tables[step.table].columns
    return [name for name, kind in types.items() if name not in excluded and _IDENTIFYING_TYPE.fullmatch(kind)]


def _build_condition(column: str, engine_type: str) -> str:
    """Build the SQL condition of a unique column."""
    unique = f"count({column}) > 1 and count({column}) = count(distinct {column})"
    if engine_type != "VARCHAR":
        return unique
    return f"{unique} and not coalesce(bool_or({_STRUCTURED_TEXT.format(column)}), false)"
