"""Choose and cut the columns of the detail sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.sql_types import TEMPORAL_TYPES, is_numeric

if TYPE_CHECKING:
    from sandbox.compare.columns import ComparedColumn

MAX_SAMPLE_COLUMNS = 60
MAX_STORED_TEXT_LENGTH = 201  # one character more than reports show of a text
_COUNTABLE_TYPES = frozenset({"VARCHAR", "BOOLEAN", "UUID"})


def is_countable(column: ComparedColumn) -> bool:
    """Return whether values of a column can be counted and ordered."""
    type_ = column.common
    return type_ is not None and (
        is_numeric(type_) or type_ in TEMPORAL_TYPES or type_ in _COUNTABLE_TYPES or type_.startswith("ENUM(")
    )


def format_sample_name(column: ComparedColumn) -> str:
    """Return the name of a column in the detail sample."""
    return f"p{column.baseline}"


def render_cut_sql(column: ComparedColumn, sql: str) -> str:
    """Render the SQL of a value; texts are cut."""
    return f"left({sql}, {MAX_STORED_TEXT_LENGTH})" if column.common == "VARCHAR" else sql
