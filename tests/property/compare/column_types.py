"""The types of columns that Arrow, Parquet and DuckDB files hold, with values that are easily taken for each other."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from tests.property.compare.oracle import (
    NS_OF_DAY,
    Interval,
    Labelled,
    Map,
    Single,
    Struct,
    Tick,
    Value,
    canonicalize,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ArrowType: TypeAlias = Any  # pyarrow ships no types


@dataclass(frozen=True, eq=False)
class ColumnType:
    """A type of a column.

    Attributes:
        name: For reports; unique.
        arrow: Arrow's type; None where it has none that Parquet can hold.
        duckdb: DuckDB's type of a column in its own file; None where it has none.
        values: Values of it, without NULL; neighbours in every respect that a comparison may overlook.
        refusable: Whether the product may refuse such a column, as long as it says so.
        int96: Whether Parquet holds it as INT96, as Hive, Impala and Spark write it.
    """

    name: str
    arrow: ArrowType | None
    duckdb: str | None
    values: tuple[Value, ...]
    refusable: bool = False
    int96: bool = False

    def holds(self, value: Value) -> bool:
        """Check whether the type holds a value exactly, as far as files of one table may differ in type."""
        return value is None or (self.arrow is not None and is_held(value, self.arrow))


UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]
_FAR = 2**63 - 1


def _tick_unit(type_: ArrowType) -> int:
    if pa.types.is_date32(type_):
        return NS_OF_DAY
    return UNITS["ms"] if pa.types.is_date64(type_) else UNITS[type_.unit]


def is_held(value: Value, type_: ArrowType) -> bool:  # noqa: PLR0911 -- one a kind
    """Check whether an Arrow type holds a value exactly; nested types hold only their own values."""
    kinds = pa.types
    if value is None:
        return True
    if isinstance(value, bool):
        return bool(kinds.is_boolean(type_))
    if isinstance(value, Single):
        return is_held(value.number, type_)
    if isinstance(value, int | float | Decimal):
        if not isinstance(value, int) and not math.isfinite(value):
            return bool(kinds.is_floating(type_))
        return _is_number_held(Fraction(value), type_)
    if isinstance(value, Tick):
        return _is_tick_held(value, type_)
    if isinstance(value, str):
        return bool(kinds.is_string(type_) or kinds.is_large_string(type_) or kinds.is_string_view(type_))
    if isinstance(value, bytes):
        return bool(kinds.is_binary(type_) or kinds.is_large_binary(type_))
    return False


def _is_number_held(number: Fraction, type_: ArrowType) -> bool:
    if pa.types.is_integer(type_):
        signed = pa.types.is_signed_integer(type_)
        low = -(2 ** (type_.bit_width - 1)) if signed else 0
        return number.denominator == 1 and low <= number < low + 2**type_.bit_width
    if pa.types.is_float64(type_) or pa.types.is_float32(type_):
        form = "<d" if pa.types.is_float64(type_) else "<f"
        try:
            [there] = struct.unpack(form, struct.pack(form, float(number)))
        except OverflowError:
            return False
        return bool(Fraction(there) == number)
    if pa.types.is_decimal(type_):
        scaled = number * Fraction(10) ** type_.scale
        return scaled.denominator == 1 and bool(abs(scaled) < 10**type_.precision)
    return False


def _is_tick_held(tick: Tick, type_: ArrowType) -> bool:
    fits = {
        "date": pa.types.is_date32(type_),
        "time": pa.types.is_time(type_),
        "timestamp": pa.types.is_timestamp(type_) and type_.tz is None,
        "instant": pa.types.is_timestamp(type_) and type_.tz is not None,
        "duration": pa.types.is_duration(type_),
    }[tick.of]
    return bool(fits) and tick.ns % _tick_unit(type_) == 0 and abs(tick.ns // _tick_unit(type_)) < 2**62


def encode(value: Value, type_: ArrowType) -> Any:  # noqa: C901, PLR0911 -- one a kind
    """Return what pyarrow makes an element of a type from."""
    match value:
        case None:
            return None
        case Single():
            return encode(value.number, type_)
        case bool() | str() | bytes():
            return value
        case int() | float() | Decimal():
            if pa.types.is_decimal(type_):
                return Decimal(value) if not isinstance(value, float) else Decimal(repr(value))
            return float(value) if pa.types.is_floating(type_) else int(value)
        case Tick():
            return value.ns // _tick_unit(type_)
        case Labelled():
            return bytes.fromhex(value.text.replace("-", "")) if value.of == "uuid" else value.text
        case Struct():
            return {name: encode(item, type_.field(name).type) for name, item in value.fields}
        case Map():
            return [(encode(key, type_.key_type), encode(item, type_.item_type)) for key, item in value.pairs]
        case tuple():
            return [encode(item, type_.value_type) for item in value]
        case Interval():
            raise AssertionError("Parquet has no type for it that pyarrow writes")


def build_array(values: list[Value], type_: ArrowType) -> Any:
    """Return an Arrow array."""
    if isinstance(type_, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(type_, build_array(values, type_.storage_type))
    if pa.types.is_dictionary(type_):
        return build_array(values, type_.value_type).dictionary_encode()
    return pa.array([encode(value, type_) for value in values], type_)


def _ints(low: int, high: int) -> tuple[Value, ...]:
    return tuple(sorted({low, low + 1, -1 if low else 2, 0, 1, high - 1, high}))


def _ticks(of: Any, unit: str, *numbers: int) -> tuple[Value, ...]:
    return tuple(Tick(of, number * UNITS[unit]) for number in numbers)


def _decimals(digits: int, scale: int) -> tuple[Value, ...]:
    most = 10**digits - 1
    # From digits, because arithmetic of decimals rounds to the context's 28.
    return tuple(Decimal(f"{n}e{-scale}") if n else Decimal(0) for n in (-most, -1, 0, 1, 2, most - 1, most))


def _single(number: float) -> Single:
    return Single(struct.unpack("<f", struct.pack("<f", number))[0])


def _struct(**fields: Value) -> Struct:
    return Struct(tuple(fields.items()))


def _map(*pairs: tuple[Value, Value]) -> Map:
    return Map(pairs)


_DOUBLES: tuple[Value, ...] = (
    0.0, -0.0, math.nan, -math.nan, _NAN, math.inf, -math.inf, 1.0, math.nextafter(1, 2), 1 + 1e-9, -1.0, 0.1,
    2.0**53, 2.0**53 + 2, 5e-324, -5e-324, 1e300, 1e16, math.nextafter(1e16, math.inf), 2.6, 3.0,
)  # fmt: skip
_SINGLES: tuple[Value, ...] = (
    *map(Single, (0.0, -0.0, math.nan, math.inf, -math.inf, 1.0, 1.5)),
    *map(_single, (0.1, 0.10000001, 1.001, 16777216.0, 1e-40)),
)
_TEXTS: tuple[Value, ...] = (
    "", " ", "a", "A", "a ", "ä", "a\u0308", "\0", "a\0b", "NULL", "nan", "0", "-0", "1", "01", "1.0", "🦆", "ß", "SS",
    "[1]", "2024-01-01", "true",
)  # fmt: skip
_BYTES: tuple[Value, ...] = (b"", b"\0", b"\0\0", b"\xff", b"a", b"A", b"\\x61")
_FIXED: tuple[Value, ...] = (b"\0\0\0", b"abc", b"abd", b"\xff\xff\xff", b"ab\0")
_DAYS = (-719_162, -1, 0, 1, 19_723, 2_932_896)
_UUIDS: tuple[Value, ...] = tuple(
    Labelled("uuid", text)
    for text in (
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-0000-000000000001",
        "80000000-0000-0000-0000-000000000000",
        "7fffffff-ffff-ffff-ffff-ffffffffffff",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    )
)
_JSONS: tuple[Value, ...] = tuple(
    Labelled("json", text) for text in ('{"a":1}', '{"a":2}', "null", "[1]", '"1"', "1", "1.5", '{"a":null}', "{}")
)
_INT_LISTS: tuple[Value, ...] = ((), (None,), (0,), (1,), (1, 2), (2, 1), (1, 1), (1, None), (None, 1))

INTEGERS = tuple(
    ColumnType(
        f"{prefix}int{width}",
        getattr(pa, f"{prefix}int{width}")(),
        name,
        _ints(0 if prefix else -(2 ** (width - 1)), 2**width - 1 if prefix else 2 ** (width - 1) - 1),
    )
    for prefix, width, name in [
        ("", 8, "TINYINT"), ("", 16, "SMALLINT"), ("", 32, "INTEGER"), ("", 64, "BIGINT"),
        ("u", 8, "UTINYINT"), ("u", 16, "USMALLINT"), ("u", 32, "UINTEGER"), ("u", 64, "UBIGINT"),
    ]
)  # fmt: skip
DOUBLE = ColumnType("double", pa.float64(), "DOUBLE", _DOUBLES)
FLOAT = ColumnType("float", pa.float32(), "FLOAT", _SINGLES)
HALF = ColumnType(
    "half",
    pa.float16(),
    None,
    tuple(map(Single, (0.0, -0.0, math.nan, math.inf, 1.0, 1.0009765625, 65504.0))),
)
DECIMALS = tuple(
    ColumnType(
        f"decimal{width}({digits},{scale})",
        getattr(pa, f"decimal{width}")(digits, scale),
        f"DECIMAL({digits},{scale})" if digits <= 38 else None,
        _decimals(digits, scale),
        refusable=digits > 38,
    )
    for width, digits, scale in [
        (32, 5, 2), (64, 12, 3), (128, 4, 4), (128, 18, 0), (128, 19, 0), (128, 20, 2), (128, 38, 10), (128, 38, 38),
        (256, 20, 2), (256, 38, 0), (256, 39, 0), (256, 60, 10), (256, 76, 76),
    ]
)  # fmt: skip
DATES = (
    ColumnType("date32", pa.date32(), "DATE", tuple(Tick("date", day * NS_OF_DAY) for day in _DAYS)),
    ColumnType("date64", pa.date64(), None, tuple(Tick("date", day * NS_OF_DAY) for day in _DAYS)),
)
TIMES = (
    ColumnType("time32[s]", pa.time32("s"), None, _ticks("time", "s", 0, 1, 43_200, 86_399)),
    ColumnType("time32[ms]", pa.time32("ms"), None, _ticks("time", "ms", 0, 1, 43_200_000, 86_399_999)),
    ColumnType("time64[us]", pa.time64("us"), "TIME", _ticks("time", "us", 0, 1, 43_200 * 10**6, 86_400 * 10**6 - 1)),
    ColumnType("time64[ns]", pa.time64("ns"), "TIME_NS", _ticks("time", "ns", 0, 1, 999, 1000, NS_OF_DAY - 1)),
)
TIMESTAMPS = tuple(
    ColumnType(
        f"timestamp[{unit}{zone and ', ' + zone}]",
        pa.timestamp(unit, zone or None),
        duckdb,
        _ticks("instant" if zone else "timestamp", unit, -1, 0, 1, 1_700_000_000, 1_700_000_000_123_456_999 // UNITS[unit],
               1_700_000_000_123_456_001 // UNITS[unit]),
    )
    for unit, zone, duckdb in [
        ("s", "", "TIMESTAMP_S"), ("ms", "", "TIMESTAMP_MS"), ("us", "", "TIMESTAMP"), ("ns", "", "TIMESTAMP_NS"),
        ("s", "UTC", None), ("ms", "UTC", None), ("us", "UTC", "TIMESTAMPTZ"), ("ns", "UTC", None),
        ("us", "Europe/Berlin", None), ("ns", "America/New_York", None),
    ]
)  # fmt: skip
FAR_TIMESTAMPS = (
    ColumnType("timestamp[s], far", pa.timestamp("s"), None, _ticks("timestamp", "s", 0, 253_402_300_799, 9_223_372_036_854, 9_300_000_000_000), refusable=True),
    ColumnType("timestamp[ms], far", pa.timestamp("ms"), None, _ticks("timestamp", "ms", 0, 9_300_000_000_000_000, _FAR - 1, _FAR), refusable=True),
    ColumnType("timestamp[us], far", pa.timestamp("us"), None, _ticks("timestamp", "us", 0, -_FAR, 1 - _FAR, _FAR - 2, _FAR - 1, _FAR), refusable=True),
    ColumnType("timestamp[ns], far", pa.timestamp("ns"), None, _ticks("timestamp", "ns", 0, 1 - _FAR, _FAR - 1), refusable=True),  # 2⁶³ − 1 is infinity, in any unit
    ColumnType("timestamp[us, UTC], far", pa.timestamp("us", "UTC"), None, _ticks("instant", "us", 0, -_FAR, 1 - _FAR, _FAR - 1, _FAR), refusable=True),
    ColumnType("date32, far", pa.date32(), None, tuple(Tick("date", day * NS_OF_DAY) for day in (0, 2**31 - 2, 2**31 - 1, 2 - 2**31, 1 - 2**31, -(2**31))), refusable=True),
)  # fmt: skip
INT96 = ColumnType("INT96", pa.timestamp("ns"), None, _ticks("timestamp", "ns", 0, 1, 999, 1000, -1, 1_700_000_000_123_456_001, 1_700_000_000_123_456_999), refusable=True, int96=True)  # fmt: skip
DURATIONS = tuple(
    ColumnType(f"duration[{unit}]", pa.duration(unit), None, _ticks("duration", unit, -1, 0, 1, 1000), refusable=True)
    for unit in ("s", "ms", "us", "ns")
)
TEXT = ColumnType("string", pa.string(), "VARCHAR", _TEXTS)
TEXTS = (
    TEXT,
    ColumnType("large_string", pa.large_string(), None, _TEXTS),
    ColumnType("string_view", pa.string_view(), None, _TEXTS),
    ColumnType("dictionary<string>", pa.dictionary(pa.int8(), pa.string()), None, _TEXTS),
    ColumnType("nocase text", None, "VARCHAR COLLATE NOCASE", _TEXTS),
    ColumnType("unaccented text", None, "VARCHAR COLLATE NOACCENT", _TEXTS),
)
BINARIES = (
    ColumnType("binary", pa.binary(), "BLOB", _BYTES),
    ColumnType("large_binary", pa.large_binary(), None, _BYTES),
    ColumnType("binary_view", pa.binary_view(), None, _BYTES),
    ColumnType("binary(3)", pa.binary(3), None, _FIXED),
    ColumnType("uuid", pa.uuid(), "UUID", _UUIDS),
    ColumnType("json", pa.json_(), "JSON", _JSONS),
)
BOOLEAN = ColumnType("bool", pa.bool_(), "BOOLEAN", (True, False))
NULLS = ColumnType("null", pa.null(), None, ())

_PAIR = pa.struct([("x", pa.float64()), ("y", pa.list_(pa.string()))])
_DEEP = pa.map_(pa.string(), pa.map_(pa.string(), pa.int64()))
NESTED = (
    ColumnType("list<int64>", pa.list_(pa.int64()), "BIGINT[]", _INT_LISTS),
    ColumnType("large_list<int64>", pa.large_list(pa.int64()), None, _INT_LISTS),
    ColumnType("list_view<int64>", pa.list_view(pa.int64()), None, _INT_LISTS),
    ColumnType("list<int64, 2>", pa.list_(pa.int64(), 2), "BIGINT[2]", ((0, 0), (1, 2), (2, 1), (None, 1), (1, None), (None, None))),
    ColumnType("list<list<int32>>", pa.list_(pa.list_(pa.int32())), "INTEGER[][]", (((1,), (2,)), ((1, 2),), ((), (1, 2)), ((1, 2), ()), (None, (1, 2)), ((),), (None,), ())),
    ColumnType("list<double>", pa.list_(pa.float64()), "DOUBLE[]", ((0.0,), (-0.0,), (math.nan,), (-math.nan,), (1.0,), (math.nextafter(1, 2),), (1.0, 0.0), (1e-7,), (1e16,))),
    ColumnType("list<float>", pa.list_(pa.float32()), "FLOAT[]", ((Single(0.0),), (Single(-0.0),), (_single(0.1),), (_single(0.10000001),), (Single(math.nan),))),
    ColumnType("list<string>", pa.list_(pa.string()), "VARCHAR[]", (("a, b",), ("a", "b"), ("NULL",), (None,), ("",), (), ("'a'",), ("a",), ("[a]",), ("A",), ("-0.0",), ("0.0",))),
    ColumnType("list<binary>", pa.list_(pa.binary()), "BLOB[]", ((b"a",), (b"\\x61",), (b"\0",), (b"",), (b"a", b"b"), (b"a, b",))),
    ColumnType("list<decimal(20,2)>", pa.list_(pa.decimal128(20, 2)), "DECIMAL(20,2)[]", ((Decimal(0),), (Decimal("-0.01"),), (Decimal("0.01"),), ())),
    ColumnType("list<timestamp[ns]>", pa.list_(pa.timestamp("ns")), "TIMESTAMP_NS[]", ((Tick("timestamp", 1),), (Tick("timestamp", 999),), (Tick("timestamp", 1000),))),
    ColumnType("list<duration[s]>", pa.list_(pa.duration("s")), None, (_ticks("duration", "s", 1), _ticks("duration", "s", 2)), refusable=True),
    ColumnType("list<decimal(60,10)>", pa.list_(pa.decimal256(60, 10)), None, ((Decimal(10**40),), (Decimal(10**40 + 1),)), refusable=True),
    ColumnType("list<uuid>", None, "UUID[]", tuple((uuid,) for uuid in _UUIDS)),
    ColumnType("list<hugeint>", None, "HUGEINT[]", ((0,), (-1,), (1,), (2**127 - 1,), (-1, -1), (0, 0))),
    ColumnType("struct", _PAIR, "STRUCT(x DOUBLE, y VARCHAR[])", (_struct(x=0.0, y=()), _struct(x=-0.0, y=()), _struct(x=None, y=None), _struct(x=math.nan, y=("a", None)), _struct(x=1.0, y=None), _struct(x=None, y=()), _struct(x=1.0, y=("-0.0",)), _struct(x=1.0, y=("0.0",)), _struct(x=1.0, y=("a=-0.0",)), _struct(x=1.0, y=("a=0.0",)))),
    ColumnType("struct<a, b>", pa.struct([("a", pa.string()), ("b", pa.string())]), "STRUCT(a VARCHAR, b VARCHAR)", (_struct(a="x", b="y"), _struct(a="x', 'b': 'y", b=""), _struct(a="y", b="x"), _struct(a=None, b="NULL"), _struct(a="NULL", b=None), _struct(a=None, b=None))),
    ColumnType("struct<d decimal(20,0)>", pa.struct([("d", pa.decimal128(20, 0))]), "STRUCT(d DECIMAL(20,0))", (_struct(d=Decimal(0)), _struct(d=Decimal(-1)), _struct(d=None))),
    ColumnType("map<string, int64>", pa.map_(pa.string(), pa.int64()), "MAP(VARCHAR, BIGINT)", (_map(), _map(("a", 1)), _map(("a", None)), _map(("a", 1), ("b", 2)), _map(("b", 2), ("a", 1)), _map(("a", 2), ("b", 1)), _map(("A", 1)))),
    ColumnType("map<string, double>", pa.map_(pa.string(), pa.float64()), "MAP(VARCHAR, DOUBLE)", (_map(("a", 0.0)), _map(("a", -0.0)), _map(("a", math.nan)), _map(("a", 1.0)), _map(("a", math.nextafter(1, 2))))),
    ColumnType("map<double, int8>", pa.map_(pa.float64(), pa.int8()), "MAP(DOUBLE, TINYINT)", (_map((0.0, 1)), _map((-0.0, 1)), _map((1.0, 1), (2.0, 2)), _map((2.0, 2), (1.0, 1)))),
    ColumnType("map<string, map>", _DEEP, "MAP(VARCHAR, MAP(VARCHAR, BIGINT))", (_map(("a", _map(("x", 1), ("y", 2)))), _map(("a", _map(("y", 2), ("x", 1)))), _map(("a", _map(("x", 2), ("y", 1)))), _map(("a", None)))),
    ColumnType("list<map>", pa.list_(pa.map_(pa.string(), pa.int64())), "MAP(VARCHAR, BIGINT)[]", ((_map(("x", 1), ("y", 2)),), (_map(("y", 2), ("x", 1)),), (_map(("x", 2), ("y", 1)),), (_map(),), (None,), ())),
    ColumnType("struct<m map>", pa.struct([("m", pa.map_(pa.string(), pa.int64()))]), "STRUCT(m MAP(VARCHAR, BIGINT))", (_struct(m=_map(("x", 1), ("y", 2))), _struct(m=_map(("y", 2), ("x", 1))), _struct(m=_map(("x", 1))))),
    ColumnType("list<struct>", pa.list_(pa.struct([("x", pa.int32()), ("y", pa.int32())])), "STRUCT(x INTEGER, y INTEGER)[]", ((_struct(x=1, y=None),), (_struct(x=None, y=1),), (None,), (_struct(x=None, y=None),), ())),
    ColumnType("list<interval>", None, "INTERVAL[]", ((Interval(1, 0, 0),), (Interval(0, 30, 0),), (Interval(0, 0, 30 * 86_400 * 10**6),))),
    ColumnType("struct<i interval>", None, "STRUCT(i INTERVAL)", (_struct(i=Interval(1, 0, 0)), _struct(i=Interval(0, 30, 0)), _struct(i=None))),
    ColumnType("map<string, interval>", None, "MAP(VARCHAR, INTERVAL)", (_map(("a", Interval(1, 0, 0))), _map(("a", Interval(0, 30, 0))))),
    ColumnType("struct<x list<double>>", pa.struct([("x", pa.list_(pa.float64()))]), "STRUCT(x DOUBLE[])", (_struct(x=(-0.0, 1.0)), _struct(x=(0.0, 1.0)), _struct(x=(1.0, -0.0)))),
)  # fmt: skip
OTHERS = (
    ColumnType("hugeint", None, "HUGEINT", _ints(-(2**127), 2**127 - 1)),
    ColumnType("uhugeint", None, "UHUGEINT", _ints(0, 2**128 - 1)),
    ColumnType("bignum", None, "BIGNUM", (0, 1, -1, 2**130, 2**130 + 1, -(2**130)), refusable=True),
    ColumnType("interval", None, "INTERVAL", (Interval(0, 0, 0), Interval(1, 0, 0), Interval(0, 30, 0), Interval(0, 1, 0), Interval(0, 0, 86_400 * 10**6), Interval(12, 0, 0), Interval(0, 360, 0))),
    ColumnType("bit", None, "BIT", tuple(Labelled("bits", text) for text in ("0", "1", "00", "01", "10", "00000000", "000000001")), refusable=True),
    ColumnType("enum", None, "ENUM('a', 'A', 'b', '')", ("a", "A", "b", "")),
    ColumnType("union", None, "UNION(num INTEGER, str VARCHAR)", (_struct(num=1), _struct(str="1"), _struct(num=None), _struct(str=None)), refusable=True),
)  # fmt: skip

COLUMN_TYPES: tuple[ColumnType, ...] = (
    BOOLEAN, *INTEGERS, DOUBLE, FLOAT, HALF, *DECIMALS, *DATES, *TIMES, *TIMESTAMPS, *FAR_TIMESTAMPS, INT96, *DURATIONS,
    *TEXTS, *BINARIES, NULLS, *NESTED, *OTHERS,
)  # fmt: skip
PARQUET_TYPES = tuple(type_ for type_ in COLUMN_TYPES if type_.arrow is not None)
DUCKDB_TYPES = tuple(type_ for type_ in COLUMN_TYPES if type_.duckdb is not None)


def find_wider(type_: ColumnType, values: list[Value]) -> list[ColumnType]:
    """Return the other types that a file of the same table may give a column, so that all its values stay the same."""
    if type_.arrow is None:
        return []
    return [
        other
        for other in PARQUET_TYPES
        if other is not type_
        and not other.int96
        and all(other.holds(value) for value in values)
        and (other is NULLS or any(canonicalize(value) is not None for value in values))
    ]


def _list_texts(name: str, *texts: str, refusable: bool = False) -> ColumnType:
    return ColumnType(name, None, None, texts, refusable=refusable)


CSV_TYPES = (
    _list_texts("csv whole", "0", "-0", "1", "-1", "7", "9007199254740993"),
    _list_texts("csv wide", "9223372036854775807", "9223372036854775808", "18446744073709551616", "18446744073709551617", "-1"),
    _list_texts("csv widest", "9" * 38, "9" * 37 + "8", "-" + "9" * 38, "0"),
    _list_texts("csv too wide", "1" * 50, "1" * 49 + "2", "1"),
    _list_texts("csv decimal", "1.5", "1.50", "1.25", "0", "-0.0", "0.1", "0.10", "1e3", "1000", "1e-7", "-2.5"),
    _list_texts("csv digits", "12345678901234567.01", "12345678901234567.02", "0.1", "0.10"),
    _list_texts("csv doubles", "0.1", "0.30000000000000004", "0.3", "1.0000000000000002", "1"),
    _list_texts("csv close", "1.00000000000001", "1.00000000000002", "1", "1.000000001"),
    _list_texts("csv too long", "0." + "1" * 45, "0." + "1" * 44 + "2", "0.5", "0.50"),
    _list_texts("csv exponents", "1e400", "1e401", "1.5"),
    _list_texts("csv day", "2024-01-01", "2024-01-02", "0001-01-01", "9999-12-31"),
    _list_texts("csv no day", "2024-02-30", "2024-02-28", "2024-13-01"),
    _list_texts("csv timestamp", "2024-01-01 00:00:00", "2024-01-01T00:00:00", "2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.1", "2024-01-01 00:00:00.10"),
    _list_texts("csv nanoseconds", "2024-01-01 00:00:00.123456789", "2024-01-01 00:00:00.123456788", "2024-01-01 00:00:00"),
    _list_texts("csv picoseconds", "2024-01-01 00:00:00.123456789012", "2024-01-01 00:00:00.123456789013"),
    _list_texts("csv zones", "2024-01-01 00:00:00+00:00", "2024-01-01 01:00:00+01:00", "2024-01-01 00:00:00Z", "2024-01-01 00:00:00-05:30"),
    _list_texts("csv zoned nanoseconds", "2024-01-01 00:00:00.123456789Z", "2024-01-01 00:00:00.123456788Z"),
    _list_texts("csv time", "00:00:00", "23:59:59", "12:00:00.000001", "12:00:00.000002"),
    _list_texts("csv time nanoseconds", "12:00:00.000000001", "12:00:00.000000002"),
    _list_texts("csv boolean", "true", "false"),
    _list_texts("csv capital boolean", "True", "False", "true"),
    _list_texts("csv text", "a", "A", "a,b", 'say "x"', "two\nlines", "ä", "a\u0308", " a", "a ", "🦆", "'", "\\", "#x", "two\r\nlines"),
    _list_texts("csv codes", "007", "7", "07", "+7"),
    _list_texts("csv mixed", "1", "a", "1.0", "true", "2024-01-01"),
    _list_texts("csv empty", "", " ", "NULL", "nan", "NA", "None", "null"),
    _list_texts("csv empty numbers", "", "1", "2"),
    _list_texts("csv empty days", "", "2024-01-01", "2024-01-02"),
    _list_texts("csv other days", "01/02/2024", "02/01/2024", "1/2/2024", "2024/01/02"),
    _list_texts("csv not finite", "inf", "Infinity", "nan", "NaN", "1.5"),
    _list_texts("csv hexadecimal", "0x10", "16", "1_000", "1000"),
)  # fmt: skip
"""Texts of one column of a CSV file; None is an empty field, and an empty text is quoted."""

JSONL_TYPES = (
    _list_texts("jsonl whole", "0", "-0", "1", "-1", "9007199254740993", "9223372036854775807", "9223372036854775808"),
    _list_texts("jsonl wide", "18446744073709551615", "18446744073709551616", "18446744073709551617", "-1"),
    _list_texts("jsonl widest", "9" * 38, "9" * 37 + "8", "0"),
    _list_texts("jsonl too wide", "1" * 50, "1" * 49 + "2", "1"),
    _list_texts("jsonl decimal", "1.5", "1.50", "1.25", "0", "-0.0", "0.1", "1e3", "1000"),
    _list_texts("jsonl digits", "12345678901234567.01", "12345678901234567.02", "0.1"),
    _list_texts("jsonl doubles", "0.1", "0.30000000000000004", "0.3", "1.0000000000000002", "1"),
    _list_texts("jsonl boolean", "true", "false"),
    _list_texts("jsonl text", '"a"', '"A"', '""', '" "', '"NULL"', '"null"', '"\\u00e4"', '"a\\u0308"', '"a\\nb"', '"\\u0000"', '"1"', '"1.0"', '"01"'),
    _list_texts("jsonl number text", '"1"', '"1.0"', '"01"'),
    _list_texts("jsonl one in text", '"1"', '"1.0"', '"1e0"'),
    _list_texts("jsonl moment in text", '"2024-01-01 00:00:00"', '"2024-01-01T00:00:00"', '"2024-01-01 00:00:00.0"'),
    _list_texts("jsonl instant in text", '"2024-01-01T00:00:00Z"', '"2024-01-01T01:00:00+01:00"', '"2024-01-01 00:00:00+00"'),
    _list_texts("jsonl day", '"2024-01-01"', '"2024-01-02"'),
    _list_texts("jsonl nanoseconds", '"2024-01-01 00:00:00.123456789"', '"2024-01-01 00:00:00.123456788"'),
    _list_texts("jsonl zoned nanoseconds", '"2024-01-01T00:00:00.123456789Z"', '"2024-01-01T00:00:00.123456788Z"'),
    _list_texts("jsonl time", '"12:00:00.000000001"', '"12:00:00.000000002"'),
    _list_texts("jsonl uuid", '"00000000-0000-0000-0000-000000000000"', '"ffffffff-ffff-ffff-ffff-ffffffffffff"'),
    _list_texts("jsonl mixed", "1", '"1"', "true", '"true"', '"a"', "[1]"),
    _list_texts("jsonl list", "[]", "[null]", "[1]", "[1, 2]", "[2, 1]"),
    _list_texts("jsonl list of text", '["a, b"]', '["a", "b"]', '["NULL"]', "[null]", "[]"),
    _list_texts("jsonl wide list", "[18446744073709551617]", "[18446744073709551618]", "[1]"),
    _list_texts("jsonl digits list", "[12345678901234567.01]", "[12345678901234567.02]"),
    _list_texts("jsonl object", '{"x": 1, "y": "a"}', '{"y": "a", "x": 1}', '{"x": 2, "y": "a"}', '{"x": null, "y": "a"}'),
    _list_texts("jsonl digits object", '{"x": 12345678901234567.01}', '{"x": 12345678901234567.02}'),
    _list_texts("jsonl deep", '{"x": [{"y": 1}, {"y": 2}]}', '{"x": [{"y": 2}, {"y": 1}]}', '{"x": []}', '{"x": null}'),
)  # fmt: skip
"""JSON of one column of a JSON Lines file."""

ARROW_TYPES = tuple(type_ for type_ in PARQUET_TYPES if not type_.int96)
UNREAD_ARROW_TYPES = frozenset({HALF.name, *(type_.name for type_ in DECIMALS if "256" in type_.name)})
"""Types that DuckDB does not read of Arrow files; such files are compared by their digests."""


def _is_in_orc(type_: ArrowType) -> bool:
    """Check whether ORC has a type, so that pyarrow writes it and reads the same values."""
    kinds = pa.types
    if kinds.is_list(type_) or kinds.is_struct(type_) or kinds.is_map(type_):
        return all(_is_in_orc(type_.field(number).type) for number in range(type_.num_fields))
    plain = (
        kinds.is_boolean, kinds.is_signed_integer, kinds.is_float32, kinds.is_float64, kinds.is_string, kinds.is_binary,
        kinds.is_date32, kinds.is_decimal128,
    )  # fmt: skip
    return any(check(type_) for check in plain) or type_ in {pa.timestamp("ns"), pa.timestamp("ns", "UTC")}


ORC_TYPES = tuple(type_ for type_ in ARROW_TYPES if _is_in_orc(type_.arrow) and "far" not in type_.name)

TYPES_OF_FORMAT: dict[str, tuple[ColumnType, ...]] = {
    "parquet": PARQUET_TYPES,
    "duckdb": DUCKDB_TYPES,
    "csv": CSV_TYPES,
    "jsonl": JSONL_TYPES,
    "json": JSONL_TYPES,
    "arrow": ARROW_TYPES,
    "orc": ORC_TYPES,
}


def find_family(type_: ColumnType) -> str:
    """Return what types share that may hold the same values."""
    if type_ in INTEGERS or type_ in DECIMALS or type_ in {DOUBLE, FLOAT, HALF}:
        return "number"
    if type_ in TEXTS:
        return "text"
    if type_ in {INT96, *TIMESTAMPS, *FAR_TIMESTAMPS}:
        return str(type_.values[0].of) if isinstance(type_.values[0], Tick) else ""
    for group in (TIMES, DURATIONS, BINARIES[:3], DATES):
        if type_ in group:
            return group[0].name
    return type_.name


def may_refuse(types: Sequence[ColumnType], values: Sequence[Value]) -> bool:
    """Check whether no type of the engine may hold all values that the files of a table have in a column."""
    kinds = list(dict.fromkeys(type_ for type_ in types if type_ is not NULLS))
    if any(type_.refusable for type_ in kinds) or len({find_family(type_) for type_ in kinds}) > 1:
        return True
    if not kinds or find_family(kinds[0]) != "number":
        return False
    if any(type_ in {DOUBLE, FLOAT, HALF} for type_ in kinds):
        return not all(DOUBLE.holds(value) for value in values)
    digits = [_find_digits(type_) for type_ in kinds]
    return max(whole for whole, _ in digits) + max(scale for _, scale in digits) > 38


def _find_digits(type_: ColumnType) -> tuple[int, int]:
    """Return how many digits a type of exact numbers has before and after the point."""
    arrow: Any = type_.arrow
    if type_ in INTEGERS:
        return len(str(2**arrow.bit_width)), 0
    return int(arrow.precision - arrow.scale), int(arrow.scale)
