"""Content digests of tables: equal for equal values, independent of row order, file layout and query engine.

Each row is written as one unambiguous text. The digest hashes the columns' names and kinds, the number of rows, and the
sums of the upper and lower halves of the texts' MD5. Docs: docs/formats.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.sql.type_names import parse_field_types, parse_item_type
from sandbox.manifest.canonical_json import hash_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.engine.duckdb.session import Session

RowSums = tuple[int, int, int]
"""Number of rows, and the sums of the upper and lower halves of their texts' MD5."""

NULL_TEXT = "~"
INTEGER_TYPES = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
}  # fmt: skip
TYPE_KINDS = {
    "FLOAT": "float", "DOUBLE": "float", "BOOLEAN": "boolean", "VARCHAR": "text", "JSON": "text", "DATE": "date",
    "TIME": "time", "UUID": "uuid", "BLOB": "bytes", "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp_ns", "TIMESTAMP WITH TIME ZONE": "instant",
}  # fmt: skip
# SQL for the text of a value, by plain kind.
VALUE_TEXT_SQL = {
    "float": "(({0})::double + 0)::varchar",  # −0 is 0
    "timestamp": "epoch_us({0})::varchar",
    "instant": "epoch_us({0})::varchar",
    "timestamp_ns": "epoch_ns({0})::varchar",
    "text": "length({0}) || ':' || ({0})",
    "bytes": "hex({0})",
    "integer": "({0})::varchar",
    "boolean": "({0})::varchar",
    "date": "({0})::varchar",
    "time": "({0})::varchar",
    "uuid": "({0})::varchar",
}


def compute_content_digest(session: Session, relation: str, columns: Mapping[str, str]) -> str:
    """Return the digest (hex) of a relation's rows.

    ``relation`` is SQL valid after ``from``; ``columns`` are its columns and DuckDB types, in any order.
    """
    return combine_row_sums(columns, [compute_row_sums(session, relation, columns)])


def compute_row_sums(session: Session, relation: str, columns: Mapping[str, str]) -> RowSums:
    """Return the sums of some of a relation's rows, for `combine_row_sums`."""
    texts = [
        f"coalesce({build_text_sql(quote_identifier(name), columns[name])}, '{NULL_TEXT}')" for name in sorted(columns)
    ]
    row = "concat_ws('|', " + ", ".join(texts) + ")"
    rows, upper, lower = session.fetch_rows(
        f"select count(*), coalesce(sum((h >> 64)::ubigint), 0)::varchar, "
        f"coalesce(sum((h & 18446744073709551615::uhugeint)::ubigint), 0)::varchar "
        f"from (select md5_number({row}) as h from {relation})",
        doing="the content digest",
    )[0]
    return rows, int(upper), int(lower)


def combine_row_sums(columns: Mapping[str, str], parts: Iterable[RowSums]) -> str:
    """Return the digest (hex) of rows summed in parts.

    >>> combine_row_sums({"a": "INTEGER"}, [(1, 5, 7), (2, 1, 1)]) == combine_row_sums({"a": "BIGINT"}, [(3, 6, 8)])
    True
    """
    kinds = [[name, classify_type(columns[name])] for name in sorted(columns)]
    rows, upper, lower = (sum(values) for values in zip((0, 0, 0), *parts, strict=True))
    return hash_json({"columns": kinds, "rows": rows, "sums": [str(upper), str(lower)]})


def classify_type(engine_type: str) -> str:
    """Return the kind of a DuckDB type, without its width.

    >>> classify_type("INTEGER"), classify_type("DECIMAL(10,2)"), classify_type("STRUCT(b DATE, a FLOAT)[]")
    ('integer', 'decimal(2)', 'list<struct<a:float,b:date>>')
    """
    if engine_type in INTEGER_TYPES:
        return "integer"
    if match := re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", engine_type):
        return f"decimal({match[1]})"
    if (item := parse_item_type(engine_type)) is not None:
        return f"list<{classify_type(item)}>"
    if (fields := parse_field_types(engine_type)) is not None:
        opened = "map" if engine_type.startswith("MAP") else "struct"
        return f"{opened}<{','.join(f'{name}:{classify_type(field_type)}' for name, field_type in sorted(fields.items()))}>"
    return TYPE_KINDS.get(engine_type, engine_type)


def build_text_sql(value: str, engine_type: str, depth: int = 0) -> str:
    """Return SQL for the text of a value, unique within its kind; NULL for NULL."""
    template = VALUE_TEXT_SQL.get(classify_type(engine_type))
    return template.format(value) if template else _build_nested_text_sql(value, engine_type, depth)


def _build_nested_text_sql(value: str, engine_type: str, depth: int) -> str:
    variable = f"v{depth}"
    if (item := parse_item_type(engine_type)) is not None:
        inner = f"coalesce({build_text_sql(variable, item, depth + 1)}, '{NULL_TEXT}')"
        return f"'[' || array_to_string(list_transform(({value}), lambda {variable}: {inner}), ',') || ']'"
    fields = parse_field_types(engine_type)
    if fields is not None and engine_type.startswith("MAP"):
        pair = f"STRUCT(key {fields['key']}, value {fields['value']})"
        inner = build_text_sql(variable, pair, depth + 1)
        pairs = f"list_sort(list_transform(map_entries({value}), lambda {variable}: {inner}))"
        return f"'[' || array_to_string({pairs}, ',') || ']'"
    if fields is not None:
        parts = [
            f"coalesce({build_text_sql(f'struct_extract({value}, {quote_literal(name)})', field_type, depth)}, '{NULL_TEXT}')"
            for name, field_type in sorted(fields.items())
        ]
        joined = ", ',', ".join(parts)
        return f"case when ({value}) is not null then concat('{{', {joined}, '}}') end"
    return f"length(({value})::varchar) || ':' || ({value})::varchar"
