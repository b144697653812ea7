"""Types of Parquet columns, and the type that holds every value of several files of one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_DECIMAL_DIGITS = 38
_EXACT_FLOAT_BITS = 32  # integers of so many bits are exact as DOUBLE
_DIGITS_OF_BITS = {8: 3, 16: 5, 32: 10, 64: 20}
_INTEGER_NAMES = {8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}
_TIMESTAMP_ORDER = ("TIMESTAMP", "TIMESTAMP_NS")
_INSTANT_ORDER = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS")
_TIME_ORDER = ("TIME", "TIME_NS")


class UnreadableTypeError(ValueError):
    """A type whose values DuckDB would change, or types without a common one."""


@dataclass(frozen=True, kw_only=True)
class WideType:
    """A type for all files of a column.

    Attributes:
        sql: DuckDB's name of it.
        units: The units of the durations in it, in their order: DuckDB reads their numbers alone.
        must_check: Whether some type of the files has values that this one may not hold.
    """

    sql: str
    units: tuple[str, ...] = ()
    must_check: bool = False


def unify_types(types: Iterable[Any], *, int96: bool = False) -> WideType:
    """Return the type that holds the values of Arrow types.

    Raises:
        UnreadableTypeError: There is none.
    """
    from pyarrow import types as kinds  # noqa: PLC0415 - slow to import

    plain = [type_ for type_ in map(_unwrap_type, types) if not kinds.is_null(type_)]
    if not plain:
        return WideType(sql="INTEGER")
    if all(map(_is_list, plain)):
        item = unify_types([type_.value_type for type_ in plain], int96=int96)
        return WideType(sql=f"{item.sql}[]", units=item.units, must_check=item.must_check)
    if all(map(kinds.is_map, plain)):
        parts = [
            unify_types([getattr(type_, name) for type_ in plain], int96=int96) for name in ("key_type", "item_type")
        ]
        return _combine_parts(f"MAP({parts[0].sql}, {parts[1].sql})", parts)
    if all(map(kinds.is_struct, plain)):
        return _unify_structs(plain, int96=int96)
    return _unify_scalars(plain, int96=int96)


def _unwrap_type(type_: Any) -> Any:
    from pyarrow import BaseExtensionType  # noqa: PLC0415 - slow to import
    from pyarrow import types as kinds  # noqa: PLC0415 - slow to import

    if isinstance(type_, BaseExtensionType) and type_.extension_name not in {"arrow.uuid", "arrow.json"}:
        return _unwrap_type(type_.storage_type)
    return _unwrap_type(type_.value_type) if kinds.is_dictionary(type_) else type_


def _is_list(type_: Any) -> bool:
    from pyarrow import types as kinds  # noqa: PLC0415 - slow to import

    checks = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(kinds, name)(type_) for name in checks)


def _unify_structs(types: Sequence[Any], *, int96: bool) -> WideType:
    names = list(dict.fromkeys(field.name for type_ in types for field in type_))
    parts = [
        unify_types([type_.field(name).type for type_ in types if type_.get_field_index(name) >= 0], int96=int96)
        for name in names
    ]
    fields = ", ".join(f"{quote_identifier(name)} {part.sql}" for name, part in zip(names, parts, strict=True))
    return _combine_parts(f"STRUCT({fields})", parts)


def _combine_parts(sql: str, parts: Sequence[WideType]) -> WideType:
    units = tuple(unit for part in parts for unit in part.units)
    return WideType(sql=sql, units=units, must_check=any(part.must_check for part in parts))


def _unify_scalars(types: Sequence[Any], *, int96: bool) -> WideType:
    from pyarrow import types as kinds  # noqa: PLC0415 - slow to import

    if all(map(kinds.is_duration, types)):
        units = {type_.unit for type_ in types}
        if len(units) > 1:
            raise UnreadableTypeError(f"its files hold durations in {' and '.join(sorted(units))}")
        return WideType(sql="BIGINT", units=(units.pop(),))
    names = {_name_scalar(type_, int96=int96) for type_ in types}
    if len(names) == 1:
        return WideType(sql=names.pop())
    for order in (_TIMESTAMP_ORDER, _INSTANT_ORDER, _TIME_ORDER):
        if names == set(order):
            return WideType(sql=order[-1], must_check=order is not _TIME_ORDER)
    if all(kinds.is_integer(type_) or kinds.is_decimal(type_) or kinds.is_floating(type_) for type_ in types):
        return _unify_numbers(types)
    raise UnreadableTypeError(f"its files hold {' and '.join(sorted(names))}, which no type holds together")


def _unify_numbers(types: Sequence[Any]) -> WideType:
    from pyarrow import types as kinds  # noqa: PLC0415 - slow to import

    if any(map(kinds.is_floating, types)):
        inexact = [
            kinds.is_decimal(type_) or (kinds.is_integer(type_) and type_.bit_width > _EXACT_FLOAT_BITS)
            for type_ in types
        ]
        return WideType(sql="DOUBLE", must_check=any(inexact))
    integers = [type_ for type_ in types if kinds.is_integer(type_)]
    if len(integers) == len(types):
        signed = max((type_.bit_width for type_ in integers if kinds.is_signed_integer(type_)), default=0)
        unsigned = max((type_.bit_width for type_ in integers if kinds.is_unsigned_integer(type_)), default=0)
        if not signed:
            return WideType(sql=f"U{_INTEGER_NAMES[unsigned]}")
        return WideType(sql=_INTEGER_NAMES.get(max(signed, 2 * unsigned), "HUGEINT"))
    digits = [
        (_DIGITS_OF_BITS[type_.bit_width], 0)
        if kinds.is_integer(type_)
        else (type_.precision - type_.scale, type_.scale)
        for type_ in types
    ]
    whole, scale = (max(sizes) for sizes in zip(*digits, strict=True))
    if whole + scale > MAX_DECIMAL_DIGITS:
        return WideType(sql=f"DECIMAL({MAX_DECIMAL_DIGITS},{scale})", must_check=True)
    return WideType(sql=f"DECIMAL({whole + scale},{scale})")


def _name_scalar(type_: Any, *, int96: bool) -> str:  # noqa: C901, PLR0911 - one a kind
    """Return DuckDB's name of the type in which it reads an Arrow type exactly."""
    from pyarrow import types as kinds  # noqa: PLC0415 - slow to import

    if kinds.is_boolean(type_):
        return "BOOLEAN"
    if kinds.is_integer(type_):
        return ("U" if kinds.is_unsigned_integer(type_) else "") + _INTEGER_NAMES[type_.bit_width]
    if kinds.is_floating(type_):
        return "DOUBLE" if kinds.is_float64(type_) else "FLOAT"
    if kinds.is_decimal(type_):
        if type_.precision > MAX_DECIMAL_DIGITS:
            raise UnreadableTypeError(
                f"it holds decimals of {type_.precision} digits, and {MAX_DECIMAL_DIGITS} are the most"
            )
        return f"DECIMAL({type_.precision},{type_.scale})"
    if kinds.is_date(type_):
        return "DATE"
    if kinds.is_time(type_):
        return "TIME_NS" if type_.unit == "ns" else "TIME"
    if kinds.is_timestamp(type_):
        if type_.tz is not None:
            return "TIMESTAMPTZ_NS" if type_.unit == "ns" or int96 else "TIMESTAMP WITH TIME ZONE"
        return "TIMESTAMP_NS" if type_.unit == "ns" or int96 else "TIMESTAMP"
    name = getattr(type_, "extension_name", "")
    if name in {"arrow.uuid", "arrow.json"}:
        return name.removeprefix("arrow.").upper()
    if kinds.is_string(type_) or kinds.is_large_string(type_) or kinds.is_string_view(type_):
        return "VARCHAR"
    return "BLOB"
