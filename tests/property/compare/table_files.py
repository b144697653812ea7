"""Writes generated tables as the files that a pipeline would leave, and tells the oracle what is in them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc, orc

from tests.property.compare.column_types import ColumnType, build_array
from tests.property.compare.oracle import (
    NS_OF_DAY,
    Interval,
    Labelled,
    Map,
    Row,
    Single,
    Struct,
    Table,
    Tick,
    Value,
    canonicalize,
    read_texts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Format: TypeAlias = Literal["parquet", "csv", "jsonl", "json", "duckdb", "arrow", "orc"]
FORMATS: tuple[Format, ...] = ("parquet", "csv", "jsonl", "json", "duckdb", "arrow", "orc")
TEXT_FORMATS: frozenset[Format] = frozenset({"csv", "jsonl", "json"})
JSON_FORMATS: frozenset[Format] = frozenset({"jsonl", "json"})
ONE_FILE_FORMATS: frozenset[Format] = frozenset({"duckdb", "json", "arrow", "orc"})
"""Formats whose tables are generated as one file only."""


@dataclass(frozen=True)
class Part:
    """One file of a table."""

    names: tuple[str, ...]
    types: tuple[ColumnType, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Layout:
    """How files are written; nothing of it is a difference."""

    compression: str = "snappy"
    dictionary: bool = True
    row_group_rows: int = 1000
    quote_all: bool = False
    newline: str = "\n"
    omit_nulls: bool = False
    packing: Literal["", ".gz", ".zst"] = ""


@dataclass(frozen=True)
class Side:
    """One side's table; several parts are a folder of files."""

    format: Format
    parts: tuple[Part, ...]
    layout: Layout = Layout()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of all parts, in the order in which they first appear."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.names))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all parts, with NULL in columns that a part lacks."""
        return tuple(
            tuple(row[part.names.index(name)] if name in part.names else None for name in self.names)
            for part in self.parts
            for row in part.rows
        )

    def find_types(self, name: str) -> list[ColumnType]:
        """Return a column's types, one a part that has it."""
        return [part.types[part.names.index(name)] for part in self.parts if name in part.names]


def write_sides(sides: Mapping[str, Side], folder: Path) -> dict[str, Path]:
    """Write the tables of some sides; return each one's file, or the folder of several. Databases share one file."""
    databases = {name: side for name, side in sides.items() if side.format == "duckdb"}
    if databases:
        _write_duckdb(databases, folder / "tables.duckdb")
    return {
        name: folder / "tables.duckdb" if side.format == "duckdb" else _write_side(side, folder, name)
        for name, side in sides.items()
    }


def _write_side(side: Side, folder: Path, name: str) -> Path:
    suffix = f".{side.format}" + (side.layout.packing if side.format in TEXT_FORMATS else "")
    if len(side.parts) == 1:
        path = folder / f"{name}{suffix}"
        _write_part(side.parts[0], side, path)
        return path
    path = folder / name
    path.mkdir()
    for number, part in enumerate(side.parts):
        _write_part(part, side, path / f"part-{number}{suffix}")
    return path


def _write_part(part: Part, side: Side, path: Path) -> None:
    if side.format == "parquet":
        _write_parquet(part, side.layout, path)
    elif side.format in {"arrow", "orc"}:
        _write_arrow(part, side.format, path)
    else:
        _write_text(_render_text(part, side), path, side.layout.packing)


def _render_text(part: Part, side: Side) -> str:
    if side.format == "csv":
        records: list[Row] = [part.names, *part.rows]
        lines = [",".join(_quote_field(cell, side.layout) for cell in record) for record in records]
        return "".join(line + side.layout.newline for line in lines)
    lines = ["{" + ", ".join(_write_members(part, row, side.layout)) + "}" for row in part.rows]
    return "".join(line + "\n" for line in lines) if side.format == "jsonl" else "[" + ",\n".join(lines) + "]"


def _write_text(text: str, path: Path, packing: str) -> None:
    data = text.encode()
    if packing:
        data = gzip.compress(data) if packing == ".gz" else pa.Codec("zstd").compress(data, asbytes=True)
    path.write_bytes(data)


def _build_table(part: Part) -> pa.Table:
    types = [type_.arrow for type_ in part.types]
    columns = [build_array([row[place] for row in part.rows], type_) for place, type_ in enumerate(types)]
    schema = pa.schema([pa.field(name, type_) for name, type_ in zip(part.names, types, strict=True)])
    return pa.Table.from_arrays(columns, schema=schema)


def _write_arrow(part: Part, format_: Format, path: Path) -> None:
    table = _build_table(part)
    if format_ == "orc":
        orc.write_table(table, str(path))
        return
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)


def _write_parquet(part: Part, layout: Layout, path: Path) -> None:
    pq.write_table(
        _build_table(part),
        path,
        compression=layout.compression,
        use_dictionary=layout.dictionary,
        row_group_size=layout.row_group_rows,
        use_deprecated_int96_timestamps=any(type_.int96 for type_ in part.types),
    )


def _quote_field(cell: Value, layout: Layout) -> str:
    if cell is None:
        return ""
    assert isinstance(cell, str)
    if layout.quote_all or cell == "" or any(sign in cell for sign in ',"\r\n') or cell != cell.strip():
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _write_members(part: Part, row: Row, layout: Layout) -> list[str]:
    return [
        f"{json.dumps(name)}: {cell if isinstance(cell, str) else 'null'}"
        for name, cell in zip(part.names, row, strict=True)
        if cell is not None or not (layout.omit_nulls and _has_value(part, name))
    ]


