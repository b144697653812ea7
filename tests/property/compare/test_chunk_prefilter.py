"""Random changes of Parquet files, each found by the comparison of column chunks, or no change of a value.

Arrow reads the files, independently: of the rows that the prefilter sets aside, both sides hold the same ones, and every
row with another value at its position is left. Where the counts are asked for, they are those of the comparison without
this stage.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import random
import shutil
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare import OutputRules, compare_tables, prefilter
from sandbox.compare.chunks import chunk_prefilter
from sandbox.compare.chunks.aligned_tables import align_tables
from sandbox.compare.columns import match_columns
from sandbox.compare.reading import parquet_reader, table_reader
from sandbox.compare.reading.table_reader import TableReader, build_compared_columns
from sandbox.compare.relations import SIDES
from sandbox.compare.rows import detail_sample
from sandbox.compare.rows.row_matching import ComparisonPlan, create_value_views
from sandbox.engine.duckdb.session import Session
from sandbox.errors import DataRuleError, SourceError
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.compare.relations import SideName, SideRows
    from sandbox.manifest.diff import OutputDiff

CHANGES = int(os.environ.get("CHUNK_CHANGES", "500"))
PARTS = 10
COUNTED = 25
"""Of so many changes one is also compared from start to finish, with and without the stage."""
EPOCH = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - a column without a zone
LIMIT = 2**28


def build_table(chance: random.Random, rows: int) -> pa.Table:
    """Return a table of a unique whole number and columns of many types."""

    def fill(make: Any, nulls: float = 0.1) -> list[Any]:
        return [None if chance.random() < nulls else make() for _ in range(rows)]

    columns = {
        "whole": pa.array(fill(functools.partial(chance.randrange, 5)), pa.int32()),
        "float": pa.array(fill(lambda: chance.choice([0.0, -0.0, float("nan"), 1.5, 1e300])), pa.float64()),
        "text": pa.array(fill(lambda: chance.choice(["", "a", "b" * 20, "é"])), pa.string()),
        "long": pa.array([f"{chance.random()}" for _ in range(rows)], pa.string()),
        "day": pa.array(fill(lambda: dt.date(2024, 1, chance.randrange(1, 9))), pa.date32()),
        "moment": pa.array(fill(lambda: EPOCH + dt.timedelta(seconds=chance.randrange(9))), pa.timestamp("us")),
        "price": pa.array(fill(lambda: Decimal(chance.randrange(400)) / 100), pa.decimal128(9, 2)),
        "flag": pa.array(fill(lambda: chance.random() < 0.5), pa.bool_()),
        "list": pa.array(fill(lambda: [chance.randrange(3)] * chance.randrange(3)), pa.list_(pa.int16())),
        "pair": pa.array(fill(lambda: {"x": chance.randrange(3), "y": None}), pa.struct({"x": pa.int8(), "y": pa.string()})),
    }  # fmt: skip
    chosen = chance.sample(sorted(columns), chance.randrange(1, 5))
    return pa.table({"id": pa.array(range(rows), pa.int64()), **{name: columns[name] for name in chosen}})


def choose_layout(chance: random.Random) -> dict[str, Any]:
    """Return how a file is written."""
    return {
        "row_group_size": chance.choice([7, 40, 1000]),
        "compression": chance.choice(["none", "snappy", "zstd"]),
        "use_dictionary": chance.random() < 0.5,
        "data_page_size": chance.choice([64, 1 << 20]),
        "write_batch_size": chance.choice([8, 1024]),
        "write_statistics": chance.random() < 0.5,
        "data_page_version": chance.choice(["1.0", "2.0"]),
        "store_schema": chance.random() < 0.7,
    }


def change_value(chance: random.Random, table: pa.Table) -> pa.Table:
    """Return the table with one value from another row, or NULL."""
    name = chance.choice(table.column_names)
    values = table[name].to_pylist()
    values[chance.randrange(len(values))] = None if chance.random() < 0.3 else chance.choice(values)
    return table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))


def change_type(chance: random.Random, table: pa.Table) -> pa.Table:
    """Return the table with one column of another type: of equal bytes, of equal values, or neither."""
    name = chance.choice(table.column_names)
    column, type_ = table[name].combine_chunks(), table.schema.field(name).type
    reread = {
        pa.int32(): [pa.date32(), pa.uint32()],
        pa.int64(): [pa.timestamp("us"), pa.timestamp("ms"), pa.uint64(), pa.duration("s")],
        pa.timestamp("us"): [pa.int64(), pa.timestamp("ms"), pa.timestamp("us", "UTC")],
        pa.date32(): [pa.int32()],
        pa.string(): [pa.binary()],
    }
    cast = {pa.int32(): [pa.int64()], pa.string(): [pa.large_string()], pa.decimal128(9, 2): [pa.decimal128(12, 3)]}
    views, casts = reread.get(type_, []), cast.get(type_, [])
    if not views + casts:
        return change_value(chance, table)
    chosen = chance.choice(views + casts)
    reinterpreted = chosen in views and not pa.types.is_binary(chosen)
    column = column.view(chosen) if reinterpreted else column.cast(chosen)
    return table.set_column(table.column_names.index(name), name, column)


def change_everywhere(chance: random.Random, table: pa.Table) -> pa.Table:
    """Return the table with another text of one length in place of one, wherever it is: only a dictionary changes."""
    if "text" not in table.column_names:
        return change_value(chance, table)
    old, new = chance.choice([("a", "c"), ("b" * 20, "d" * 20)])
    values = [new if value == old else value for value in table["text"].to_pylist()]
    return table.set_column(table.column_names.index("text"), "text", pa.array(values, pa.string()))


def change_order(chance: random.Random, table: pa.Table) -> pa.Table:
    """Return the table with two rows in each other's place."""
    order = list(range(table.num_rows))
    first, second = chance.sample(order, 2)
    order[first], order[second] = second, first
    return table.take(order)


