"""Formatting of numbers, values and names for people, independent of the locale."""

from __future__ import annotations

import codecs
import datetime as dt
import math
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

NO_VALUE = "–"
_BYTE_UNITS = ("kB", "MB", "GB", "TB", "PB")
_VISIBLE_SYMBOLS = {"\n": "↵", "\t": "⇥"}
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
WORD_PATTERN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")


def format_number(count: int | None) -> str:
    """Return a count with thousands separators.

    >>> format_number(1234567), format_number(None)
    ('1,234,567', '–')
    """
    return NO_VALUE if count is None else f"{count:,}"


def format_count(count: int, singular: str, plural: str | None = None) -> str:
    """Return a count with its noun.

    >>> format_count(1, "row"), format_count(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{format_number(count)} {singular if count == 1 else plural or singular + 's'}"


def format_share(part: float) -> str:
    """Return a share in percent with about two digits, never rounded to 0 or 100 %.

    >>> format_share(0.02), format_share(0.00004), format_share(0.99999), format_share(1.0), format_share(0.0), format_share(0.3456)
    ('2.0 %', '0.004 %', '99.999 %', '100 %', '0 %', '34.6 %')
    """
    if part in {0.0, 1.0} or part >= 1:
        return f"{part * 100:.0f} %"
    digits = 1
    while digits < 12 and (float(f"{part * 100:.{digits}f}") in {0.0, 100.0}):
        digits += 1
    return f"{part * 100:.{digits}f} %"


def format_size(count: int | None) -> str:
    """Return a number of bytes with a unit; GB is 10⁹.

    >>> format_size(999), format_size(1_234_567_890), format_size(None)
    ('999 B', '1.2 GB', '–')
    """
    if count is None:
        return NO_VALUE
    if count < 1000:
        return f"{count} B"
    power = min(int(math.log10(count) // 3), len(_BYTE_UNITS))
    if power < len(_BYTE_UNITS) and round(count / 1000**power, 1) >= 1000:
        power += 1
    return f"{count / 1000**power:.1f} {_BYTE_UNITS[power - 1]}"


def format_duration(seconds: float | None) -> str:
    """Return a duration in readable units.

    >>> format_duration(0.004), format_duration(3.21), format_duration(125.4), format_duration(7260), format_duration(None)
    ('4 ms', '3.2 s', '2 min 5 s', '2 h 1 min', '–')
    """
    if seconds is None:
        return NO_VALUE
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def format_timestamp(written: str) -> str:
    """Return an ISO timestamp to the minute; other texts unchanged.

    >>> format_timestamp("2026-01-02T03:04:05+00:00"), format_timestamp("yesterday")
    ('2026-01-02 03:04 UTC', 'yesterday')
    """
    try:
        when = dt.datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".rstrip()


def format_change(amount: float | None) -> str:
    """Return a signed change of a number.

    >>> format_change(1234.5678), format_change(-0.25), format_change(0.0), format_change(None), format_change(3e-07)
    ('+1,234.57', '−0.25', '0', '–', '+3e-07')
    """
    if amount is None:
        return NO_VALUE
    if amount == 0:
        return "0"
    size_ = abs(amount)
    if size_ >= 1e15 or size_ < 1e-4:
        text = f"{size_:.4g}"
    else:
        digits = 2 if size_ >= 100 else 4
        text = f"{size_:,.{digits}f}".rstrip("0").rstrip(".")
    return ("+" if amount > 0 else "−") + text


def format_time_change(seconds: float | None) -> str:
    """Return a signed change of a time in the largest unit that fits.

    >>> format_time_change(-180000.0), format_time_change(90.0), format_time_change(0.25), format_time_change(0.0), format_time_change(None)
    ('−2.1 days', '+1.5 min', '+0.25 s', '0', '–')
    """
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds is not None and abs(seconds) >= length:
            return f"{'+' if seconds > 0 else '−'}{abs(seconds) / length:,.1f} {unit}"
    return f"{format_change(seconds)} s" if seconds else format_change(seconds)


def escape_hidden(text: str) -> str:
    r"""Return a text with hidden characters, line breaks and direction controls made visible.

    >>> escape_hidden("a\x00b\n"), escape_hidden("\u202egnp.exe")
    ('a⟨U+0000⟩b↵', '⟨U+202E⟩gnp.exe')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _VISIBLE_SYMBOLS.get(character, f"⟨U+{ord(character):04X}⟩")
        if unicodedata.category(character) in _HIDDEN_CATEGORIES
        else character
        for character in text
    )


