"""Find unmasked columns with personal data by their names and a bounded number of values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.config import toml_quoting
from sandbox.config.unit_membership import resolve_unit_membership
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import ConfigError
from sandbox.formatting import format_count
from sandbox.masking.detect.column_names import classify_column_name, classify_name_parts, names_image_of_person
from sandbox.masking.detect.value_patterns import classify_binary_values, classify_values, measure_share_made_from_names
from sandbox.masking.kinds import MASK_KINDS
from sandbox.sources.registry import build_select, get_adapter, translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.config.settings import Settings
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.table import SourceTable

MAX_VALUES = 1000  # values read per column
MAX_VALUE_LENGTH = 500  # characters read per value
RANGES_PER_FILE = 3  # ranges read per table: its first, middle and last files, or parts of its only file
MAX_COLUMNS_PER_QUERY = 200
MAX_BINARY_VALUES = 50  # values whose first bytes are read
MARK_BYTES = 12
SHIFT_DAYS = 30
MIN_MADE_SHARE = 0.5
TEXT_TYPES = re.compile(r"VARCHAR|JSON|BLOB|.*[)\]]", re.DOTALL)
WHOLE_NUMBER_TYPES = re.compile(r"U?(BIG|HUGE)?INT|U?INTEGER|DECIMAL\(\d+,0\)")
DATE_TYPES = re.compile(r"DATE|TIMESTAMP.*")
# Column types besides text that can hold personal data of a kind.
TYPES_BY_MEANING = {
    "phone": WHOLE_NUMBER_TYPES,
    "national id": WHOLE_NUMBER_TYPES,
    "bank account": WHOLE_NUMBER_TYPES,
    "birth date": DATE_TYPES,
}
# Suitable masks, best first; "null" fits every type.
MASKS_BY_MEANING = {
    "email": ("email",), "phone": ("phone", "key"), "name": ("name",), "birth date": ("date_shift",),
    "bank account": ("key",), "national id": ("key",), "IP address": ("hash",), "address": ("text",),
    "user name": ("key",), "password": ("redact",), "text with names": ("text",), "image": ("null",),
}  # fmt: skip
PHRASES_BY_MEANING = {
    "email": "e-mail addresses", "phone": "telephone numbers", "name": "names of people", "birth date": "birth dates",
    "bank account": "account or card numbers", "national id": "national ids of people", "IP address": "IP addresses",
    "address": "addresses of people", "user name": "user names", "password": "passwords",
    "text with names": "names of people in texts", "image": "images or documents of people",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PersonalColumn:
    """A column that seems to hold personal data.

    Attributes:
        table, column: The column.
        reason: End of a sentence about it.
        mask_line: Suggested TOML line for the table's masks.
    """

    table: str
    column: str
    reason: str
    mask_line: str


def find_personal_columns(
    session: Session,
    settings: Settings,
    tables: Mapping[str, SourceTable],
    masks: Mapping[str, Mapping[str, MaskEntry]],
) -> tuple[PersonalColumn, ...]:
    """Find columns with personal data and no mask, in the order of tables and columns.

    Deterministic for the same files. Reads a bounded number of rows per table.
    """
    suspects = []
    session.execute("set preserve_insertion_order = true")  # first rows must be the same in every run
    for name, table in tables.items():
        ruled = masks.get(name, {})
        open_ones = [column for column, kind in table.columns.items() if column not in ruled and _can_be_personal(kind)]
        looked_at = [column for column in open_ones if _has_recognisable_values(table.columns[column])]
        named = [
            column
            for column, kind in table.columns.items()
            if column in ruled and _is_text(kind) and _names_person(column, table)
        ]
        values = _read_values(session, table, [*looked_at, *named])
        images = _find_images(session, table, open_ones)
        found = {column: _classify_column(column, table, values.get(column, [])) for column in open_ones}
        made = _find_columns_made_from_names(table, values, [column for column in open_ones if not found[column]])
        for column in open_ones:
            if judged := images.get(column) or found[column] or made.get(column):
                what, why = judged
                proposed = _suggest_mask(settings, name, column, table.columns[column], what)
                suspects.append(
                    PersonalColumn(
                        table=name,
                        column=column,
                        reason=why,
                        mask_line=f"{toml_quoting.quote_key(column)} = {proposed}",
                    )
                )
    session.execute("set preserve_insertion_order = false")
    return tuple(suspects)


def list_hidden_columns(
    masks: Mapping[str, Mapping[str, MaskEntry]], suspects: Sequence[PersonalColumn]
) -> dict[str, frozenset[str]]:
    """Return for each table the columns whose values no message may show: masked, or personal without a rule."""
    hidden = {table: {name for name, mask in ruled.items() if mask.kind != "none"} for table, ruled in masks.items()}
    for one in suspects:
        hidden.setdefault(one.table, set()).add(one.column)
    return {table: frozenset(columns) for table, columns in hidden.items()}


def check_personal_columns(suspects: Sequence[PersonalColumn], settings: Settings) -> None:
    """Check that no column with personal data lacks a mask.

    Raises:
        ConfigError: Names every such column; the hint holds the lines to add.
    """
    if not suspects:
        return
    count = format_count(len(suspects), "column looks", "columns look")
    lines = [f"  {suspect.table}.{suspect.column}: {suspect.reason}" for suspect in suspects]
    has = "has" if len(suspects) == 1 else "have"
    raise ConfigError(
        "\n".join([f"{count} personal and {has} no mask:", *lines]),
        hint='add these lines to sandbox.toml, with "none" for what may stay as it is:\n'
        + format_mask_rules(suspects, settings),
    )


def format_mask_rules(suspects: Sequence[PersonalColumn], settings: Settings) -> str:
    """Return the suggested masks as TOML; existing sections are named in comments."""
    sections: dict[str, list[str]] = {}
    for suspect in suspects:
        sections.setdefault(suspect.table, []).append(suspect.mask_line)
    parts = []
    for table, lines in sections.items():
        header = f"[tables.{toml_quoting.quote_key(table)}.mask]"
        parts += [f"# in {header}, which is there:" if settings.tables[table].mask else header, *lines]
    return "\n".join(parts)


def format_warning(suspect: PersonalColumn) -> str:
    """Return the sentence for a plan."""
    return (
        f"{suspect.table}.{suspect.column} looks personal: {suspect.reason}; a sample needs a rule in "
        f"[tables.{toml_quoting.quote_key(suspect.table)}.mask]: {suspect.mask_line}"
    )


def _can_be_personal(engine_type: str) -> bool:
    return any(pattern.fullmatch(engine_type) for pattern in (TEXT_TYPES, WHOLE_NUMBER_TYPES, DATE_TYPES))


def _has_recognisable_values(engine_type: str) -> bool:
    """Check whether values of a type can be classified: texts, and integers such as card numbers."""
    return _is_text(engine_type) or WHOLE_NUMBER_TYPES.fullmatch(engine_type) is not None


def _is_text(engine_type: str) -> bool:
    return engine_type != "BLOB" and TEXT_TYPES.fullmatch(engine_type) is not None and "DECIMAL" not in engine_type[:7]


def _find_images(session: Session, table: SourceTable, columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the binary columns with images or documents of people, and the evidence."""
    named = [name for name in columns if table.columns[name] == "BLOB" and names_image_of_person(name, table.name)]
    found = {}
    for name in named:
        column = quote_identifier(name)
        starts: list[bytes] = []
        with translate_file_errors(table.format, table.files):
            for relation, limit in _list_value_relations(table):
                rows = session.fetch_rows(
                    f"select unhex(left(hex({column}), {2 * MARK_BYTES})) from ({relation}) "
                    f"where octet_length({column}) > 0 limit {min(limit, MAX_BINARY_VALUES)}",
                    doing=f"looking at values of {table.name}",
                )
                starts += [start for (start,) in rows]
        if what := classify_binary_values(starts):
            found[name] = ("image", f"its values are {what}")
    return found


