"""An independent account of what two tables' comparison must give: plain Python values, no query engine.

Equal means equal values. Numbers are equal where they are the same number, whatever their types; −0 equals 0, NaN equals
NaN, NULL equals NULL. An instant is equal to itself in any time zone. Thirty days are not a month. A map has no order.
Two floating-point numbers that differ by rounding alone are a change that is counted apart.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

ROUNDING = Fraction(1, 10**12)
"""Doubles that differ by at most this, relative to the larger one, differ by rounding."""

SINGLE_ROUNDING = Fraction(1, 10**6)
"""The same where at least one of the two is a single-precision number."""

DOUBLE_DIGITS = 15
"""Texts of so many significant digits are told apart by the doubles that they become."""

DECIMAL_DIGITS = 38
NS_OF_DAY = 86_400 * 10**9


@dataclass(frozen=True)
class Single:
    """A single-precision number."""

    number: float


@dataclass(frozen=True)
class Tick:
    """A date, a time or a duration in nanoseconds: since 1970, midnight, or as such."""

    of: Literal["date", "time", "timestamp", "instant", "duration"]
    ns: int


@dataclass(frozen=True)
class Interval:
    """Months, days and microseconds, none of which is a number of the others."""

    months: int
    days: int
    us: int


@dataclass(frozen=True)
class Labelled:
    """A UUID, a JSON document or a string of bits: a text that is equal to no plain text."""

    of: Literal["uuid", "json", "bits"]
    text: str


@dataclass(frozen=True)
class Map:
    """Pairs of a key and a value; keys are unique."""

    pairs: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True)
class Struct:
    """Named values."""

    fields: tuple[tuple[str, Value], ...]


Scalar: TypeAlias = bool | int | float | Decimal | str | bytes | Single | Tick | Interval | Labelled
Value: TypeAlias = "Scalar | Map | Struct | tuple[Value, ...] | None"
Row: TypeAlias = "tuple[Value, ...]"


@dataclass(frozen=True)
class Table:
    """Rows of values by the names of their columns."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]

    def read_columns(self, names: Sequence[str]) -> list[Row]:
        """Return the rows' values of some columns."""
        places = [self.names.index(name) for name in names]
        return [tuple(row[place] for place in places) for row in self.rows]