class ControlFilter:
    r"""Show control characters of a stream of UTF-8 text instead of sending them to a terminal; lines and tabs stay.

    A carriage return, with which progress bars write over a line, begins a new one.

    Characters that turn the writing around are shown too. A character that is split between two chunks is kept whole.

    >>> neutralize = ControlFilter()
    >>> neutralize(b"\x1b[2Jred\r\n\xc3") + neutralize(b"\xbc \x9b1m")
    b'\xe2\x9f\xa8U+001B\xe2\x9f\xa9[2Jred\n\xc3\xbc \xef\xbf\xbd1m'
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def __call__(self, chunk: bytes) -> bytes:
        """Return the next part of the stream."""
        lines = self._decoder.decode(chunk).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return "\n".join("\t".join(map(escape_hidden, line.split("\t"))) for line in lines).encode()


def format_value(value: JsonValue) -> str:
    """Return a value of a row in one line, with hidden characters made visible.

    >>> format_value(None), format_value(""), format_value(True), format_value(12.5), format_value("a")
    ('NULL', '""', 'true', '12.5', 'a')
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return escape_hidden(value) or '""'
    return escape_hidden(str(value))


def bind_percent_signs(text: str) -> str:
    """Return a text with non-breaking spaces before percent signs.

    >>> bind_percent_signs("95 % of all") == "95\N{NO-BREAK SPACE}% of all"
    True
    """
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def truncate_text(text: str, longest: int) -> str:
    """Return a text of at most ``longest`` characters.

    >>> truncate_text("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


def format_age(moment: str, *, now: dt.datetime | None = None) -> str:
    """Return the age of an ISO timestamp in one unit.

    >>> format_age("2026-01-01T00:00:00+00:00", now=dt.datetime(2026, 1, 3, tzinfo=dt.UTC))
    '2 days ago'
    """
    seconds = ((now or dt.datetime.now(dt.UTC)) - dt.datetime.fromisoformat(moment)).total_seconds()
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return f"{format_count(int(seconds // length), unit)} ago"
    return "less than a minute ago"


def split_words(name: str) -> list[str]:
    """Split a name into words, without accents.

    >>> split_words("customerE-Mail_2"), split_words("Téléphone"), split_words("HTTPServerIP")
    (['customer', 'e', 'mail', '2'], ['telephone'], ['http', 'server', 'ip'])
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return [word.lower().replace("ß", "ss") for word in WORD_PATTERN.findall(plain.replace("ß", "ss"))]


def group_left_out_files(files: Mapping[str, str], *, most: int = 5) -> dict[str, str]:
    """Return the files of a source that are no tables: those with one reason as one entry, and the reason.

    >>> group_left_out_files({"a.pdf": "odd", "_x": "hidden", "b.pdf": "odd"}, most=1)
    {'a.pdf and 1 more': 'odd', '_x': 'hidden'}
    """
    names: dict[str, list[str]] = {}
    for name, reason in files.items():
        names.setdefault(reason, []).append(escape_hidden(name))
    groups = {}
    for reason, found in names.items():
        more = f" and {len(found) - most:,} more" if len(found) > most else ""
        groups[f"{', '.join(found[:most])}{more}"] = reason
    return groups


def describe_left_out_files(files: Mapping[str, str]) -> str:
    """Return the files of a source that are no tables, as one text.

    >>> describe_left_out_files({"a.pdf": "odd", "b.pdf": "odd", "_x": "hidden"})
    'a.pdf, b.pdf (odd); _x (hidden)'
    """
    return "; ".join(f"{names} ({reason})" for names, reason in group_left_out_files(files).items())
