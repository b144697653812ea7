"""Text files as people have them: compressions, encodings, line ends, CSV settings, JSON arrays, and what is left out."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import json
import lzma
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import feather

from sandbox.config.sections.sample import TableSection
from sandbox.engine.duckdb.session import Session
from sandbox.errors import DataRuleError, SourceError
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import attach_tables, open_table
from sandbox.sources.registry import build_select
from tests.integration.sources.writers import write_workbook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINES = [(n, f"Größe {n}", n * 0.5) for n in range(5000)]
TEXT = "id,name,v\n" + "".join(f"{n},{name},{v}\n" for n, name, v in LINES)


def read_table(folder: Path, name: str = "t", **settings: Any) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    """Give the columns and rows of a table, as a session reads it that did not open it."""
    section = TableSection.model_validate(settings)
    with Session(threads=2) as session, Session(threads=2) as other:
        table = open_table(session, list_source(str(folder), base=folder), name, section)
        attach_tables(other, [table])
        rows = other.fetch_rows(build_select(table))
        assert len(rows) == table.rows
        return dict(table.columns), rows


def compress_zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return bytes(sink.getvalue())


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": compress_zstd,
}  # fmt: skip


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_believed_and_every_compression_read(tmp_path: Path, packed: str, encoding: str) -> None:
    (tmp_path / f"t.csv{packed}").write_bytes(PACKERS[packed](TEXT.encode(encoding)))
    types, rows = read_table(tmp_path)
    assert types == {"id": "BIGINT", "name": "VARCHAR", "v": "DOUBLE"}
    assert rows == LINES


@pytest.mark.parametrize("packed", PACKERS)
def test_compressed_json_lines_and_arrays_are_the_same_table(tmp_path: Path, packed: str) -> None:
    values = [{"id": n, "name": name, "v": v} for n, name, v in LINES]
    lines = "".join(json.dumps(value) + "\n" for value in values)
    for name, text in (("a.jsonl", lines), ("b.json", json.dumps(values, indent=1)), ("c.json", lines)):
        (tmp_path / f"{name}{packed}").write_bytes(PACKERS[packed](text.encode()))
    assert read_table(tmp_path, "a") == read_table(tmp_path, "b") == read_table(tmp_path, "c")
    assert sorted(read_table(tmp_path, "a")[1]) == LINES


@pytest.mark.parametrize("packed", [".bz2", ".xz", ".zst", ".gz"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_compressed_file_that_is_cut_off_is_named(tmp_path: Path, packed: str, form: str) -> None:
    whole = PACKERS[packed](TEXT.encode() if form == "csv" else b'{"id": 1, "x": "some text"}\n' * 5000)
    path = tmp_path / f"t.{form}{packed}"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError) as raised:
        read_table(tmp_path)
    assert str(path) in raised.value.message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_mixed_line_ends_are_line_ends_and_those_within_quotes_stay(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes('id,note\r\n1,a\n2,"b\r\nc"\r\n3,"d\ne"\n'.encode(encoding))
    assert read_table(tmp_path)[1] == [(1, "a"), (2, "b\r\nc"), (3, "d\ne")]
    (tmp_path / "t.csv").write_bytes("id,note\n1,a\n2,b\rc\n".encode(encoding))
    with pytest.raises(SourceError, match=r"line 3 has a carriage return \(CR\) that ends no line"):
        read_table(tmp_path)


def test_another_encoding_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("id,name\n1,café\n2,“x”\n".encode("cp1252"))
    with pytest.raises(SourceError) as raised:
        read_table(tmp_path)
    assert f"{tmp_path}/t.csv: line 2 is not UTF-8" in raised.value.message
    assert '[tables.t]: csv = { encoding = "cp1252" }' in raised.value.hint
    assert read_table(tmp_path, csv={"encoding": "windows-1252"})[1] == [(1, "café"), (2, "“x”")]
    with pytest.raises(SourceError, match="line 1 is not utf-16-le"):
        read_table(tmp_path, csv={"encoding": "utf-16-le"})


def test_everyday_notations_are_read_as_the_settings_say(tmp_path: Path) -> None:
    text = "id;betrag;tag;land;zeit\n1;'1.234,50';31.12.2024;NA;01.02.2024 10:30\n2;-;01.01.2025;DE;\n3;0,5;;FR;02.02.2024 00:00\n"
    (tmp_path / "t.txt").write_text(text)
    csv: dict[str, Any] = {
        "quote": "'", "decimal": ",", "thousands": ".", "null": {"betrag": "-"},
        "date_format": {"tag": "%d.%m.%Y", "zeit": "%d.%m.%Y %H:%M"},
    }  # fmt: skip
    types, rows = read_table(tmp_path, csv=csv)
    assert list(types.values()) == ["BIGINT", "DOUBLE", "DATE", "VARCHAR", "TIMESTAMP"]
    assert rows == [
        (1, 1234.5, dt.date(2024, 12, 31), "NA", dt.datetime(2024, 2, 1, 10, 30)),  # noqa: DTZ001
        (2, None, dt.date(2025, 1, 1), "DE", None),
        (3, 0.5, None, "FR", dt.datetime(2024, 2, 2)),  # noqa: DTZ001
    ]
    fixed = {"betrag": "DECIMAL(10,2)", "tag": "TIMESTAMP"}
    assert read_table(tmp_path, csv=csv, types=fixed)[1][0][1:3] == (Decimal("1234.50"), dt.datetime(2024, 12, 31))  # noqa: DTZ001
    everywhere = read_table(tmp_path, csv={**csv, "null": ["-", "NA"], "date_format": "%d.%m.%Y"})
    assert [row[3] for row in everywhere[1]] == [None, "DE", "FR"]
    assert everywhere[0]["tag"] == "DATE"
    assert everywhere[0]["zeit"] == "VARCHAR"


def test_a_number_in_another_notation_than_the_settings_say_stays_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id;v;w\n1;1,5;1.5\n2;2,25;1,5\n")
    assert read_table(tmp_path, csv={"decimal": ","})[0] == {"id": "BIGINT", "v": "DOUBLE", "w": "VARCHAR"}
    assert read_table(tmp_path)[0] == {"id": "BIGINT", "v": "VARCHAR", "w": "VARCHAR"}


def test_files_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,a\n2,b\n")
    assert read_table(tmp_path, csv={"header": False}) == (
        {"column0": "BIGINT", "column1": "VARCHAR"},
        [(1, "a"), (2, "b")],
    )
    assert list(read_table(tmp_path, csv={"header": ["id", "name"]})[0]) == ["id", "name"]
    with pytest.raises(SourceError, match=r"the first line has 2 fields, and header in sandbox\.toml names 1"):
        read_table(tmp_path, csv={"header": ["id"]})


def test_digits_that_a_double_does_not_hold_are_kept(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "a,b,c,d\n12345678901234567.01,0.10000000000000001,9007199254740993,1e400\n1.5,0.30000000000000004,0.5,2\n"
    )
    types, rows = read_table(tmp_path)
    assert types == {"a": "VARCHAR", "b": "DOUBLE", "c": "VARCHAR", "d": "VARCHAR"}
    assert rows[0] == ("12345678901234567.01", 0.1, "9007199254740993", "1e400")


@pytest.mark.parametrize("value", ["18446744073709551617", "12345678901234567.01", "-9223372036854775809", "1e400"])
def test_numbers_of_json_that_a_double_does_not_hold_are_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"id": 1, "v": 0.5, "s": "x: {value}"}}\n{{"id": 2, "v": {value}}}\n')
    with pytest.raises(SourceError) as raised:
        read_table(tmp_path)
    assert f"{path}: v holds 1 number with more digits than a DOUBLE keeps" in raised.value.message
    if not value.startswith("1e"):
        assert 'v = "DECIMAL(38,' in raised.value.hint
        kind = raised.value.hint.split('"')[1]
        assert read_table(tmp_path, types={"v": kind})[1][1][1] == Decimal(value)


def test_texts_of_json_keep_their_notation(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"day": "2024-01-02", "odd": "2024-1-2", "key": "550E8400-E29B-41D4-A716-446655440000", "n": 0.1234567890123456}\n'
    )
    types, rows = read_table(tmp_path)
    assert types == {"day": "DATE", "odd": "VARCHAR", "key": "VARCHAR", "n": "DOUBLE"}
    assert rows == [(dt.date(2024, 1, 2), "2024-1-2", "550E8400-E29B-41D4-A716-446655440000", 0.1234567890123456)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"id": 1},\n{"id": 2},', "the array does not end"),
        ("[1, 2]", "is JSON, but not an object"),
        ('[{"id": 1}, {"id": caf}]', "malformed JSON"),
        ('{\n "id": 1\n}\n', "line 1 is not JSON"),
    ],
)
def test_a_json_file_that_is_no_table(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(SourceError) as raised:
        read_table(tmp_path)
    assert f"{tmp_path}/t.json" in raised.value.message
    assert words in raised.value.message


def test_every_file_is_a_table_or_left_out_with_a_reason(tmp_path: Path) -> None:
    for name in (
        "a.csv",
        "a.json",
        "b.TSV",
        "notes.pdf",
        "_SUCCESS",
        "shop.duckdb",
        "c/1.csv",
        "c/readme.txt",
        "c/.x.crc",
        "d/x.md",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("id\tv\n1\t2\n")
    listing = list_source(str(tmp_path), base=tmp_path)
    assert {name: [file.name for file in files] for name, (_, files) in listing.files.items()} == {
        "a": ["a.csv"], "b": ["b.TSV"], "c": ["c/1.csv"],
    }  # fmt: skip
    assert listing.left_out == {
        "_SUCCESS": "its name begins with . or _", "c/.x.crc": "its name begins with . or _",
        "notes.pdf": "its name has no suffix of a table", "a.json": "a.csv is the table a",
        "shop.duckdb": "a database file is a source of its own: name it as uri",
        "c/readme.txt": "the table c is made of csv files",
    }  # fmt: skip
    assert "holds no file that is Parquet" in listing.problems["d"]
    assert listing.problems["d"].endswith("but d/x.md")


def test_prose_in_a_text_file_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("These are the data\nof the year, and more\n")
    with pytest.raises(SourceError, match="the first line has no delimiter, so this is no table"):
        read_table(tmp_path, "readme")
    assert len(read_table(tmp_path, "readme", csv={"delimiter": "|"})[1]) == 1


def test_only_the_columns_that_are_taken_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,photo,v\n1,x,12345678901234567.01\n")
    (tmp_path / "j.jsonl").write_text('{"id": 1, "photo": "x", "v": 12345678901234567.01}\n')
    feather.write_feather(pa.table({"photo": ["x"], "id": [1], "v": ["y"]}), str(tmp_path / "a.feather"))
    with sqlite3.connect(tmp_path / "s.sqlite") as connection:
        connection.executescript("create table s (photo text, id integer, v text); insert into s values ('x', 1, 'y')")
    connection.close()
    for name in ("t", "j", "a"):
        assert read_table(tmp_path, name, columns=["id"]) == ({"id": "BIGINT"}, [(1,)])
        assert read_table(tmp_path, name, leave_out=["photo", "v"]) == ({"id": "BIGINT"}, [(1,)])
    with Session() as session:
        listing = list_source("s.sqlite", base=tmp_path)
        table = open_table(session, listing, "s", TableSection(leave_out=["photo"]))
        assert session.fetch_rows(build_select(table)) == [(1, "y")]
    with pytest.raises(DataRuleError, match=r"t has no column foto, which leave_out in \[tables\.t\] names") as raised:
        read_table(tmp_path, leave_out=["foto"])
    assert raised.value.hint == 'did you mean "photo"?'
    with pytest.raises(DataRuleError, match="leave_out names all columns of t"):
        read_table(tmp_path, leave_out=["id", "photo", "v"])


def test_each_sheet_of_a_workbook_is_a_table(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["id", "day", "note", "v"],
        [1, dt.date(2024, 1, 2), "x", 1.5],
        [None] * 4,
        [2, None, 7, 2],
    ]
    more: list[list[Any]] = [["id"], [1]]
    write_workbook(tmp_path / "one.xlsx", {"Any": rows})
    write_workbook(tmp_path / "book.xlsx", {"orders": rows, "more": more})
    write_workbook(tmp_path / "odd.xlsx", {"a": [["id", "ID"], [1, 2]]})
    (tmp_path / "broken.xlsx").write_bytes(b"no workbook")
    listing = list_source(str(tmp_path), base=tmp_path)
    assert sorted(listing.files) == ["book.more", "book.orders", "odd", "one"]
    assert f"{tmp_path}/broken.xlsx cannot be read as a workbook" in listing.problems["broken"]
    types, found = read_table(tmp_path, "one")
    assert types == {"id": "BIGINT", "day": "DATE", "note": "VARCHAR", "v": "DOUBLE"}
    assert found == [(1, dt.date(2024, 1, 2), "x", 1.5), (2, None, "7", 2.0)]
    assert read_table(tmp_path, "book.orders") == (types, found)
    assert read_table(tmp_path, "book.more", types={"id": "VARCHAR"}) == ({"id": "VARCHAR"}, [("1",)])
    with pytest.raises(SourceError, match="columns that differ at most in case: ID, id"):
        read_table(tmp_path, "odd")
