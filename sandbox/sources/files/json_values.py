"""Check that values of JSON files keep their digits and their notation in the types that DuckDB infers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.number_text import build_exact_double_condition
from sandbox.error_text import describe_foreign_error
from sandbox.errors import SourceError
from sandbox.formatting import format_count
from sandbox.sources.files.csv_schema import DATE_PATTERN, TIME_PATTERN, ZONE_PATTERN
from sandbox.sources.files.file_errors import JSON_HINT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.table import SourceTable

JsonForm = Literal["newline_delimited", "array"]
BATCH_ROWS = 10_000
BLOCK_BYTES = 1 << 20
MAX_DECIMAL_DIGITS = 38
LONG_NUMBER = r"[:\[,]\s*(-?\d(?:[\d.]{15,}|[\d.]*[eE][+-]?\d+)(?:[eE][+-]?\d+)?)"
INEXACT_TYPES = re.compile(r"DOUBLE|FLOAT|JSON")
# How values of a type are written; others stay text.
NOTATIONS = {
    "DATE": DATE_PATTERN,
    "TIME": r"\d\d:\d\d:\d\d(\.\d{1,6})?",
    "TIMESTAMP": DATE_PATTERN + TIME_PATTERN,
    "TIMESTAMP WITH TIME ZONE": DATE_PATTERN + TIME_PATTERN + ZONE_PATTERN,
    "UUID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}


def detect_form(files: Sequence[SourceFile]) -> JsonForm:
    """Return whether files hold lines of objects or an array of objects, by their first character.

    Raises:
        SourceError: Some hold lines and some arrays, or an array does not end.
    """
    forms = {file: _detect_file_form(file) for file in files}
    first = forms[files[0]]
    for file, form in forms.items():
        if form != first:
            raise SourceError(
                f"{file.path} holds {_describe_form(form)}, and {files[0].path} {_describe_form(first)}",
                hint="the files of a table have one form; write them again, or move some out of the folder",
            )
    return first


def _describe_form(form: JsonForm) -> str:
    return "an array" if form == "array" else "one object a line"


def _detect_file_form(file: SourceFile) -> JsonForm:
    try:
        with file.open_decompressed() as stream:
            head = stream.read(BLOCK_BYTES)
            start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
            if start != b"[":
                return "newline_delimited"
            end = head
            while block := stream.read(BLOCK_BYTES):
                end = end[-1:] + block if block.strip() else end
    except (OSError, EOFError) as error:
        raise SourceError(f"{file.path} cannot be read: {describe_foreign_error(error)}") from error
    if end.rstrip()[-1:] != b"]":
        raise SourceError(f"{file.path}: the array does not end, so the file is not complete", hint=JSON_HINT)
    return "array"


def find_long_number(document: str) -> str:
    """Build the SQL condition for a document with a number that a DOUBLE does not hold.

    A text with such a number in it counts as well.
    """
    condition = build_exact_double_condition("number")
    numbers = f"regexp_extract_all({document}::varchar, '{LONG_NUMBER}', 1)"
    return (
        f"(regexp_matches({document}::varchar, '{LONG_NUMBER}') and "
        f"len(list_filter({numbers}, lambda number: not coalesce({condition}, false))) > 0)"
    )


def choose_exact_types(
    session: Session, table: SourceTable, columns: Sequence[str], texts: str, objects: str, *, long: bool
) -> dict[str, str]:
    """Return the columns that stay text, because a type would change how a value is written.

    Args:
        session: The query engine.
        table: The table with its inferred types.
        columns: The columns whose types were inferred.
        texts: SELECT of all columns as text.
        objects: SQL for the FROM clause: the documents, as ``json``.
        long: Whether some document may hold a number that a DOUBLE does not hold.

    Raises:
        SourceError: A column holds such a number.
    """
    if long:
        _check_long_numbers(session, table, columns, objects)
    noted = {name: NOTATIONS[table.columns[name]] for name in columns if table.columns[name] in NOTATIONS}
    if not noted:
        return {}
    tests = ", ".join(
        f"coalesce(bool_and(regexp_full_match({quote_identifier(name)}, '{pattern}')), true)"
        for name, pattern in noted.items()
    )
    [kept] = session.fetch_rows(f"select {tests} from ({texts})", doing=f"reading the column types of {table.name}")
    return {name: "VARCHAR" for name, is_kept in zip(noted, kept, strict=True) if not is_kept}


def _check_long_numbers(session: Session, table: SourceTable, columns: Sequence[str], objects: str) -> None:
    """Check that no column of floating-point numbers or documents holds a number with too many digits."""
    inexact = {name for name in columns if INEXACT_TYPES.search(table.columns[name])}
    if not inexact:
        return
    held: dict[str, _LongNumbers] = {}
    for document in _read_documents(session, objects):
        for name, value in document.items():
            if name in inexact:
                for number in _walk_numbers(value):
                    held[name] = held.get(name, _LongNumbers()).include(number)
    for name, numbers in held.items():
        if not numbers.count:
            continue
        how = format_count(numbers.count, "number")
        kind = numbers.choose_type() if table.columns[name] == "DOUBLE" else None
        hint = f'{quote_key(name)} = "{kind}" in [tables.{quote_key(table.name)}.types]' if kind else ""
        raise SourceError(
            f"{table.files[0].path}: {name} holds {how} with more digits than a DOUBLE keeps",
            hint=f"fix a type that does: {hint}"
            if hint
            else f'leave the column out: leave_out = ["{name}"] in [tables.{quote_key(table.name)}]',
        )


def _read_documents(session: Session, objects: str) -> Iterator[dict[str, Any]]:
    query = f"select json::varchar as document from {objects} where {find_long_number('json')}"
    for batch in session.fetch_batches(query, size=BATCH_ROWS, doing="reading the column types"):
        for text in batch.column(0).to_pylist():
            yield json.loads(text, parse_int=_Number, parse_float=_Number)


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _walk_numbers(value: Any) -> Iterator[_Number]:
    if isinstance(value, _Number):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _walk_numbers(item)


@dataclass(frozen=True, kw_only=True)
class _LongNumbers:
    """Numbers of a column that a DOUBLE does not hold, and the digits that all of its long numbers need."""

    count: int = 0
    whole: int = 1
    scale: int = 0

    def include(self, text: _Number) -> _LongNumbers:
        digits, exponent = Decimal(text).as_tuple()[1:]
        assert isinstance(exponent, int)
        return _LongNumbers(
            count=self.count + (not _is_exact_double(text)),
            whole=max(self.whole, len(digits) + exponent),
            scale=max(self.scale, -exponent),
        )

    def choose_type(self) -> str | None:
        """Return the decimal type of the numbers; None if there is none."""
        if self.whole + self.scale > MAX_DECIMAL_DIGITS:
            return None
        return f"DECIMAL({MAX_DECIMAL_DIGITS},{self.scale})"


def _is_exact_double(text: str) -> bool:
    """Check what `sandbox.engine.sql.number_text.build_exact_double_condition` checks.

    >>> [_is_exact_double(text) for text in ("0.10000000000000001", "12345678901234567.01", "1e400", "0.30000000000000004")]
    [True, False, False, True]
    """
    value = float(text)
    written = _strip_digits(text)
    return value not in (float("inf"), float("-inf")) and written in {
        _strip_digits(shown) for shown in (repr(value), f"{value:.15e}", f"{value:.16e}")
    }


def _strip_digits(text: str) -> str:
    mantissa = re.split("[eE]", text)[0]
    return re.sub("[-.]", "", mantissa).strip("0")
