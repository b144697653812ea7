"""Detection of personal data by values: e-mail addresses, numbers with check digits, names of people. Pure."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.formatting import format_count
from sandbox.masking.names import FAMILY_NAMES, GIVEN_NAMES, MORE_GIVEN_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EMAIL_PATTERN = re.compile(r"(?<![\w.+-])[\w.+-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z]{2,24}\b(?!:)")
PHONE_PATTERN = re.compile(r"(?:\+|00)[1-9][\d\s()./-]{6,18}\d|\(\d{3}\)\s?\d{3}[-.\s]\d{4}|\d{3}[-.]\d{3}[-.]\d{4}")
CARD_PATTERN = re.compile(r"(?:3[47]\d{2}|4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6\d{3})(?:[ -]?\d{2,6}){2,3}[ -]?\d{1,4}")
IBAN_PATTERN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
SSN_PATTERN = re.compile(r"(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
DNI_PATTERN = re.compile(r"([XYZ]?\d{7,8})-?([A-Z])")
SWEDISH_ID_PATTERN = re.compile(r"(?:\d{2})?(\d{6})[-+](\d{4})")
FINNISH_ID_PATTERN = re.compile(r"(\d{6})[-+A-FU-Y](\d{3})([0-9A-Y])")
FRENCH_ID_PATTERN = re.compile(r"([12]\d{2}(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d{2}|2[AB])\d{6})(\d{2})")
ITALIAN_ID_PATTERN = re.compile(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]")
BRITISH_ID_PATTERN = re.compile(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")
PERSON_NAME_PATTERN = re.compile(r"[^\W\d_][^\W\d_'’.-]*(?:[ ,'’.-]+[^\W\d_][^\W\d_'’.-]*){0,4}\.?")
LETTER_REPLACEMENTS = str.maketrans("øłđı", "oldi")
PHONE_IN_TEXT_PATTERN = re.compile(rf"(?<![\w+.])(?:{PHONE_PATTERN.pattern})(?!\w)")
NAME_PAIR_PATTERN = re.compile(r"(?=\b([A-ZÀ-Þ][\w'’-]+) ([A-ZÀ-Þ][\w'’-]+))")
TITLE_PATTERN = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Herr|Frau|Mme|Monsieur|Madame|Señora?)\.? [A-ZÀ-Þ][\w'’-]+")
MIN_PROSE_LENGTH, MIN_PROSE_SPACES = 25, 3
PLACE_WORDS = {
    "street", "road", "avenue", "lane", "square", "station", "falls", "city", "county", "hotel", "island", "islands", "park",
    "university", "college", "school", "hospital", "airport", "bridge", "lake", "river", "beach", "church", "house", "court",
}  # fmt: skip
BINARY_MARKS = {
    "images": (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"BM", b"\x15\x1c"),
    "documents": (b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"{\\rtf"),
}
MIN_BINARY_SHARE = 0.5
MIN_MADE_VALUES, MIN_NAME_LETTERS = 10, 3
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
FINNISH_CHECK_CHARACTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def _normalize_name(name: str) -> str:
    """Return a name in lower case without accents."""
    letters = unicodedata.normalize("NFKD", name.casefold().translate(LETTER_REPLACEMENTS))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


_NORMALIZED_GIVEN_NAMES = {_normalize_name(name) for name in (*GIVEN_NAMES, *MORE_GIVEN_NAMES)}
_NORMALIZED_NAMES = (
    _NORMALIZED_GIVEN_NAMES
    | {_normalize_name(name) for name in FAMILY_NAMES}
    | {_normalize_name(name).replace("ue", "u") for name in FAMILY_NAMES}
)


@dataclass(frozen=True, kw_only=True)
class ValuePattern:
    """A pattern of personal values.

    Attributes:
        meaning: As in `sandbox.masking.detect.column_names`.
        description: Description of matching values in messages.
        test: Whether one value matches.
        min_share: The minimum share of matching values in a column.
        min_count: The minimum number of matching values.
        distinct: Whether each value counts once, so that a few codes equal to names do not match.
    """

    meaning: str
    description: str
    test: Callable[[str], bool]
    min_share: float
    min_count: int = 1
    distinct: bool = False


def classify_binary_values(starts: Sequence[bytes]) -> str | None:
    """Return what most of some binary values are, by their first bytes: ``images`` or ``documents``; None for others.

    >>> classify_binary_values([bytes.fromhex("FFD8FFE0")]), classify_binary_values([b"%PDF-1.7"]), classify_binary_values([b"x"])
    ('images', 'documents', None)
    """
    for what, marks in BINARY_MARKS.items():
        count = sum(start.startswith(marks) or _is_riff_image(start, what) for start in starts)
        if count and count >= MIN_BINARY_SHARE * len(starts):
            return what
    return None


def _is_riff_image(start: bytes, what: str) -> bool:
    return what == "images" and start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def classify_values(values: Sequence[str]) -> tuple[str, str] | None:
    """Return the meaning of values and a sentence of evidence, ignoring empty texts; None if they are not personal."""
    filled = Counter(value for value in values if value.strip())
    for pattern in VALUE_PATTERNS:
        tried = len(filled) if pattern.distinct else filled.total()
        count = sum(1 if pattern.distinct else times for value, times in filled.items() if pattern.test(value))
        if count >= pattern.min_count and count >= pattern.min_share * tried:
            noun = "different value" if pattern.distinct else "value"
            return pattern.meaning, f"{100 * count / tried:.0f} % of {format_count(tried, noun)} {pattern.description}"
    return None


def is_phone_number(value: str) -> bool:
    """Return whether a text is a telephone number in international or North American notation."""
    return PHONE_PATTERN.fullmatch(value.strip()) is not None


def is_iban(value: str) -> bool:
    """Return whether a text is an IBAN with correct check digits (ISO 13616).

    >>> is_iban("DE89 3704 0044 0532 0130 00"), is_iban("DE88 3704 0044 0532 0130 00")
    (True, False)
    """
    plain = value.replace(" ", "").upper()
    if IBAN_PATTERN.fullmatch(plain) is None:
        return False
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1


def is_card_number(value: str) -> bool:
    """Return whether a text is a payment card number: issuer, length and check digit (Luhn).

    >>> is_card_number("4111 1111 1111 1111"), is_card_number("4111 1111 1111 1112")
    (True, False)
    """
    digits = re.sub(r"[ -]", "", value.strip())
    return (
        CARD_PATTERN.fullmatch(value.strip()) is not None and 13 <= len(digits) <= 19 and has_luhn_check_digit(digits)
    )


def has_luhn_check_digit(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others (ISO 7812)."""
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


