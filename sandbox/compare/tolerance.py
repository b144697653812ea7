"""When two values count as equal, and how far a value moved, as SQL.

What a tolerance says of text and lists is a form that values are brought into before they are compared; so it holds
everywhere but in keys. What it says of numbers, dates and times is a distance, and so holds for pairs of rows alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.sql_types import FLOATS, MOMENTS, difference
from sandbox.engine.sql.type_names import item_of

if TYPE_CHECKING:
    from sandbox.compare.columns import Column
    from sandbox.compare.rules import Tolerance

_SPACE = r"[\s\p{Z}]+"


def normalised(type_: str, tolerance: Tolerance, sql: str) -> str:
    """Give the form of a value that is compared: without what the tolerance says does not count."""
    if type_ == "VARCHAR":
        if not tolerance.space:
            sql = f"trim(regexp_replace({sql}, '{_SPACE}', ' ', 'g'))"
        return sql if tolerance.case else f"lower({sql})"
    item = item_of(type_)
    if tolerance.as_set and item is not None:
        # Within a struct, because the engine leaves NULL out of a list's distinct items.
        wrapped = f"list_transform({sql}::{item}[], lambda item: {{'item': {positive_zero(item, 'item')}}})"
        return f"list_sort(list_distinct({wrapped}))"
    return sql


def positive_zero(type_: str, sql: str) -> str:
    """Give a float of which there is one zero and one NaN, and any other value as it is."""
    return f"if(isnan({sql}), 'nan'::{type_}, {sql} + 0)" if type_ in FLOATS else sql


def misplaced(type_: str, tolerance: Tolerance, *, numeric: bool) -> list[str]:
    """Give what a tolerance says that means nothing for a type."""
    fitting = {
        "abs": numeric or not tolerance.abs,
        "rel": numeric or not tolerance.rel,
        "time": type_ in MOMENTS or not tolerance.seconds,
        "case": type_ == "VARCHAR" or tolerance.case,
        "space": type_ == "VARCHAR" or tolerance.space,
        "set": item_of(type_) is not None or not tolerance.as_set,
    }
    return [name for name, fits in fitting.items() if not fits]


def differs(column: Column) -> str:
    """Give the SQL that tells whether a column differs in a pair ``b``, ``c`` beyond its tolerance."""
    name, tolerance = f"v{column.baseline}", column.tolerance
    distinct = f"b.{name} is distinct from c.{name}"
    if column.numeric and (tolerance.abs or tolerance.rel):
        allowed = f"{tolerance.abs!r}::DOUBLE + {tolerance.rel!r}::DOUBLE * abs(b.{name}::DOUBLE)"
    elif column.common in MOMENTS and tolerance.seconds:
        allowed = f"{tolerance.seconds!r}::DOUBLE"
    else:
        return f"({distinct})"
    return f"({distinct} and not coalesce(abs({change(column)}::DOUBLE) <= {allowed}, false))"


def change(column: Column) -> str:
    """Give the SQL of candidate − baseline in a pair ``b``, ``c`` of a column that is ``measured``."""
    assert column.common is not None
    return difference(column.common, f"b.v{column.baseline}", f"c.v{column.baseline}")