def _has_value(part: Part, name: str) -> bool:
    """Check whether a column would still be there if its NULLs were left out."""
    place = part.names.index(name)
    return any(row[place] is not None for row in part.rows)


def _write_duckdb(sides: Mapping[str, Side], path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'; begin")
        for table, side in sides.items():
            [part] = side.parts
            columns = ", ".join(f"{_quote_name(n)} {t.duckdb}" for n, t in zip(part.names, part.types, strict=True))
            connection.execute(f"create table {_quote_name(table)} ({columns})")
            if part.rows:
                rows = ", ".join(f"({', '.join(_cast_cells(part, row))})" for row in part.rows)
                connection.execute(f"insert into {_quote_name(table)} values {rows}")
        connection.execute("commit")


def _cast_cells(part: Part, row: Row) -> list[str]:
    return [
        f"cast({write_sql(cell)} as {str(type_.duckdb).partition(' COLLATE')[0]})"
        for cell, type_ in zip(row, part.types, strict=True)
    ]


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def write_sql(value: Value) -> str:  # noqa: C901, PLR0911, PLR0912 -- one a kind
    """Return an SQL expression that becomes a value when it is cast to the type of its column."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case Single():
            return f"'{value.number!r}'"
        case int() | float():
            return f"'{value!r}'"
        case Decimal():
            return f"'{value:f}'"
        case str():
            return " || chr(0) || ".join("'" + piece.replace("'", "''") + "'" for piece in value.split("\0"))
        case bytes():
            return f"from_hex('{value.hex()}')"
        case Tick():
            return f"'{write_tick(value)}'"
        case Labelled():
            return f"'{value.text}'"
        case Interval():
            return f"(to_months({value.months}) + to_days({value.days}) + to_microseconds({value.us}))"
        case Map():
            return "MAP {" + ", ".join(f"{write_sql(k)}: {write_sql(v)}" for k, v in value.pairs) + "}"
        case Struct():
            if [name for name, _ in value.fields] in (["num"], ["str"]):
                return f"union_value({value.fields[0][0]} := {write_sql(value.fields[0][1])})"
            return "{" + ", ".join(f"'{name}': {write_sql(item)}" for name, item in value.fields) + "}"
        case tuple():
            return "[" + ", ".join(map(write_sql, value)) + "]"


def write_tick(tick: Tick) -> str:
    """Return the ISO text of a date or time."""
    seconds, ns = divmod(tick.ns % NS_OF_DAY if tick.of == "time" else tick.ns, 10**9)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    if tick.of == "date":
        return f"{moment:%Y-%m-%d}".rjust(10, "0")
    if tick.of == "time":
        return f"{moment:%H:%M:%S}.{ns:09d}"
    text = f"{moment:%Y-%m-%d %H:%M:%S}".rjust(19, "0") + f".{ns:09d}".rstrip("0").rstrip(".")
    return text + "+00" if tick.of == "instant" else text


def describe_tables(baseline: Side, candidate: Side) -> tuple[Table, Table]:
    """Return what two sides' files hold; the values of text formats are those that both sides' texts together mean."""
    sides = [Table(side.names, side.rows) for side in (baseline, candidate)]
    if baseline.format in TEXT_FORMATS:
        for name in dict.fromkeys((*baseline.names, *candidate.names)):
            sides = _read_column(sides, name, baseline.format)
    return _widen_singles(sides[0], baseline), _widen_singles(sides[1], candidate)


def _read_column(sides: Sequence[Table], name: str, format_: Format) -> list[Table]:
    texts = [row[side.names.index(name)] for side in sides if name in side.names for row in side.rows]
    given = [text if isinstance(text, str) else None for text in texts]
    values = iter(read_texts(given) if format_ == "csv" else _read_jsons(given))
    return [
        replace(side, rows=tuple(_put(row, side.names.index(name), next(values)) for row in side.rows))
        if name in side.names
        else side
        for side in sides
    ]


def _put(row: Row, place: int, value: Value) -> Row:
    return (*row[:place], value, *row[place + 1 :])


def _read_jsons(texts: Sequence[str | None]) -> list[Value]:
    """Return the values of a column of JSON: numbers as texts of numbers mean, all else as it is."""
    numbers = [text for text in texts if text is not None and text[0] in "-0123456789"]
    if len(numbers) == sum(text is not None for text in texts):
        return read_texts(texts)
    return [None if text is None else _freeze(json.loads(text, parse_float=Decimal)) for text in texts]


def _freeze(document: object) -> Value:
    if isinstance(document, list):
        return tuple(map(_freeze, document))
    if isinstance(document, dict):
        return Struct(tuple((str(name), _freeze(item)) for name, item in document.items()))
    assert document is None or isinstance(document, bool | int | Decimal | str)
    return document


def _widen_singles(table: Table, side: Side) -> Table:
    """Return a table whose single-precision numbers are doubles, in columns where some file holds doubles."""
    wide = [len({type_.name for type_ in side.find_types(name)}) > 1 for name in table.names]
    if not any(wide):
        return table
    rows = tuple(
        tuple(v.number if w and isinstance(v, Single) else v for v, w in zip(row, wide, strict=True))
        for row in table.rows
    )
    return replace(table, rows=rows)


def find_distinct(values: Sequence[Value]) -> list[Value]:
    """Return one of each of the values that are equal."""
    return list({canonicalize(value): value for value in values}.values())
