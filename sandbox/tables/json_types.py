"""The types of the columns of JSON files, by which outputs are classified and compared."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_literal
from sandbox.engine.duckdb.table_functions import build_table_function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.model import TableFiles

JSON_FORMATS = frozenset({"json", "jsonl"})
_WORDS_OF_TEXTS = re.compile(r"\b(?:DATE|TIME_NS|TIMESTAMP(?:_S|_MS|_NS| WITH TIME ZONE)?|TIME|UUID)\b(?!\")")


def infer_json_types(session: Session, tables: Sequence[TableFiles], *, doing: str) -> dict[str, str]:
    """Return the types that DuckDB finds; texts that look like dates or UUIDs stay texts."""
    paths = tuple(path for table in tables for path in table.paths)
    function = build_table_function(dataclasses.replace(tables[0], paths=paths))
    described = session.fetch_rows(f"describe select * from {function}", doing=doing)
    return {name: _WORDS_OF_TEXTS.sub("VARCHAR", type_) for name, type_, *_ in described}


def render_columns_option(types: Mapping[str, str]) -> str:
    """Return the option of the JSON reader that fixes the types, with a comma before it.

    With it, the reader refuses objects with repeated members; without, it takes one of them.
    """
    given = ", ".join(f"{quote_literal(name)}: {quote_literal(type_)}" for name, type_ in types.items())
    return f", columns = {{{given}}}"
