"""Reads JSON documents whose numbers have more digits than DuckDB's JSON reader keeps."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.table_functions import build_objects_function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.relations import TextRows
    from sandbox.engine.duckdb.session import Session
    from sandbox.errors import SandboxError
    from sandbox.model import TableFiles

_LONG_NUMBER = r"[:\[,]\s*-?\d(?:[\d.]{15,}|[\d.]*[eE][+-]?\d{3})"
_BATCH_ROWS = 10_000


class _Number(str):
    """The digits of a number."""

    __slots__ = ()


class _RepeatedMemberError(ValueError):
    """An object has two members of one name, of which readers take either."""


def has_long_numbers(session: Session, table: TableFiles, *, doing: str) -> bool:
    """Return whether some number has more digits than a DOUBLE holds."""
    query = (
        f"select 1 from {build_objects_function(table)} t(d) where regexp_matches(d::VARCHAR, '{_LONG_NUMBER}') limit 1"
    )
    return bool(session.fetch_rows(query, doing=doing))


@dataclass(frozen=True, kw_only=True)
class DocumentTable:
    """A table of JSON files to store.

    Attributes:
        files: Its files.
        members: The members to store.
        shared: What each member is called on both sides.
        doing: The start of messages.
    """

    files: TableFiles
    members: Sequence[str]
    shared: Sequence[str]
    doing: str


def store_documents(
    session: Session, tables: Mapping[TextRows, DocumentTable], failure: type[SandboxError]
) -> frozenset[str]:
    """Store each table's members as texts, in columns ``c<n>``, and return the columns of strings by their shared names.

    Numbers, and strings, are texts if a column has nothing else in any of the tables. Other columns hold JSON, with sorted
    members and plain numbers.

    Args:
        session: The session that stores the tables.
        tables: The target of each table.
        failure: The class of errors.

    Raises:
        SandboxError: Of the given class; an object has two members of one name.
    """
    kinds: dict[str, set[str]] = defaultdict(set)
    for stored, table in tables.items():
        try:
            _store_table(session, stored, table, kinds)
        except _RepeatedMemberError as error:
            raise failure(
                f"{table.doing}: an object has two members of one name", hint="give each member a name of its own"
            ) from error
    strings = frozenset(name for name, found in kinds.items() if found == {"text"})
    for stored, table in tables.items():
        for number, name in enumerate(table.shared):
            if name in strings:
                session.execute(f"update {stored} set c{number} = (c{number}::JSON ->> '$')")
    return strings


def _store_table(session: Session, stored: TextRows, table: DocumentTable, kinds: dict[str, set[str]]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    columns = ", ".join(f"c{number} VARCHAR" for number in range(len(table.members)))
    session.execute(f"create or replace temp table {stored} ({columns})")
    parts = []
    for batch in session.fetch_batches(
        f"select d::VARCHAR from {build_objects_function(table.files)} t(d)", size=_BATCH_ROWS
    ):
        documents = [
            json.loads(text, parse_int=_Number, parse_float=_Number, object_pairs_hook=_build_object)
            for text in batch.column(0).to_pylist()
        ]
        arrays = {}
        for number, (name, shared) in enumerate(zip(table.members, table.shared, strict=True)):
            values = [document.get(name) for document in documents]
            kinds[shared] |= {_name_kind(value) for value in values if value is not None}
            arrays[f"c{number}"] = pa.array(
                [None if value is None else _write_json(value) for value in values], pa.string()
            )
        parts.append(pa.table(arrays))
    for part in parts:
        session.register_table("documents", part)
        session.execute(f"insert into {stored} select * from documents")


def _build_object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(members)
    if len(built) < len(members):
        raise _RepeatedMemberError
    return built


def _name_kind(value: Any) -> str:
    if isinstance(value, _Number):
        return "number"
    return "text" if isinstance(value, str) else "boolean" if isinstance(value, bool) else "document"


def _write_json(value: Any, *, depth: int = 0) -> str:
    """Return the JSON of a value: a number's digits as they are, inside others without what does not count."""
    if isinstance(value, _Number):
        return str(value) if depth == 0 else _shorten_number(value)
    if isinstance(value, list):
        return "[" + ",".join(_write_json(item, depth=depth + 1) for item in value) + "]"
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{_write_json(value[name], depth=depth + 1)}" for name in sorted(value))
        return "{" + ",".join(members) + "}"
    return json.dumps(value)


def _shorten_number(text: str) -> str:
    """Return one text for all ways to write a number.

    >>> _shorten_number("1.50"), _shorten_number("15e-1"), _shorten_number("-0.0")
    ('15e-1', '15e-1', '0')
    """
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    written = "".join(map(str, digits)).lstrip("0")
    short = written.rstrip("0")
    if not short:
        return "0"
    power = exponent + len(written) - len(short)
    return ("-" if sign else "") + short + (f"e{power}" if power else "")