def _classify_column(column: str, table: SourceTable, values: Sequence[str]) -> tuple[str, str] | None:
    """Classify a column by its values, or by its name if the values do not contradict it."""
    if shown := classify_values(values):
        return shown
    what = classify_column_name(column, table.name) or classify_name_parts(column, table.columns)
    engine_type = table.columns[column]
    if what is None or not (_is_text(engine_type) or TYPES_BY_MEANING.get(what, TEXT_TYPES).fullmatch(engine_type)):
        return None
    if _is_text(engine_type) and _has_contradicting_values(what, [value for value in values if value.strip()]):
        return None
    return what, f"by its name it holds {PHRASES_BY_MEANING[what]}"


def _names_person(column: str, table: SourceTable) -> bool:
    return "name" in (classify_column_name(column, table.name), classify_name_parts(column, table.columns))


def _find_columns_made_from_names(
    table: SourceTable, values: Mapping[str, Sequence[str]], columns: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Return text columns whose values are made from the names in the table's other columns, and the evidence."""
    names = {
        column: texts
        for column, texts in values.items()
        if _is_text(table.columns[column]) and _names_person(column, table)
    }
    made = {}
    for column in columns:
        others = {name: texts for name, texts in names.items() if name != column}
        if not others or not _is_text(table.columns[column]) or column not in values:
            continue
        share = measure_share_made_from_names(values[column], [text for texts in others.values() for text in texts])
        if share >= MIN_MADE_SHARE:
            made[column] = (
                "user name",
                f"{100 * share:.0f} % of its values are made from names in {', '.join(others)}",
            )
    return made


def _has_contradicting_values(what: str, values: Sequence[str]) -> bool:
    """Check whether the values contradict the kind of data in the column's name."""
    tests = {
        "email": lambda text: "@" in text or " " not in text,
        "phone": lambda text: sum(letter.isdigit() for letter in text) >= 5,
        "birth date": lambda text: any(letter.isdigit() for letter in text),
        "IP address": lambda text: "." in text or ":" in text,
        "name": lambda text: any(letter.isalpha() for letter in text),
        "bank account": lambda text: sum(letter.isdigit() for letter in text) >= 8,
        "national id": lambda text: sum(letter.isdigit() for letter in text) >= 5,
    }
    return bool(values) and what in tests and sum(map(tests[what], values)) < len(values) / 10


def _read_values(session: Session, table: SourceTable, columns: Sequence[str]) -> dict[str, list[str]]:
    """Read some distinct values of each column, truncated."""
    values: dict[str, list[str]] = {}
    for start in range(0, len(columns), MAX_COLUMNS_PER_QUERY):
        some = columns[start : start + MAX_COLUMNS_PER_QUERY]
        texts = ", ".join(f"left({quote_identifier(column)}::varchar, {MAX_VALUE_LENGTH})" for column in some)
        rows: list[tuple[str | None, ...]] = []
        with translate_file_errors(table.format, table.files):
            for relation, limit in _list_value_relations(table):
                rows += session.fetch_rows(
                    f"select {texts} from ({relation}) limit {limit}",
                    doing=f"looking at values of {table.name}",
                )
        for column, ones in zip(some, zip(*rows, strict=True), strict=False):
            values[column] = [text for text in ones if text is not None]
    return values


def _list_value_relations(table: SourceTable) -> list[tuple[str, int]]:
    """Return the relations to read values from, with the number of rows for each."""
    if not table.files:
        return []
    files = sorted({0, len(table.files) // 2, len(table.files) - 1})
    if len(files) > 1 or not get_adapter(table).has_dense_row_numbers or table.rows <= MAX_VALUES:
        return [(build_select(table, [file]), -(-MAX_VALUES // len(files))) for file in files]
    number = quote_identifier("place of the row")
    step = MAX_VALUES // RANGES_PER_FILE
    rows = build_select(table, [0], number="place of the row")
    starts = [(table.rows - step) * index // (RANGES_PER_FILE - 1) for index in range(RANGES_PER_FILE)]
    return [(f"select * from ({rows}) where {number} between {start} and {start + step - 1}", step) for start in starts]


def _suggest_mask(settings: Settings, table: str, column: str, engine_type: str, what: str) -> str:
    """Return the TOML of a mask by the column's kind of data, type and role."""
    section = settings.tables[table]
    bound = {name for reference in section.all_references for name in reference.columns} | set(section.key or ())
    bound |= {
        name
        for other in settings.tables.values()
        for reference in other.all_references
        if reference.table == table
        for name in reference.key
    }
    if column in {stratum.column for draw in settings.sample.draws.values() for stratum in draw.strata_columns}:
        return '"none"'
    if column in bound:
        return '"key"' if MASK_KINDS["key"].can_mask(engine_type) else '"none"'
    for kind in MASKS_BY_MEANING[what]:
        if MASK_KINDS[kind].can_mask(engine_type) and (
            kind != "date_shift" or table in resolve_unit_membership(settings).units
        ):
            return f'{{ kind = "date_shift", days = {SHIFT_DAYS} }}' if kind == "date_shift" else f'"{kind}"'
    return '"null"'
