"""The masks as functions of values: what they keep, what they change, and how they meet hostile values."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import re
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from sandbox.config.sections.sample import MaskEntry
from sandbox.masking.detect.value_patterns import is_phone_number
from sandbox.masking.integers import mask_signed
from sandbox.masking.kinds import build_mask_function
from sandbox.masking.prf import siphash

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = bytes(range(32))
OTHER = bytes(range(1, 33))
TYPES = {
    "TINYINT": pa.int8(), "SMALLINT": pa.int16(), "INTEGER": pa.int32(), "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(), "USMALLINT": pa.uint16(), "UINTEGER": pa.uint32(), "UBIGINT": pa.uint64(),
    "VARCHAR": pa.string(), "UUID": pa.string(), "BLOB": pa.binary(), "DOUBLE": pa.float64(), "FLOAT": pa.float32(),
    "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us"), "TIMESTAMP_S": pa.timestamp("s"),
    "TIMESTAMP_NS": pa.timestamp("ns"), "DECIMAL(38,0)": pa.decimal128(38, 0), "DECIMAL(10,2)": pa.decimal128(10, 2),
    "DECIMAL(30,2)": pa.decimal128(30, 2),
}  # fmt: skip
GOLDEN_INTEGERS = [8, 1, 12, -3, 178400, 8940014691366634869, -7569340843332583491]
GOLDEN_TEXTS = [
    ("key", "aardsda01", "jikqrrr55"),
    ("key", "007", "001"),
    ("hash", "aardsda01", "91e1e5d40b1aee16da7f923cb44f27d1"),
    ("email", "Anna.Lee@gmail.com", "Srzs.Ekg@example.com"),
    ("name", "Anna Müller", "Josephine Kovac"),
    ("phone", "+49 30 1234567", "+49 22 1471088"),
    ("text", "Straße 12, Köln", "Wiykèg 51, Býkf"),
]
GOLDEN_UUID = "eed0f1c5-379c-4d25-b1f6-827d7567425e"
HOSTILE = [
    "", " ", "a", "🙂👩‍👩‍👧", "مرحبا بالعالم", "日本語", "\0a\0b", "ﬁ", "e\u0301", "A" * 1_000_000, "é" * 70,
    "0", "-0", "-00", "00", "-5", "1" * 38, "1" * 39, "0" * 50, "12 34", "½", "\u202etxet", "\ufeff",
]  # fmt: skip


def masked(kind: str, engine_type: str, values: Sequence[Any], secret: bytes = SECRET, **options: Any) -> list[Any]:
    array = pa.array(values, TYPES[engine_type])
    found = build_mask_function(MaskEntry(kind=kind, **options), engine_type, secret)(array)  # type: ignore[arg-type]
    assert found.type == array.type
    assert found.is_null().equals(array.is_null())
    return list(found.to_pylist())


def test_hash_function_is_the_published_one() -> None:
    # The ninth vector of the reference implementation: the bytes 0 to 7 under the key 0 to 15.
    word = np.array([int.from_bytes(bytes(range(8)), "little")], np.uint64)
    assert siphash(bytes(range(16)), [word]).tobytes().hex() == "6224939a79f5f593"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("key", "aardsda01"),
        ("key", "1234567"),
        ("hash", "aardsda01"),
        ("email", "anna@gmail.com"),
        ("name", "Anna Müller"),
        ("phone", "+49 30 1234567"),
        ("text", "Hello, World 42"),
    ],
)
def test_masks_depend_on_the_secret_and_the_value_alone(kind: str, value: str) -> None:
    alone = masked(kind, "VARCHAR", [value])
    among = masked(kind, "VARCHAR", ["other", None, value, "x" * 200, value])
    assert [among[2], among[4]] == alone * 2
    assert masked(kind, "VARCHAR", [value], OTHER) != alone
    assert alone != [value]


def test_masks_are_the_same_on_every_machine() -> None:
    """What teams share a secret for; a change of these values breaks every masked sample that is kept."""
    assert masked("key", "BIGINT", [0, 7, 42, -1, 123456, 2**63 - 1, -(2**63)]) == GOLDEN_INTEGERS
    for kind, value, expected in GOLDEN_TEXTS:
        assert masked(kind, "VARCHAR", [value]) == [expected], kind
    assert masked("key", "UUID", ["123e4567-e89b-42d3-a456-426614174000"]) == [GOLDEN_UUID]


@pytest.mark.parametrize(
    ("engine_type", "least", "most"),
    [("TINYINT", -128, 127), ("UTINYINT", 0, 255), ("SMALLINT", -(2**15), 2**15 - 1)],
)
def test_key_is_one_to_one_over_the_whole_range_and_leaves_nothing(engine_type: str, least: int, most: int) -> None:
    values = list(range(least, most + 1))
    found = masked("key", engine_type, values)
    assert sorted(found) == values
    assert not any(one == other for one, other in zip(values, found, strict=True))


def test_key_is_one_to_one_over_a_million_numbers() -> None:
    values = np.arange(-500_000, 500_000, dtype=np.int64) * 7_919_999 + 3
    found = mask_signed(SECRET, values)
    assert len(np.unique(found)) == len(values)
    assert (found == values).sum() == 0


def test_key_keeps_sign_and_number_of_digits() -> None:
    values = [sign * 10**n * 3 // 2 for n in range(1, 19) for sign in (1, -1)]
    for value, found in zip(values, masked("key", "BIGINT", values), strict=True):
        assert (found > 0, len(str(found))) == (value > 0, len(str(value)))


def test_key_is_the_same_number_in_every_type_that_holds_it() -> None:
    values = [0, 5, 99, 100, 127]
    found = masked("key", "BIGINT", values)
    for engine_type in ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"):
        assert masked("key", engine_type, values) == found
    assert masked("key", "DECIMAL(38,0)", [Decimal(one) for one in values]) == found
    assert masked("key", "VARCHAR", [str(one) for one in values]) == [str(one) for one in found]
    large = [2**31, 2**32 - 1, 2**63 - 1]
    assert masked("key", "UBIGINT", large) == masked("key", "BIGINT", large)


@pytest.mark.parametrize("value", [2**64 - 1, 2**63])
def test_key_takes_unsigned_numbers_beyond_the_signed_ones(value: int) -> None:
    [found] = masked("key", "UBIGINT", [value])
    assert 2**63 <= found < 2**64
    assert masked("key", "DECIMAL(38,0)", [Decimal(value)]) == [found]


def test_key_takes_decimals_of_38_digits() -> None:
    values = [Decimal(10**37 + n) for n in range(200)] + [
        Decimal(-(10**38) + 1),
        Decimal(2**64),
        Decimal(-(2**64)),
    ]
    found = masked("key", "DECIMAL(38,0)", values)
    assert len(set(found)) == len(values)
    assert all(len(str(one)) == len(str(other)) for one, other in zip(found, values, strict=True))


def test_key_keeps_uuids_apart_with_version_and_variant() -> None:
    values = [str(uuid.UUID(int=n << 64 | 0x4000 << 64 | 1 << 63 | n)) for n in range(2000)]
    found = masked("key", "UUID", values)
    assert len(set(found)) == len(values)
    assert not set(found) & set(values)
    for one, other in zip(map(uuid.UUID, values), map(uuid.UUID, found), strict=True):
        assert (one.version, one.variant) == (other.version, other.variant)
    assert masked("key", "VARCHAR", values) == found


def test_key_keeps_leading_zeros_and_stays_one_to_one_over_all_short_numbers() -> None:
    values = [str(n).zfill(width) for width in (1, 2, 3) for n in range(10**width)]
    found = masked("key", "VARCHAR", values)
    assert sorted(found) == sorted(values)
    assert masked("key", "VARCHAR", ["007"])[0].startswith("00")


def test_key_is_one_to_one_over_all_texts_of_a_small_alphabet() -> None:
    values = [a + b + c for a in "abAB01- é" for b in "abAB01- é" for c in "abAB01- é"]
    assert len(set(masked("key", "VARCHAR", values))) == len(values)


@pytest.mark.parametrize("kind", ["key", "text", "hash", "email", "name", "phone"])
def test_hostile_texts_are_masked_and_keep_apart_where_that_is_promised(kind: str) -> None:
    found = masked(kind, "VARCHAR", HOSTILE)
    if kind in ("key", "text"):
        assert [len(one) for one in found] == [len(one) for one in HOSTILE]
    if kind in ("key", "hash"):
        assert len(set(found)) == len(set(HOSTILE))
    assert all(one.encode() for one in found if one)


def test_texts_keep_their_shape() -> None:
    value = "Dr. Ann-Marie O'Neill, 12 Main St. (№ 7) ДОМ дом"
    [found] = masked("text", "VARCHAR", [value])

    def shape(text: str) -> str:
        kinds = (("upper", str.isupper), ("lower", str.islower), ("digit", str.isdigit))
        return " ".join(next((name for name, test in kinds if test(one)), one) for one in text)

    assert shape(found) == shape(value)
    assert found != value


def test_case_of_letters_is_kept_apart_from_what_they_become() -> None:
    for kind in ("email", "text"):
        mixed, lower = masked(kind, "VARCHAR", ["Anna.Lee@Example.COM", "anna.lee@example.com"])
        assert mixed.lower() == lower.lower()


def test_only_what_is_no_letter_or_digit_stays() -> None:
    assert masked("text", "VARCHAR", ["", " - ", "🙂", "a"])[:3] == ["", " - ", "🙂"]


def test_emails_cannot_be_delivered() -> None:
    values = ["anna@gmail.com", "A.B+c@sub.firma.de", "x@y.fr; z@y.fr", "<b@web.de>", "anna@web.de"]
    found = masked("email", "VARCHAR", values)
    domains = re.findall(r"@([\w.-]+)", " ".join(found))
    assert len(domains) == 6
    assert set(domains) <= {"example.com", "example.net", "example.org"}
    assert len(set(found)) == len(found)


def test_what_is_no_address_stays_none() -> None:
    assert all("@" not in one for one in masked("email", "VARCHAR", ["unknown", "n/a", ""]))


def test_names_are_names_of_as_many_words_in_the_same_case() -> None:
    values = ["Anna Müller", "MÜLLER, ANNA", "anna", "J. R. Smith", "María-José de la Cruz"]
    found = masked("name", "VARCHAR", values)
    for value, one in zip(values, found, strict=True):
        assert re.sub(r"[^\W\d_]+", "x", one) == re.sub(r"[^\W\d_]+", "x", value)
    assert found[1].isupper()
    assert found[2].islower()
    assert re.fullmatch(r"[A-Z]\. [A-Z]\. [A-Z]\w+", found[3])
    words = {word.casefold() for value in values for word in re.findall(r"[^\W\d_]+", value)}
    assert not (words - {"de", "la"}) & {
        word.casefold() for one in found for word in re.findall(r"[^\W\d_]+", one) if len(word) > 1
    }


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("+1 (212) 734-1234", r"\+1 \(555\) [2-9]\d\d-\d{4}"),
        ("212-734-1234", r"555-[2-9]\d\d-\d{4}"),
        ("+33 6 12 34 56 78", r"\+33 (1 99 00|2 61 91|3 53 01|4 65 71|5 36 49|6 39 98) \d\d \d\d"),
        ("0049301234567", r"0049\d{9}"),
        ("+352 621 123 456", r"\+352 \d{3} \d{3} \d{3}"),
    ],
)
def test_phones_keep_country_and_form_and_are_nobodys_where_that_exists(value: str, pattern: str) -> None:
    [found] = masked("phone", "VARCHAR", [value])
    assert re.fullmatch(pattern, found)
    assert found != value
    assert is_phone_number(found)


def test_hash_gives_128_bits() -> None:
    [text] = masked("hash", "VARCHAR", ["a"])
    [blob] = masked("hash", "BLOB", [b"a"])
    assert re.fullmatch(r"[0-9a-f]{32}", text)
    assert len(blob) == 16


@pytest.mark.parametrize("engine_type", ["INTEGER", "BIGINT", "UBIGINT", "DOUBLE", "DECIMAL(10,2)", "DECIMAL(30,2)"])
def test_noise_stays_within_its_share(engine_type: str) -> None:
    wrap = Decimal if engine_type.startswith("DECIMAL") else int
    values = [wrap(n * 997) for n in range(1, 500)]
    found = masked("noise", engine_type, values, relative=0.1)
    assert all(abs(float(a) - float(b)) <= 0.1 * float(b) + 0.5 for a, b in zip(found, values, strict=True))
    assert sum(a != b for a, b in zip(found, values, strict=True)) > 490
    assert masked("noise", engine_type, [wrap(0)], relative=1.0) == [0]


@pytest.mark.parametrize(
    ("engine_type", "least", "most"),
    [("TINYINT", -128, 127), ("BIGINT", -(2**63), 2**63 - 1), ("UBIGINT", 0, 2**64 - 1)],
)
def test_noise_and_buckets_stay_within_the_type(engine_type: str, least: int, most: int) -> None:
    for secret in (SECRET, OTHER, bytes(32)):
        for value in masked("noise", engine_type, [least, least + 1, most - 1, most], secret, relative=1.0):
            assert least <= value <= most
    assert masked("bucket", engine_type, [least], width=100)[0] >= least
    assert masked("bucket", engine_type, [most], width=100) == [most // 100 * 100]


def test_noise_leaves_what_is_no_number() -> None:
    nan, infinite = masked("noise", "DOUBLE", [float("nan"), float("inf")], relative=0.5)
    assert math.isnan(nan)
    assert infinite == float("inf")


@pytest.mark.parametrize(
    ("engine_type", "width", "values", "expected"),
    [
        ("INTEGER", 10, [-11, -10, -1, 0, 9, 10, None], [-20, -10, -10, 0, 0, 10, None]),
        ("UTINYINT", 100, [99, 255], [0, 200]),
        ("TINYINT", 1000, [-5, 5], [-128, 0]),
        ("DOUBLE", 0.5, [1.3, -1.3], [1.0, -1.5]),
        ("DECIMAL(10,2)", 0.25, [Decimal("1.30"), Decimal("-1.30")], [Decimal("1.25"), Decimal("-1.50")]),
        ("DECIMAL(30,2)", 0.25, [Decimal("1.30"), Decimal("-1.30")], [Decimal("1.25"), Decimal("-1.50")]),
        ("DECIMAL(10,2)", 0.001, [Decimal("1.30")], [Decimal("1.30")]),
    ],
)
def test_buckets_begin_at_multiples(engine_type: str, width: float, values: list[Any], expected: list[Any]) -> None:
    assert masked("bucket", engine_type, values, width=width) == expected


def shifted(engine_type: str, values: Sequence[Any], units: Sequence[int | None], days: int = 30) -> list[Any]:
    array = pa.array(values, TYPES[engine_type])
    change = build_mask_function(MaskEntry(kind="date_shift", days=days), engine_type, SECRET)
    return list(change(array, pa.array(units, pa.int64())).to_pylist())


def test_shifts_are_the_same_for_a_unit_in_every_type() -> None:
    day = dt.date(2020, 2, 28)
    moment = dt.datetime(2020, 2, 28, 13, 14, 15)  # noqa: DTZ001 - a timestamp without a zone is what is meant
    shifts = set()
    for unit in range(200):
        [date] = shifted("DATE", [day], [unit])
        [time] = shifted("TIMESTAMP", [moment], [unit])
        assert time - moment == date - day
        shifts.add((date - day).days)
    assert shifts <= set(range(-30, 31)) - {0}
    assert len(shifts) > 50


def test_intervals_within_a_unit_survive() -> None:
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=n * n) for n in range(50)]
    found = shifted("DATE", days, [7] * 50)
    assert [b - a for a, b in itertools.pairwise(found)] == [b - a for a, b in itertools.pairwise(days)]


def test_years_that_stand_for_always_and_never_stay() -> None:
    values = [dt.date(1, 1, 1), dt.date(1, 12, 31), dt.date(9999, 1, 1), dt.date(9999, 12, 31)]
    assert shifted("DATE", values, [3] * 4) == values
    for unit in range(50):
        early, late = shifted("DATE", [dt.date(2, 1, 1), dt.date(9998, 12, 31)], [unit] * 2)
        assert early >= dt.date(2, 1, 1)
        assert late <= dt.date(9998, 12, 31)


def test_moments_at_the_end_of_nanoseconds_do_not_wrap_around() -> None:
    change = build_mask_function(MaskEntry(kind="date_shift", days=30), "TIMESTAMP_NS", SECRET)
    ends = pa.array([-(2**63) + 1, 2**63 - 1], pa.int64()).cast(pa.timestamp("ns"))
    for unit in range(20):
        found = change(ends, pa.array([unit, unit], pa.int64())).cast(pa.int64()).to_pylist()
        assert found[0] < 0 < found[1]


def test_rows_of_no_unit_are_shifted_alike() -> None:
    values = [dt.date(2020, 1, 1), dt.date(2020, 1, 11)]
    one, other = shifted("DATE", values, [None, None])
    assert other - one == dt.timedelta(days=10)


@pytest.mark.parametrize(
    ("kind", "engine_type", "options"),
    [("key", "BIGINT", {}), ("text", "VARCHAR", {}), ("noise", "DECIMAL(10,2)", {"relative": 0.1}), ("bucket", "DOUBLE", {"width": 2}), ("hash", "BLOB", {})],
)  # fmt: skip
def test_nothing_and_only_nulls_are_masked(kind: str, engine_type: str, options: dict[str, Any]) -> None:
    assert masked(kind, engine_type, [], **options) == []
    assert masked(kind, engine_type, [None, None], **options) == [None, None]