@dataclass
class Counts:
    """Row counts; ``rounding`` are those of ``changed`` that differ by rounding alone, ``columns`` the changed cells."""

    baseline: int
    candidate: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    rounding: int = 0
    columns: dict[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> Literal["same", "within_gate", "outside_gate"]:
        """The verdict under the default gate, as far as rows decide it."""
        if self.added or self.removed or self.changed > self.rounding:
            return "outside_gate"
        return "within_gate" if self.changed else "same"


def canonicalize(value: Value) -> Hashable:  # noqa: PLR0911 -- one a kind
    """Return a form that equal values share, and no others."""
    match value:
        case None:
            return None
        case bool():
            return ("boolean", value)
        case Single():
            return canonicalize(value.number)
        case int() | float() | Decimal():
            if isinstance(value, int) or math.isfinite(value):
                return ("number", Fraction(value))
            return ("number", "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞")
        case str() | bytes() | Tick() | Interval() | Labelled():
            return (type(value).__name__, value)
        case Map():
            return ("map", frozenset((canonicalize(key), canonicalize(item)) for key, item in value.pairs))
        case Struct():
            return ("struct", frozenset((name, canonicalize(item)) for name, item in value.fields))
        case tuple():
            return ("list", tuple(canonicalize(item) for item in value))
        case _:
            assert_never(value)


def is_rounding(before: Value, after: Value) -> bool:  # noqa: PLR0911 -- one a kind
    """Check whether two values are equal but for the rounding of the floating-point numbers in them."""
    if canonicalize(before) == canonicalize(after):
        return True
    match before, after:
        case (float() | Single(), float() | Single()):
            single = isinstance(before, Single) or isinstance(after, Single)
            pair = [one.number if isinstance(one, Single) else one for one in (before, after)]
            if not all(map(math.isfinite, pair)):
                return False
            b, c = map(Fraction, pair)
            return abs(c - b) <= (SINGLE_ROUNDING if single else ROUNDING) * max(abs(b), abs(c))
        case (tuple(), tuple()):
            return len(before) == len(after) and all(map(is_rounding, before, after))
        case (Struct(), Struct()):
            return _is_rounding_by_name(dict(before.fields), dict(after.fields))
        case (Map(), Map()):
            there, here = ({canonicalize(k): v for k, v in side.pairs} for side in (before, after))
            return _is_rounding_by_name(there, here)
        case _:
            return False


def _is_rounding_by_name(before: Mapping[Hashable, Value], after: Mapping[Hashable, Value]) -> bool:
    return before.keys() == after.keys() and all(is_rounding(before[name], after[name]) for name in before)


def compare_rows(baseline: Table, candidate: Table, key: Sequence[str]) -> Counts:
    """Return what happened to the rows, in the columns that both sides have.

    Rows are paired by a key that is whole and names one row of either side. All others are compared as multisets.
    """
    names = [name for name in baseline.names if name in candidate.names]
    groups: dict[Hashable, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, table in enumerate((baseline, candidate)):
        for named, row in zip(table.read_columns(key), table.read_columns(names), strict=True):
            groups[canonicalize(named)][side].append(row)
    counts = Counts(len(baseline.rows), len(candidate.rows), columns=dict.fromkeys(names, 0))
    for before, after in groups.values():
        whole = bool(key) and all(row[names.index(name)] is not None for row in before + after for name in key)
        if whole and len(before) == len(after) == 1:
            _count_pair(counts, names, before[0], after[0])
            continue
        there, here = (Counter(map(canonicalize, rows)) for rows in (before, after))
        counts.removed += (there - here).total()
        counts.added += (here - there).total()
        counts.unchanged += (there & here).total()
    return counts


def _count_pair(counts: Counts, names: Sequence[str], before: Row, after: Row) -> None:
    differing = [
        (name, b, c) for name, b, c in zip(names, before, after, strict=True) if canonicalize(b) != canonicalize(c)
    ]
    for name, _, _ in differing:
        counts.columns[name] += 1
    counts.changed += bool(differing)
    counts.unchanged += not differing
    counts.rounding += bool(differing) and all(is_rounding(b, c) for _, b, c in differing)


_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?")
_ZONE = re.compile(r"Z|([+-])(\d\d)(?::?(\d\d))?")


def read_texts(texts: Sequence[str | None]) -> list[Value]:
    """Return the values of one column of a text format, whose type all of its values on both sides decide."""
    given = [text for text in texts if text is not None]
    readers: tuple[Callable[[str], Value], ...] = (_read_boolean, _read_date, _read_time, _read_timestamp)
    numbers = _read_numbers(given)
    found: list[Value] | None = None if numbers is None else list(numbers)
    for reader in readers:
        read = [reader(text) for text in given]
        kinds = {one.of if isinstance(one, Tick) else type(one) for one in read}
        if found is None and None not in read and len(kinds) == 1:
            found = read
    values = iter(given if found is None else found)
    return [None if text is None else next(values) for text in texts]


def _read_numbers(texts: Sequence[str]) -> list[int] | list[float] | list[Decimal] | None:
    """Return whole numbers, doubles where these lose nothing, else decimals; None where one is none or is too long."""
    if not all(_NUMBER.fullmatch(text) for text in texts):
        return None
    decimals = [Decimal(text) for text in texts]
    if all(_WHOLE.fullmatch(text) for text in texts):
        most = max((len(text.lstrip("-")) for text in texts), default=0)
        return [int(text) for text in texts] if most <= DECIMAL_DIGITS else None
    short = [_strip_zeros(one) for one in decimals]
    digits = [len(one.as_tuple().digits) for one in short]
    if max(digits) <= DOUBLE_DIGITS and all(Decimal(repr(float(one))) == one for one in decimals):
        return [float(one) for one in decimals]
    scale = max(max(0, -int(one.as_tuple().exponent)) for one in short)
    whole = max(max(0, one.adjusted() + 1) for one in decimals)
    return decimals if scale + whole <= DECIMAL_DIGITS else None


def _strip_zeros(number: Decimal) -> Decimal:
    """Return a number without zeros at its end, and unrounded."""
    with localcontext(prec=1000):
        return number.normalize()


def _read_boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text)


def _read_date(text: str) -> Tick | None:
    found = _DATE.fullmatch(text)
    try:
        day = date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
    if day is None:
        return None
    return Tick("date", (day.toordinal() - date(1970, 1, 1).toordinal()) * NS_OF_DAY)


def _read_time(text: str) -> Tick | None:
    if (found := _TIME.fullmatch(text)) is None:
        return None
    hours, minutes, seconds = map(int, found.groups()[:3])
    return Tick("time", (hours * 3600 + minutes * 60 + seconds) * 10**9 + int((found[4] or "0").ljust(9, "0")))


def _read_timestamp(text: str) -> Tick | None:
    day, clock = _read_date(text[:10]), re.match(_TIME, text[11:])
    time = _read_time(clock[0]) if clock else None
    if day is None or time is None or clock is None or text[10] not in " T":
        return None
    if not (zone := text[11 + clock.end() :]):
        return Tick("timestamp", day.ns + time.ns)
    if (offset := _ZONE.fullmatch(zone)) is None:
        return None
    minutes = int(offset[2] or 0) * 60 + int(offset[3] or 0)
    east = -1 if offset[1] == "-" else 1
    return Tick("instant", day.ns + time.ns - east * minutes * 60 * 10**9)
