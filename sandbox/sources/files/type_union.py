"""Find the type that holds every value of a column whose files give it several types, or refuse them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.type_names import FLOAT_TYPES, NUMBER_TYPE
from sandbox.errors import SandboxError, SourceError
from sandbox.sources.files.columns import describe_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile

MAX_DECIMAL_DIGITS = 38
NULL_TYPE = '"NULL"'  # of a column without values
LONG_INTEGER_TYPE = "DECIMAL(20,0)"  # holds BIGINT and UBIGINT
DIGITS_OF_INTEGERS = {
    "TINYINT": 3, "UTINYINT": 3, "SMALLINT": 5, "USMALLINT": 5, "INTEGER": 10, "UINTEGER": 10, "BIGINT": 19, "UBIGINT": 20,
}  # fmt: skip
EXACT_FLOAT_DIGITS = {"FLOAT": 5, "DOUBLE": 10}  # digits of the integer types that it holds


def unify_file_types(
    session: Session,
    table: str,
    files: Sequence[SourceFile],
    types: Sequence[Mapping[str, str]],
    build_file_select: Callable[[int], str],
    *,
    skipped: Collection[str] = (),
) -> dict[str, str]:
    """Return one type for each column of a table's files, in the order of the first file.

    Args:
        session: The query engine.
        table: The table's name, for messages.
        files: Its files.
        types: The columns of each file, equal in all, with DuckDB's names of their types.
        skipped: Columns whose types are fixed; they are not checked.
        build_file_select: Builds the SELECT for a file, by its index, with the file's own types.

    Raises:
        SourceError: No type holds all values of a column.
    """
    unified = {}
    for name, first in types[0].items():
        kinds = list(dict.fromkeys(columns[name] for columns in types))
        unified[name] = first if len(kinds) == 1 else _unify_types(session, f"{table}.{name}", kinds)
    for index, columns in enumerate(types):
        doubtful = {
            name: kind for name, kind in columns.items() if name not in skipped and not _is_held(kind, unified[name])
        }
        if doubtful:
            _check_file_values(session, table, files[index], doubtful, unified, build_file_select(index))
    return unified


def _unify_types(session: Session, column: str, kinds: Sequence[str]) -> str:
    filled = [kind for kind in kinds if kind != NULL_TYPE]
    if len(filled) == 1:
        return filled[0]
    if all(map(NUMBER_TYPE.fullmatch, filled)):
        return _unify_numbers(filled)
    union = " union all ".join(f"select null::{kind} as x" for kind in filled)
    try:
        return describe_columns(session, union)["x"]
    except SandboxError:
        raise SourceError(
            f"{column} is {' and '.join(filled)} in the table's files, and no type holds both",
            hint="write the files again with one type, or leave the column out: leave_out = [...]",
        ) from None


def _unify_numbers(kinds: Sequence[str]) -> str:
    """Return the type for numbers of several types.

    >>> _unify_numbers(["BIGINT", "DOUBLE"]), _unify_numbers(["INTEGER", "FLOAT"]), _unify_numbers(["UBIGINT", "BIGINT"])
    ('DOUBLE', 'DOUBLE', 'DECIMAL(20,0)')
    >>> _unify_numbers(["DECIMAL(10,2)", "BIGINT"]), _unify_numbers(["DECIMAL(38,0)", "DECIMAL(38,10)"])
    ('DECIMAL(21,2)', 'DECIMAL(38,10)')
    """
    floats = [kind for kind in kinds if kind in FLOAT_TYPES]
    if floats:
        narrow = "DOUBLE" not in floats and all(_is_held(kind, "FLOAT") for kind in kinds)
        return "FLOAT" if narrow else "DOUBLE"
    sizes = [_measure_digits(kind) for kind in kinds]
    whole, scale = max(size[0] for size in sizes), max(size[1] for size in sizes)
    if all(kind in DIGITS_OF_INTEGERS for kind in kinds):
        return _unify_integers(kinds)
    return f"DECIMAL({min(MAX_DECIMAL_DIGITS, whole + scale)},{scale})"


def _unify_integers(kinds: Sequence[str]) -> str:
    signed = [kind for kind in kinds if not kind.startswith("U")]
    order = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
    ranks = [order.index(kind) if kind in signed else order.index(kind[1:]) + bool(signed) for kind in kinds]
    if max(ranks) == len(order):
        return LONG_INTEGER_TYPE
    return ("" if signed else "U") + order[max(ranks)]


def _measure_digits(kind: str) -> tuple[int, int]:
    """Return the most digits of a type before and after the point."""
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return int(match[1]) - int(match[2]), int(match[2])
    return DIGITS_OF_INTEGERS.get(kind, MAX_DECIMAL_DIGITS), 0


def _is_held(kind: str, wide: str) -> bool:
    """Return whether a type holds every value of another one, without a look at them.

    >>> _is_held("INTEGER", "DOUBLE"), _is_held("BIGINT", "DOUBLE"), _is_held("DECIMAL(5,2)", "DECIMAL(6,2)")
    (True, False, True)
    """
    if kind in {wide, NULL_TYPE} or wide == "VARCHAR":
        return True
    if wide in FLOAT_TYPES:
        held = kind in DIGITS_OF_INTEGERS and DIGITS_OF_INTEGERS[kind] <= EXACT_FLOAT_DIGITS[wide]
        return held or (kind, wide) == ("FLOAT", "DOUBLE")
    if kind in DIGITS_OF_INTEGERS and wide in DIGITS_OF_INTEGERS:
        return True
    if NUMBER_TYPE.fullmatch(kind) and wide.startswith("DECIMAL") and kind not in FLOAT_TYPES:
        return all(mine <= other for mine, other in zip(_measure_digits(kind), _measure_digits(wide), strict=True))
    return False


def _check_file_values(
    session: Session,
    table: str,
    file: SourceFile,
    kinds: Mapping[str, str],
    wide: Mapping[str, str],
    select: str,
) -> None:
    """Check that the values of some columns of a file are the same after a conversion and back."""
    counts = ", ".join(
        f"count(*) filter ({value} is not null and "
        f"try_cast(try_cast({value} as {wide[name]}) as {kind}) is distinct from {value})"
        for name, kind in kinds.items()
        for value in [quote_identifier(name)]
    )
    [row] = session.fetch_rows(f"select {counts} from ({select})", doing=f"reading {table}")
    for (name, kind), count in zip(kinds.items(), row, strict=True):
        if count:
            raise SourceError(
                f"{file.path}: {name} is {kind}, other files of the table have another type, and {wide[name]} changes "
                f"{count:,} of its values",
                hint="write the files again with one type, or leave the column out: "
                f'leave_out = ["{name}"] in [tables.{table}]',
            )