def is_ip_address(value: str) -> bool:
    """Return whether a text is an IPv4 or IPv6 address."""
    if value.count(".") != 3 and value.count(":") < 2:
        return False
    try:
        ipaddress.ip_address(value.strip())
    except ValueError:
        return False
    return True


def is_national_id(value: str) -> bool:
    """Return whether a text is a national identification number of a supported country.

    >>> [is_national_id(text) for text in ("12345678Z", "811218-9876", "131052-308T", "123-45-6789", "12345678A")]
    [True, True, True, True, False]
    """
    text = value.strip()
    return (
        SSN_PATTERN.fullmatch(text) is not None
        or BRITISH_ID_PATTERN.fullmatch(text.replace(" ", "")) is not None
        or ITALIAN_ID_PATTERN.fullmatch(text) is not None
        or any(
            test(text)
            for test in (_is_spanish_id, _is_swedish_id, _is_finnish_id, _is_french_id, _is_german_tax_number)
        )
    )


def _is_spanish_id(text: str) -> bool:
    match = DNI_PATTERN.fullmatch(text)
    if match is None or len(match[1]) != 8:
        return False
    number = match[1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return DNI_LETTERS[int(number) % 23] == match[2]


def _is_swedish_id(text: str) -> bool:
    match = SWEDISH_ID_PATTERN.fullmatch(text)
    return match is not None and _is_date(match[1], "%y%m%d") and has_luhn_check_digit(match[1] + match[2])


def _is_finnish_id(text: str) -> bool:
    match = FINNISH_ID_PATTERN.fullmatch(text)
    if match is None or not _is_date(match[1], "%d%m%y"):
        return False
    return FINNISH_CHECK_CHARACTERS[int(match[1] + match[2]) % 31] == match[3]


def _is_french_id(text: str) -> bool:
    match = FRENCH_ID_PATTERN.fullmatch(text.replace(" ", ""))
    if match is None:
        return False
    number = int(match[1].replace("2A", "19").replace("2B", "18"))
    return 97 - number % 97 == int(match[2])


def _is_german_tax_number(text: str) -> bool:
    """Return whether a text is a German tax number: eleven digits, one or two repeated among the first ten (ISO 7064)."""
    plain = text.replace(" ", "")
    if re.fullmatch(r"[1-9]\d{10}", plain) is None or not 1 <= 10 - len(set(plain[:10])) <= 2:
        return False
    product = 10
    for digit in plain[:10]:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == int(plain[10])


def _is_date(digits: str, form: str) -> bool:
    try:
        dt.datetime.strptime(digits, form).replace(tzinfo=dt.UTC)
    except ValueError:
        return False
    return True


def is_person_name(value: str) -> bool:
    """Return whether a text looks like a person's name: two to five words of letters, one of them a common given name."""
    parts = re.split(r"[ ,.-]+", value.strip().strip("."))
    if not 2 <= len(parts) <= 5 or PERSON_NAME_PATTERN.fullmatch(value.strip()) is None:
        return False
    return _normalize_name(parts[0]) in _NORMALIZED_GIVEN_NAMES or (
        "," in value and _normalize_name(parts[1]) in _NORMALIZED_GIVEN_NAMES
    )


def is_common_name(value: str) -> bool:
    """Return whether a text is a single common given or family name."""
    return _normalize_name(value.strip()) in _NORMALIZED_NAMES


def holds_phone_number(value: str) -> bool:
    """Return whether a longer text holds a telephone number in international or North American notation.

    >>> holds_phone_number("Call +49 30 1234567 after six o'clock"), holds_phone_number("1.2.840.10008.5.1.4.1.1.1.1")
    (True, False)
    """
    return len(value) >= MIN_PROSE_LENGTH and PHONE_IN_TEXT_PATTERN.search(value) is not None


def holds_person_name(value: str) -> bool:
    """Return whether a sentence names a person: a common given name and another name, or a title and a name.

    >>> holds_person_name("Call back Anna Miller on Monday"), holds_person_name("Dr. Who asked twice for it")
    (True, True)
    >>> holds_person_name("The hotel near Victoria Station is full"), holds_person_name("Anna Miller")
    (False, False)
    """
    if value.count(" ") < MIN_PROSE_SPACES:
        return False
    return TITLE_PATTERN.search(value) is not None or any(
        _normalize_name(first) in _NORMALIZED_GIVEN_NAMES and last.lower() not in PLACE_WORDS
        for first, last in NAME_PAIR_PATTERN.findall(value)
    )


def measure_share_made_from_names(values: Sequence[str], names: Sequence[str]) -> float:
    """Return the share of distinct values made from names of a table's people, such as ``von_neumann`` from Von Neumann.

    Fewer than ten values count as ten.

    >>> measure_share_made_from_names(["curie", "meitner2", "x17"], ["Curie", "Meitner"])
    0.2
    """
    known = {part for name in names for part in _split_letters(name)}
    distinct = {value for value in values if value.strip()}
    made = sum(_is_made_from(_split_letters(value), known) for value in distinct)
    return made / max(MIN_MADE_VALUES, len(distinct))


def _split_letters(value: str) -> list[str]:
    return [part for part in re.split(r"[^a-z]+", _normalize_name(value)) if len(part) >= MIN_NAME_LETTERS]


def _is_made_from(parts: Sequence[str], known: set[str]) -> bool:
    return bool(parts) and 2 * sum(part in known for part in parts) > len(parts)


VALUE_PATTERNS = (
    ValuePattern(
        meaning="email",
        description="are or hold e-mail addresses",
        test=lambda value: EMAIL_PATTERN.search(value) is not None,
        min_share=0.05,
    ),
    ValuePattern(meaning="bank account", description="are IBANs with right check digits", test=is_iban, min_share=0.2),
    ValuePattern(
        meaning="bank account",
        description="are card numbers with a right check digit",
        test=is_card_number,
        min_share=0.6,
        min_count=3,
    ),
    ValuePattern(
        meaning="national id",
        description="are national ids of people",
        test=is_national_id,
        min_share=0.8,
        min_count=3,
    ),
    ValuePattern(
        meaning="phone", description="are telephone numbers", test=is_phone_number, min_share=0.5, min_count=2
    ),
    ValuePattern(meaning="IP address", description="are IP addresses", test=is_ip_address, min_share=0.8, min_count=2),
    ValuePattern(
        meaning="phone",
        description="hold telephone numbers",
        test=holds_phone_number,
        min_share=0.05,
        min_count=2,
        distinct=True,
    ),
    ValuePattern(
        meaning="name",
        description="read like names of people",
        test=is_person_name,
        min_share=0.25,
        min_count=5,
        distinct=True,
    ),
    ValuePattern(
        meaning="name",
        description="are usual names of people",
        test=is_common_name,
        min_share=0.5,
        min_count=10,
        distinct=True,
    ),
    ValuePattern(
        meaning="text with names",
        description="name people",
        test=holds_person_name,
        min_share=0.1,
        min_count=5,
        distinct=True,
    ),
)