def change_count(chance: random.Random, table: pa.Table) -> pa.Table:
    """Return the table with a row less, or with one twice, at the end or anywhere."""
    place = chance.choice([table.num_rows - 1, chance.randrange(table.num_rows)])
    again = chance.choice([0, 2])
    return pa.concat_tables([table.slice(0, place), *[table.slice(place, 1)] * again, table.slice(place + 1)])


def change_columns(chance: random.Random, table: pa.Table) -> pa.Table:
    """Return the table with one column less, or the columns in another order."""
    names = table.column_names
    return table.select(names[:-1] if chance.random() < 0.5 else ["id", *reversed(names[1:])])


def write_file(chance: random.Random, table: pa.Table, path: Path, layout: dict[str, Any]) -> None:
    if chance.random() < 0.15:
        duckdb.from_arrow(table).write_parquet(str(path), row_group_size=2048)
    else:
        pq.write_table(table, path, **layout)


def write_pair(chance: random.Random, folder: Path) -> tuple[TableFiles, TableFiles]:
    """Write two tables, one of them with one change."""
    table = build_table(chance, chance.choice([3, 50, 300]))
    if chance.random() < 0.1:
        table = pa.concat_tables([table, table.slice(0, 1)])  # its key repeats
    layout = choose_layout(chance)
    change = chance.choice(
        [
            change_value,
            change_value,
            change_everywhere,
            change_type,
            change_order,
            change_count,
            change_columns,
            None,
            None,
        ]
    )
    changed = change(chance, table) if change else table
    other = {**layout, **{name: value for name, value in choose_layout(chance).items() if chance.random() < 0.2}}
    sides = []
    parts = chance.choice([1, 1, 3])
    for side, rows, how in zip(SIDES, (table, changed), (layout, layout if change else other), strict=True):
        place = folder / side
        place.mkdir()
        size = -(-rows.num_rows // parts)
        state = chance.getstate()
        for part in range(parts):
            write_file(chance, rows.slice(part * size, size), place / f"part-{part}.parquet", how)
        if change:
            chance.setstate(state)  # the same writers for both sides
        paths = tuple(sorted(place.iterdir()))
        sides.append(TableFiles(name="t", format="parquet", paths=paths))
    return sides[0], sides[1]


def read_rows(table: TableFiles, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the rows as texts of their values, by Arrow."""
    rows = [row for path in table.paths for row in pq.ParquetFile(path).read().to_pylist()]
    return [tuple(_show(row[name]) for name in names) for row in rows]


def _show(value: Any) -> str:
    if isinstance(value, float):
        return repr(value + 0.0)  # there is one zero
    if isinstance(value, Decimal):
        return repr(value.normalize())
    return repr(value)


def read_remaining(session: Session, plan: ComparisonPlan, rows: SideRows) -> dict[SideName, list[dict[str, Any]]]:
    """Return the rows that are not set aside, by side; none at all where Python has no such dates."""
    left: dict[SideName, list[dict[str, Any]]] = {}
    for side in SIDES:
        names = ", ".join(plan.list_raw_names(side))
        remaining = session.connection.sql(f"select {names} from {rows[side]}").to_arrow_table()
        assert remaining.num_rows == rows[side].rows
        try:
            left[side] = remaining.to_pylist()
        except OverflowError:
            return {}
    return left


def check_pair(session: Session, chance: random.Random, tables: tuple[TableFiles, TableFiles], *, key: bool) -> bool:
    """Check what the stage leaves of two tables, and return whether it set anything aside."""
    with (
        mock.patch.object(chunk_prefilter, "MAX_REMAINING_SHARE", 1.0),
        mock.patch.object(chunk_prefilter, "_MIN_PROBED_ROWS", 10**9),
    ):
        reader = TableReader(session, SourceError)
        try:
            shapes = reader.open_tables(dict(zip(SIDES, tables, strict=True)))
        except SourceError:  # files of one table with types that none holds together
            return False
        found = match_columns(shapes["baseline"].names, shapes["candidate"].names, OutputRules())
        try:
            columns = build_compared_columns(session, shapes, found, OutputRules(), SourceError)
        except SourceError:  # durations and numbers
            return False
        own = tuple(column for column in columns if column.name == "id") if key else ()
        plan = ComparisonPlan(columns=tuple(columns), key=own, one_in=chance.choice([None, 4]))
        all_rows = create_value_views(session, plan, shapes)
        aligned = align_tables(reader.parquet_sources, shapes, columns)
        assert aligned is not None
        given = chunk_prefilter.exclude_unchanged_rows(session, plan, all_rows, aligned, memory=LIMIT, doing="")
        if given is None:
            return False
        left = read_remaining(session, plan, given)
        if not left:
            check_counts(tables, key=("id",) if key else None)
            return False
        names_ = tuple(column.name for column in columns)
        texts = {
            side: Counter(tuple(_show(row[column.format_raw_name(side)]) for column in columns) for row in left[side])
            for side in SIDES
        }
    rows = {side: read_rows(table, names_) for side, table in zip(SIDES, tables, strict=True)}
    if any(column.types[0] != column.types[1] for column in columns):
        check_counts(tables, key=("id",) if key else None)  # what is equal then is DuckDB's to say
        return False
    aside = {side: Counter(rows[side]) - texts[side] for side in SIDES}
    for side in SIDES:
        assert not texts[side] - Counter(rows[side]), "rows that are not there"
    assert aside["baseline"] == aside["candidate"]
    if own:
        place = names_.index("id")
        for side in SIDES:
            assert len({row[place] for row in rows[side]}) == len(rows[side]), "a key that repeats"
    return sum(texts["candidate"].values()) < len(rows["candidate"])


def compare(tables: tuple[TableFiles, TableFiles], key: tuple[str, ...] | None) -> OutputDiff:
    """Compare two tables with the prefilters in use."""
    with mock.patch.object(detail_sample, "MAX_SAMPLE_ROWS", 1):
        return compare_tables(
            {"t": tables[0]},
            {"t": tables[1]},
            rules={"t": OutputRules(key=key)},
            units={},
            identical=(),
            memory=LIMIT,
            threads=1,
            progress=SilentProgress(),
            origin="tables",
        )["t"]


REREAD = [
    (pa.timestamp("us"), pa.timestamp("ms")),
    (pa.timestamp("us"), pa.timestamp("us", "UTC")),
    (pa.int64(), pa.timestamp("us")),
    (pa.int64(), pa.uint64()),
    (pa.int32(), pa.date32()),
    (pa.int32(), pa.time32("ms")),
    (pa.decimal128(9, 2), pa.decimal128(9, 3)),
    (pa.string(), pa.binary()),
]


@pytest.mark.parametrize(("first", "second"), REREAD, ids=str)
def test_equal_bytes_of_other_types_are_compared_by_value(
    first: pa.DataType, second: pa.DataType, tmp_path: Path
) -> None:
    values = pa.array(["a", "b"]) if first == pa.string() else pa.array([1, 2], pa.int64())
    number = values if pa.types.is_decimal(first) or first == pa.string() else values.cast(f"int{first.bit_width}")
    columns = [_reinterpret(number, type_) for type_ in (first, second)]
    tables = []
    for side, column in zip(SIDES, columns, strict=True):
        path = tmp_path / f"{side}.parquet"
        pq.write_table(pa.table({"v": column}), path, coerce_timestamps=None)
        tables.append(TableFiles(name="t", format="parquet", paths=(path,)))
    with Session(threads=1) as session:
        reader = TableReader(session, SourceError)
        shapes = reader.open_tables(dict(zip(SIDES, tables, strict=True)))
        found = match_columns(shapes["baseline"].names, shapes["candidate"].names, OutputRules())
        compared = build_compared_columns(session, shapes, found, OutputRules(), SourceError)
        aligned = align_tables(reader.parquet_sources, shapes, compared)
    assert aligned is not None
    assert list(aligned.ranges) == [frozenset(compared)]


def _reinterpret(values: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(type_):
        return pa.Array.from_buffers(type_, len(values), values.cast(pa.decimal128(19, 0)).buffers())
    return values.cast(type_) if pa.types.is_string(type_) or pa.types.is_binary(type_) else values.view(type_)


@pytest.fixture(autouse=True)
def _read_by_arrow() -> Iterator[None]:
    """Small files are described by Arrow, as large ones are."""
    with mock.patch.object(parquet_reader, "read_flat_schema", return_value=None):
        yield


@pytest.mark.parametrize("part", range(PARTS))
def test_no_change_is_set_aside(part: int, tmp_path: Path) -> None:
    aside = 0
    with Session(threads=1) as session:
        for number in range(part, CHANGES, PARTS):
            chance = random.Random(number)
            folder = tmp_path / f"{number}"
            folder.mkdir()
            tables = write_pair(chance, folder)
            key = chance.random() < 0.7
            try:
                aside += check_pair(session, chance, tables, key=key)
                if number % COUNTED == 0:
                    check_counts(tables, key=("id",) if key else None)
            except AssertionError as error:
                error.add_note(f"change {number}")
                raise
            shutil.rmtree(folder)
    assert aside > CHANGES // PARTS // 3


def check_counts(tables: tuple[TableFiles, TableFiles], *, key: tuple[str, ...] | None) -> None:
    """Check that a comparison finds the same with the stage, without it, and of stored tables."""
    try:
        with mock.patch.object(chunk_prefilter, "MAX_REMAINING_SHARE", 1.0):
            found = compare(tables, key)
        with mock.patch.object(prefilter.Prefilter, "_exclude_unchanged_rows", return_value=None):
            expected = compare(tables, key)
        with mock.patch.object(table_reader, "MIN_WIDE_COLUMNS", 1):
            stored = compare(tables, key)
    except (SourceError, DataRuleError):  # no comparison, such as of keys in other units of time
        return
    assert found == expected == stored
