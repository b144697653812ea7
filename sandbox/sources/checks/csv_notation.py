"""Find columns of CSV files that would be numbers or dates with a setting of ``csv``, from all their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.config.toml_quoting import quote_key, quote_text
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.sql.type_names import FLOAT_TYPES
from sandbox.sources.registry import build_select, get_adapter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable

NULL_TEXTS = ("NA", "N/A", "n/a", "NULL", "null", "None", "nan", "NaN", "-", "--", "?", "\\N", "#N/A")
DATE_FORMATS = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p",
)  # fmt: skip
# Numbers with another notation than 1234.5: the settings, the pattern of all values, and a value that shows the notation.
NUMBER_NOTATIONS: tuple[tuple[dict[str, str], str, str], ...] = (
    ({}, r"-?\d+(\.\d+)?([eE][+-]?\d+)?", r".*"),
    ({"decimal": ","}, r"-?\d+(,\d+)?", r".*,(\d{1,2}|\d{4,})"),
    ({"decimal": ",", "thousands": "."}, r"-?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?", r".*\.\d{3},.*|.*\.\d{3}\.\d{3}.*"),
    ({"thousands": ","}, r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?", r".*,\d{3}\..*|.*,\d{3},\d{3}.*"),
    ({"decimal": ",", "thousands": " "}, r"-?(\d{1,3}( \d{3})+|\d+)(,\d+)?", r".* \d{3}.*"),
)
COLUMNS_PER_QUERY = 20


@dataclass(frozen=True, kw_only=True)
class NotationHint:
    """A setting with which a column would be read as numbers or dates.

    Attributes:
        column: The column.
        settings: Keys of ``csv`` and their values.
        reason: What its values are.
    """

    column: str
    settings: dict[str, Any]
    reason: str

    @property
    def toml(self) -> str:
        """The setting as TOML."""
        return render_csv_settings(self.settings)


def find_notation_hints(session: Session, table: SourceTable) -> list[NotationHint]:
    """Return the settings for columns of text of a CSV table; none for other tables.

    All values of a column have to fit. A column with dates that fit two formats has no hint.
    """
    if not get_adapter(table).has_header_line or not table.rows:
        return []
    texts = [name for name, kind in table.columns.items() if kind == "VARCHAR"]
    has_points = any(kind in FLOAT_TYPES for kind in table.columns.values())
    hints = []
    for start in range(0, len(texts), COLUMNS_PER_QUERY):
        some = texts[start : start + COLUMNS_PER_QUERY]
        aggregates = [sql for name in some for sql in _build_aggregates(name)]
        [row] = session.fetch_rows(
            f"select {', '.join(aggregates)} from ({build_select(table)})", doing=f"looking through {table.name}"
        )
        size = len(row) // len(some)
        for place, name in enumerate(some):
            hint = _judge_column(name, row[place * size : (place + 1) * size], has_points=has_points)
            hints += [hint] if hint is not None else []
    return hints


def _build_aggregates(name: str) -> list[str]:
    column = quote_identifier(name)
    nulls = ", ".join(map(quote_literal, NULL_TEXTS))
    filled = f"{column} <> '' and {column} not in ({nulls})"
    counts = [f"count_if({filled})", f"list(distinct {column}) filter ({column} in ({nulls}))"]
    for _, pattern, sign in NUMBER_NOTATIONS:
        counts.append(f"count_if({filled} and regexp_full_match({column}, {quote_literal(pattern)}))")
        counts.append(f"count_if({filled} and regexp_full_match({column}, {quote_literal(sign)}))")
    counts.append(f"count_if({filled} and regexp_full_match({column}, '0\\d+'))")
    iso = f"regexp_full_match({column}, '\\d{{4}}-\\d\\d-\\d\\d.*') and try_cast({column} as timestamp) is not null"
    counts.append(f"count_if({filled} and {iso})")
    counts += [
        f"count_if({filled} and try_strptime({column}, {quote_literal(form)}) is not null)" for form in DATE_FORMATS
    ]
    return counts


def _judge_column(name: str, cells: Sequence[Any], *, has_points: bool) -> NotationHint | None:
    filled, nulls = cells[0], sorted(cells[1] or ())
    if not filled:
        return None
    numbers, rest = cells[2 : 2 + 2 * len(NUMBER_NOTATIONS)], cells[2 + 2 * len(NUMBER_NOTATIONS) :]
    leading_zeros, iso, dates = rest[0], rest[1], rest[2:]
    found: dict[str, Any] | None = None
    what = ""
    if not leading_zeros:
        for (settings, _, _), fitting, shown in zip(NUMBER_NOTATIONS, numbers[::2], numbers[1::2], strict=True):
            if fitting == filled and shown and (settings or nulls) and not (has_points and "decimal" in settings):
                found, what = dict(settings), "numbers"
                break
    formats = [form for form, count in zip(DATE_FORMATS, dates, strict=True) if count == filled]
    if found is None and iso == filled and nulls:
        found, what = {}, "dates"
    if found is None and len(formats) == 1:
        found, what = {"date_format": {name: formats[0]}}, "dates"
    if found is None:
        return None
    if nulls:
        found["null"] = {name: nulls}
    beside = f" beside {', '.join(nulls)}" if nulls else ""
    return NotationHint(column=name, settings=found, reason=f"{name} holds {what}{beside}")


def merge_hints(hints: Sequence[NotationHint]) -> dict[str, Any]:
    """Return the settings of several columns of one table; of contradicting ones the first counts."""
    merged: dict[str, Any] = {}
    for hint in hints:
        for key, value in hint.settings.items():
            if isinstance(value, dict):
                merged[key] = merged.get(key, {}) | value
            else:
                merged.setdefault(key, value)
    return merged


def render_csv_settings(settings: dict[str, Any]) -> str:
    """Return settings of ``csv`` as an inline table of TOML.

    >>> print(render_csv_settings({"decimal": ",", "null": {"v": ["-"]}}))
    { decimal = ",", null = { v = ["-"] } }
    """
    parts = (f"{quote_key(key)} = {_render_value(value)}" for key, value in settings.items())
    return f"{{ {', '.join(parts)} }}"


def _render_value(value: Any) -> str:
    if isinstance(value, dict):
        return render_csv_settings(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_render_value, value))}]"
    return quote_text(value)
