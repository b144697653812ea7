"""The kinds of masks: supported column types, and functions on values.

Every mask is a pure function of a secret, its options and the values (``date_shift``: also the unit numbers). It maps
an Arrow array to one of the same type and length; NULL stays NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sandbox.masking import fakes, integers, keys, numbers_and_dates, phones, texts, uuids
from sandbox.masking.prf import derive_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.config.sections.sample import MaskEntry

REDACTED_TEXT = "redacted"
INTEGER_PATTERN = r"U?(TINY|SMALL|BIG)INT|U?INTEGER"
DATE_PATTERN = r"DATE|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?"
NUMBER_PATTERN = rf"{INTEGER_PATTERN}|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)"


@dataclass(frozen=True, kw_only=True)
class MaskKind:
    """A kind of mask.

    Attributes:
        type_pattern: A pattern of supported DuckDB types; None for any.
        type_description: The same in words.
        one_to_one: Whether different values stay different, so that keys and references survive.
        secret: Whether it depends on the secret.
        options: Required options in ``sandbox.toml``.
    """

    type_pattern: str | None
    type_description: str
    one_to_one: bool = False
    secret: bool = True
    options: tuple[str, ...] = ()

    def can_mask(self, engine_type: str) -> bool:
        """Return whether the mask supports a column type."""
        return self.type_pattern is None or re.fullmatch(self.type_pattern, engine_type) is not None


MASK_KINDS = {
    "none": MaskKind(type_pattern=None, type_description="any type", one_to_one=True, secret=False),
    "null": MaskKind(type_pattern=None, type_description="any type", secret=False),
    "redact": MaskKind(type_pattern="VARCHAR", type_description="text", secret=False),
    "hash": MaskKind(type_pattern="VARCHAR|BLOB", type_description="text or bytes", one_to_one=True),
    "key": MaskKind(
        type_pattern=rf"{INTEGER_PATTERN}|DECIMAL\(\d+,0\)|VARCHAR|UUID",
        type_description="integers, decimals without a fraction, text or UUIDs",
        one_to_one=True,
    ),
    "email": MaskKind(type_pattern="VARCHAR", type_description="text"),
    "name": MaskKind(type_pattern="VARCHAR", type_description="text"),
    "phone": MaskKind(type_pattern="VARCHAR", type_description="text"),
    "text": MaskKind(type_pattern="VARCHAR", type_description="text"),
    "date_shift": MaskKind(type_pattern=DATE_PATTERN, type_description="dates or timestamps", options=("days",)),
    "noise": MaskKind(type_pattern=NUMBER_PATTERN, type_description="numbers", options=("relative",)),
    "bucket": MaskKind(type_pattern=NUMBER_PATTERN, type_description="numbers", secret=False, options=("width",)),
}

TextMask = Callable[[bytes, "Sequence[str]"], list[str]]
TEXT_MASKS: dict[str, TextMask] = {
    "hash": fakes.hash_texts,
    "key": keys.mask_keys,
    "email": fakes.mask_emails,
    "name": fakes.mask_names,
    "phone": phones.mask_phones,
    "text": texts.mask_texts,
}


def build_mask_function(mask: MaskEntry, engine_type: str, secret: bytes) -> Callable[..., pa.Array]:
    """Return the function that masks a column's values; for ``date_shift``, of the values and the unit numbers.

    Args:
        mask: Its kind is neither ``none``, ``null`` nor ``redact``, which need no function.
        engine_type: The column's type, supported by the kind.
        secret: The key's bytes; unused by unkeyed kinds.
    """
    key = derive_key(secret, mask.kind)
    match mask.kind:
        case "date_shift":
            days = mask.days or 0
            return lambda values, units: numbers_and_dates.shift_dates(key, values, units, days)
        case "noise":
            relative = mask.relative or 0.0
            return lambda values: numbers_and_dates.add_noise(key, values, relative)
        case "bucket":
            width = Fraction(str(mask.width))
            return lambda values: numbers_and_dates.bucket_numbers(values, width)
        case _:
            return _build_value_function(mask.kind, engine_type, key)


def _build_value_function(kind: str, engine_type: str, key: bytes) -> Callable[[pa.Array], pa.Array]:
    if engine_type == "BLOB":
        return lambda values: _map_distinct_values(values, lambda distinct: fakes.hash_bytes(key, distinct))
    if engine_type == "UUID":
        return lambda values: _map_distinct_values(
            values, lambda distinct: uuids.mask_uuids(keys.derive_uuid_key(key), distinct)
        )
    if engine_type == "VARCHAR":
        change = TEXT_MASKS[kind]
        return lambda values: _map_distinct_values(values, lambda distinct: change(key, distinct))
    int_key = keys.derive_integer_key(key)
    if engine_type.startswith("DECIMAL"):
        return lambda values: _map_distinct_values(values, lambda distinct: _mask_decimals(int_key, distinct))
    if engine_type == "UBIGINT":
        return lambda values: _map_numbers(
            values, lambda distinct: integers.mask_magnitudes(int_key, distinct), np.uint64
        )
    return lambda values: _map_numbers(values, lambda distinct: integers.mask_signed(int_key, distinct), np.int64)


def _map_distinct_values(values: pa.Array, change: Callable[[list[Any]], list[Any]]) -> pa.Array:
    """Apply a function to each distinct value once."""
    encoded = values.dictionary_encode()
    changed = pa.array(change(encoded.dictionary.to_pylist()), values.type)
    return changed.take(encoded.indices)


def _mask_decimals(key: bytes, values: Sequence[Any]) -> list[Any]:
    kind = type(values[0]) if values else int
    return [kind(number) for number in integers.mask_integers(key, [int(value) for value in values])]


def _map_numbers(values: pa.Array, change: Callable[[Any], Any], wide: type) -> pa.Array:
    mask = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    plain = values.fill_null(0) if values.null_count else values
    changed = change(plain.to_numpy(zero_copy_only=False).astype(wide))
    return pa.array(changed.astype(values.type.to_pandas_dtype()), values.type, mask=mask)
