"""The kinds of masks: which types of columns each takes, and what it does to a column's values.

Every mask is a pure function of a secret, its options and the values (a shift: and the numbers of the units), from
Arrow array to Arrow array of the same type and length; NULL stays NULL.
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
from sandbox.masking.prf import subkey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.config.settings import Mask

REDACTED = "redacted"
INTEGER = r"U?(TINY|SMALL|BIG)INT|U?INTEGER"
MOMENT = r"DATE|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?"
NUMBER = rf"{INTEGER}|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a kind of mask takes and is.

    Attributes:
        types: A pattern of the engine's names of types; None for any.
        fits: The same in words.
        one_to_one: Whether different values stay different, so that keys and references survive.
        secret: Whether it depends on the secret.
        options: The options of ``sandbox.toml`` that it needs.
    """

    types: str | None
    fits: str
    one_to_one: bool = False
    secret: bool = True
    options: tuple[str, ...] = ()

    def takes(self, engine_type: str) -> bool:
        """Say whether columns of a type can have this mask."""
        return self.types is None or re.fullmatch(self.types, engine_type) is not None


KINDS = {
    "none": Kind(types=None, fits="any type", one_to_one=True, secret=False),
    "null": Kind(types=None, fits="any type", secret=False),
    "redact": Kind(types="VARCHAR", fits="text", secret=False),
    "hash": Kind(types="VARCHAR|BLOB", fits="text or bytes", one_to_one=True),
    "key": Kind(
        types=rf"{INTEGER}|DECIMAL\(\d+,0\)|VARCHAR|UUID",
        fits="integers, decimals without a fraction, text or UUIDs",
        one_to_one=True,
    ),
    "email": Kind(types="VARCHAR", fits="text"),
    "name": Kind(types="VARCHAR", fits="text"),
    "phone": Kind(types="VARCHAR", fits="text"),
    "text": Kind(types="VARCHAR", fits="text"),
    "date_shift": Kind(types=MOMENT, fits="dates or timestamps", options=("days",)),
    "noise": Kind(types=NUMBER, fits="numbers", options=("relative",)),
    "bucket": Kind(types=NUMBER, fits="numbers", secret=False, options=("width",)),
}

Texts = Callable[[bytes, "Sequence[str]"], list[str]]
TEXTS: dict[str, Texts] = {
    "hash": fakes.hashed,
    "key": keys.masked,
    "email": fakes.emails,
    "name": fakes.names,
    "phone": phones.masked,
    "text": texts.masked,
}


def function(mask: Mask, engine_type: str, secret: bytes) -> Callable[..., pa.Array]:
    """Give the function that masks the values of a column: of the values, and for ``date_shift`` the units' numbers.

    Args:
        mask: Its kind is neither ``none``, ``null`` nor ``redact``, which need no function.
        engine_type: The column's type, which the kind takes.
        secret: The key's bytes; not used by kinds that do without.
    """
    key = subkey(secret, mask.kind)
    match mask.kind:
        case "date_shift":
            days = mask.days or 0
            return lambda values, units: numbers_and_dates.shifted(key, values, units, days)
        case "noise":
            relative = mask.relative or 0.0
            return lambda values: numbers_and_dates.noisy(key, values, relative)
        case "bucket":
            width = Fraction(str(mask.width))
            return lambda values: numbers_and_dates.bucketed(values, width)
        case _:
            return _of_values(mask.kind, engine_type, key)


def _of_values(kind: str, engine_type: str, key: bytes) -> Callable[[pa.Array], pa.Array]:
    if engine_type == "BLOB":
        return lambda values: _distinct(values, lambda ones: fakes.hashed_bytes(key, ones))
    if engine_type == "UUID":
        return lambda values: _distinct(values, lambda ones: uuids.masked(keys.of_uuids(key), ones))
    if engine_type == "VARCHAR":
        change = TEXTS[kind]
        return lambda values: _distinct(values, lambda ones: change(key, ones))
    own = keys.of_integers(key)
    if engine_type.startswith("DECIMAL"):
        return lambda values: _distinct(values, lambda ones: _decimals(own, ones))
    if engine_type == "UBIGINT":
        return lambda values: _numbers(values, lambda ones: integers.masked_magnitudes(own, ones), np.uint64)
    return lambda values: _numbers(values, lambda ones: integers.masked_signed(own, ones), np.int64)


def _distinct(values: pa.Array, change: Callable[[list[Any]], list[Any]]) -> pa.Array:
    """Change each distinct value once."""
    encoded = values.dictionary_encode()
    changed = pa.array(change(encoded.dictionary.to_pylist()), values.type)
    return changed.take(encoded.indices)


def _decimals(key: bytes, values: Sequence[Any]) -> list[Any]:
    kind = type(values[0]) if values else int
    return [kind(one) for one in integers.masked(key, [int(value) for value in values])]


def _numbers(values: pa.Array, change: Callable[[Any], Any], wide: type) -> pa.Array:
    mask = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    plain = values.fill_null(0) if values.null_count else values
    changed = change(plain.to_numpy(zero_copy_only=False).astype(wide))
    return pa.array(changed.astype(values.type.to_pandas_dtype()), values.type, mask=mask)
