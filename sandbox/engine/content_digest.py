"""The content digest of a table: equal for equal values, whatever the order of rows, the files or the engine.

Each row becomes one text in which every column is unambiguous; the MD5 of the texts are added up in two halves, and
what is hashed in the end is the columns' names and kinds, the number of rows and the two sums. Docs: docs/formats.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import literal, quote
from sandbox.engine.sql.type_names import fields_of, item_of
from sandbox.manifest.canonical_json import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.engine.duckdb.session import Session

Sums = tuple[int, int, int]
"""How many rows, and the sums of the upper and the lower halves of their texts' MD5."""

NULL = "~"
INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
}  # fmt: skip
KINDS = {
    "FLOAT": "float", "DOUBLE": "float", "BOOLEAN": "boolean", "VARCHAR": "text", "JSON": "text", "DATE": "date",
    "TIME": "time", "UUID": "uuid", "BLOB": "bytes", "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp_ns", "TIMESTAMP WITH TIME ZONE": "instant",
}  # fmt: skip
# The SQL of the text of a value of each plain kind.
TEXTS = {
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


def content_digest(session: Session, relation: str, columns: Mapping[str, str]) -> str:
    """Give the digest (hex) of a relation's rows.

    Args:
        session: Where to compute it.
        relation: SQL that can stand after ``from``.
        columns: Its columns and the engine's names of their types; their order does not matter.
    """
    return combined(columns, [sums(session, relation, columns)])


def sums(session: Session, relation: str, columns: Mapping[str, str]) -> Sums:
    """Give what the digest needs of some of a relation's rows (see `content_digest` and `combined`)."""
    texts = [f"coalesce({text(quote(name), columns[name])}, '{NULL}')" for name in sorted(columns)]
    row = "concat_ws('|', " + ", ".join(texts) + ")"
    rows, upper, lower = session.rows(
        f"select count(*), coalesce(sum((h >> 64)::ubigint), 0)::varchar, "
        f"coalesce(sum((h & 18446744073709551615::uhugeint)::ubigint), 0)::varchar "
        f"from (select md5_number({row}) as h from {relation})",
        doing="the content digest",
    )[0]
    return rows, int(upper), int(lower)


def combined(columns: Mapping[str, str], parts: Iterable[Sums]) -> str:
    """Give the digest (hex) of rows that were summed in parts, wherever.

    >>> combined({"a": "INTEGER"}, [(1, 5, 7), (2, 1, 1)]) == combined({"a": "BIGINT"}, [(3, 6, 8)])
    True
    """
    kinds = [[name, kind(columns[name])] for name in sorted(columns)]
    rows, upper, lower = (sum(one) for one in zip((0, 0, 0), *parts, strict=True))
    return digest({"columns": kinds, "rows": rows, "sums": [str(upper), str(lower)]})


def kind(engine_type: str) -> str:
    """Give the kind of a type: what it is, whatever its width.

    >>> kind("INTEGER"), kind("DECIMAL(10,2)"), kind("STRUCT(b DATE, a FLOAT)[]")
    ('integer', 'decimal(2)', 'list<struct<a:float,b:date>>')
    """
    if engine_type in INTEGERS:
        return "integer"
    if match := re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", engine_type):
        return f"decimal({match[1]})"
    if (item := item_of(engine_type)) is not None:
        return f"list<{kind(item)}>"
    if (fields := fields_of(engine_type)) is not None:
        opened = "map" if engine_type.startswith("MAP") else "struct"
        return f"{opened}<{','.join(f'{name}:{kind(one)}' for name, one in sorted(fields.items()))}>"
    return KINDS.get(engine_type, engine_type)


def text(value: str, engine_type: str, depth: int = 0) -> str:
    """Give the SQL of the text of a value that no other value of its kind has; NULL where the value is NULL."""
    template = TEXTS.get(kind(engine_type))
    return template.format(value) if template else _nested(value, engine_type, depth)


def _nested(value: str, engine_type: str, depth: int) -> str:
    variable = f"v{depth}"
    if (item := item_of(engine_type)) is not None:
        inner = f"coalesce({text(variable, item, depth + 1)}, '{NULL}')"
        return f"'[' || array_to_string(list_transform(({value}), lambda {variable}: {inner}), ',') || ']'"
    fields = fields_of(engine_type)
    if fields is not None and engine_type.startswith("MAP"):
        pair = f"STRUCT(key {fields['key']}, value {fields['value']})"
        inner = text(variable, pair, depth + 1)
        pairs = f"list_sort(list_transform(map_entries({value}), lambda {variable}: {inner}))"
        return f"'[' || array_to_string({pairs}, ',') || ']'"
    if fields is not None:
        parts = [
            f"coalesce({text(f'struct_extract({value}, {literal(name)})', one, depth)}, '{NULL}')"
            for name, one in sorted(fields.items())
        ]
        joined = ", ',', ".join(parts)
        return f"case when ({value}) is not null then concat('{{', {joined}, '}}') end"
    return f"length(({value})::varchar) || ':' || ({value})::varchar"
