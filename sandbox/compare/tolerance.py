"""When two values count as equal, and how far a value moved, as SQL.

What a tolerance says of text and lists is a form that values are brought into before they are compared; so it holds
everywhere but in keys. What it says of numbers, dates and times is a distance, and so holds for pairs of rows alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.sql_types import FLOAT_TYPES, MEASURED_TIME_TYPES
from sandbox.engine.sql.type_names import parse_item_type

if TYPE_CHECKING:
    from sandbox.compare.rules import Tolerance

ROUNDING = 1e-12
"""Relative distance of two DOUBLEs that is rounding.

Adding n numbers of one sign in another order moves their sum by about the square root of n times 1.1e-16: by 1e-13 for a
million. It is below the 1e-9 of a change in the ninth digit.
"""
SINGLE_ROUNDING = 1e-6
"""The same where one of the two is a FLOAT, which holds seven digits."""

_SPACE_PATTERN = r"[\s\p{Z}]+"


def render_normalized_sql(type_: str, tolerance: Tolerance, sql: str) -> str:
    """Render the form of a value that is compared: without what the tolerance says does not count."""
    if type_ == "VARCHAR":
        if not tolerance.space:
            sql = f"trim(regexp_replace({sql}, '{_SPACE_PATTERN}', ' ', 'g'))"
        return sql if tolerance.case else f"lower({sql})"
    item = parse_item_type(type_)
    if tolerance.as_set and item is not None:
        # Within a struct, because the engine leaves NULL out of a list's distinct items.
        wrapped = f"list_transform({sql}::{item}[], lambda item: {{'item': {render_positive_zero_sql(item, 'item')}}})"
        return f"list_sort(list_distinct({wrapped}))"
    return sql


def render_positive_zero_sql(type_: str, sql: str) -> str:
    """Render a float of which there is one zero and one NaN, and any other value as it is."""
    return f"if(isnan({sql}), 'nan'::{type_}, {sql} + 0)" if type_ in FLOAT_TYPES else sql


def find_misplaced_settings(type_: str, tolerance: Tolerance, *, numeric: bool) -> list[str]:
    """Return what a tolerance says that means nothing for a type."""
    fitting = {
        "abs": numeric or not tolerance.abs,
        "rel": numeric or not tolerance.rel,
        "time": type_ in MEASURED_TIME_TYPES or not tolerance.seconds,
        "case": type_ == "VARCHAR" or tolerance.case,
        "space": type_ == "VARCHAR" or tolerance.space,
        "set": parse_item_type(type_) is not None or not tolerance.as_set,
    }
    return [name for name, fits in fitting.items() if not fits]
