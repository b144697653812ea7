"""What a scan finds in a source: each defect planted, nothing in a clean one, and no stop at the first problem."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.errors import SourceError
from sandbox.manifest.scan import Finding, ScanDocument
from sandbox.model import SilentProgress
from sandbox.scan.scan import scan_source

if TYPE_CHECKING:
    from tests.projects import SourceProject

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
SHOP = """
[sample]
unit = "customers"
rate = 0.5
[tables.customers]
key = ["id"]
[tables.orders]
key = ["order_id"]
references = { customer_id = "customers.id" }
"""
ALONE = '[sample]\nunit = "customers"\nrate = 0.5\n[tables.customers]\nkey = ["id"]\n'


def scan(place: SourceProject, sections: str = ALONE) -> ScanDocument:
    return scan_source(place.project(sections), now=NOW, progress=SilentProgress())


def one(found: ScanDocument, kind: str) -> Finding:
    (finding,) = [finding for finding in found.findings if finding.kind == kind]
    return finding


def customers(place: SourceProject, columns: str, rows: int = 100) -> None:
    place.copy("customers.parquet", f"select range as id, {columns} from range({rows})")


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_clean_source_has_no_finding(place: SourceProject, form: str) -> None:
    place.copy(
        f"customers.{form}",
        "select range as id, range % 7 / 2 as score, 'c' || range % 9 as code, date '2025-01-01' + range::int as since, "
        "if(range % 5 = 0, null, range) as perhaps from range(200)",
    )
    place.copy(f"orders.{form}", "select range as order_id, range % 200 as customer_id from range(900)")
    found = scan(place, SHOP)
    assert found.findings == []
    assert {name: (table.rows, table.columns) for name, table in found.tables.items()} == {
        "customers": (200, 5), "orders": (900, 2),
    }  # fmt: skip


def test_repeated_and_missing_keys_are_counted_with_examples(place: SourceProject) -> None:
    place.copy("customers.parquet", "select if(range < 3, null, range % 90) as id from range(100)")
    found = scan(place)
    repeated, missing = one(found, "duplicate_keys"), one(found, "null_keys")
    assert repeated.message == "customers has 7 keys (id) more than once, in 14 rows"
    assert (repeated.severity, repeated.count, repeated.examples[0]) == ("error", 14, ["3"])
    assert missing.count == 3
    assert found.findings[0] == repeated


def test_keys_that_may_repeat_are_no_finding(place: SourceProject) -> None:
    place.copy("customers.parquet", "select range % 50 as id, range as line from range(100)")
    assert scan(place, ALONE + 'duplicates = "unit"\n').findings == []


def test_references_to_nothing_are_counted_with_their_share(place: SourceProject) -> None:
    customers(place, "range % 3 as kind")
    place.copy("orders.csv", "select range as order_id, if(range < 4, null, range) as customer_id from range(125)")
    found = one(scan(place, SHOP), "dangling")
    assert (found.table, found.columns, found.count, found.share) == ("orders", ["customer_id"], 25, 0.2)
    assert found.examples == [["100"], ["101"], ["102"], ["103"], ["104"]]
    assert found.message == "orders has 25 rows whose customer_id names no row of customers"


def test_columns_of_nothing_and_of_one_value_are_noted(place: SourceProject) -> None:
    customers(place, "null::integer as nothing, 'EUR' as currency, if(range = 0, null, 1) as nearly")
    found = scan(place)
    assert [(finding.kind, finding.columns) for finding in found.findings] == [
        ("constant", ["currency"]), ("all_null", ["nothing"]),
    ]  # fmt: skip
    assert found.findings[0].message == "customers.currency is the same in every row: EUR"


def test_values_outside_of_their_range_are_counted(place: SourceProject) -> None:
    customers(place, "range - 2 as age, range / 100 as share, date '2020-01-01' + range::int as since")
    ranges = (
        "[tables.customers.ranges]\nage = { min = 0, max = 95 }\nshare = { max = 0.5 }\nsince = { min = 2020-01-11 }\n"
    )
    found = {
        (finding.columns[0], finding.message.split(",")[0]): (finding.count, finding.examples)
        for finding in scan(place, ALONE + ranges).findings
    }
    assert found == {
        ("age", "customers.age is less than 0"): (2, [["-2"], ["-1"]]),
        ("age", "customers.age is more than 95"): (2, [["96"], ["97"]]),
        ("share", "customers.share is more than 0.5"): (49, [["0.51"], ["0.99"]]),
        ("since", "customers.since is less than 2020-01-11"): (10, [["2020-01-01"], ["2020-01-10"]]),
    }


def test_a_range_that_does_not_fit_its_column_is_said(place: SourceProject) -> None:
    customers(place, "'x' || range as code, date '2020-01-01' + range::int as since")
    ranges = "[tables.customers.ranges]\ncode = { min = 0 }\nsince = { min = 5 }\ngone = { max = 1 }\n"
    found = scan(place, ALONE + ranges).findings
    assert [(finding.kind, finding.columns) for finding in found] == [
        ("out_of_range", ["code"]), ("missing_column", ["gone"]), ("out_of_range", ["since"]),
    ]  # fmt: skip


def test_dates_ahead_are_found_but_not_in_columns_that_look_ahead(place: SourceProject) -> None:
    day = "if(range < 5, date '2026-06-04', date '2026-01-01' + range::int) as"
    customers(place, f"{day} ordered, {day} due_date, date '2030-01-01' + range::int as mostly_later")
    found = scan(place)
    assert [(finding.kind, finding.columns, finding.count) for finding in found.findings] == [
        ("future", ["ordered"], 5)
    ]
    assert found.findings[0].examples == [["2026-06-04"]]


def test_dates_that_stand_for_something_else_are_found_where_they_stand_out(place: SourceProject) -> None:
    customers(
        place,
        "if(range < 9, timestamp '1970-01-01', timestamp '2024-01-01' + to_days(range::int)) as seen, "
        "if(range < 9, date '9999-12-31', date '2024-01-01' + range::int) as ended, "
        "date '1969-06-01' + (range * 4)::int as born_on_any_day, "
        "if(range = 1, date '290000-01-01', date '2024-01-01' + range::int) as beyond_timestamps",
    )
    found = [(finding.kind, finding.columns, finding.count) for finding in scan(place).findings]
    assert found == [("sentinel", ["seen"], 9), ("sentinel", ["ended"], 9)]


def test_numbers_that_are_none_are_counted(place: SourceProject) -> None:
    customers(place, "case range % 10 when 0 then 'nan'::double when 1 then '-inf'::double else range end as score")
    found = one(scan(place), "not_finite")
    assert (found.count, found.message) == (20, "customers.score is NaN 10 times and infinite 10 times")


def test_texts_beside_numbers_and_dates_are_found(place: SourceProject) -> None:
    customers(
        place,
        "if(range = 7, 'n/a', range::varchar) as amount, if(range = 8, 'soon', '2024-01-' || 10 + range % 20) as day, "
        "if(range % 9 = 0, 'x', range::varchar) as mixed_on_purpose, lpad(range::varchar, 5, '0') as code",
    )
    found = scan(place)
    assert [(one_.kind, one_.columns, one_.count, one_.examples) for one_ in found.findings] == [
        ("mixed", ["amount"], 1, [["n/a"]]),
        ("mixed", ["day"], 1, [["soon"]]),
    ]


def test_empty_texts_beside_nulls_and_spaces_around_keys_are_found(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select if(range = 3, ' k3', 'k' || range) as id, "
        "case range % 3 when 0 then null when 1 then '' else 'a' end as note from range(90)",
    )
    found = scan(place)
    assert [(one_.kind, one_.columns, one_.count) for one_ in found.findings] == [
        ("key_space", ["id"], 1), ("empty_text", ["note"], 30),
    ]  # fmt: skip
    assert found.findings[1].message == "customers.note has empty texts beside 30 NULLs, in 30 rows"


def test_lines_that_do_not_decode_are_counted_and_the_other_tables_looked_at(place: SourceProject) -> None:
    place.write("customers.csv", b"id,note\n1,a\n2,caf\xe9\n3,b\n4,\xff\n")
    place.copy("orders.csv", "select range % 5 as order_id, 1 as customer_id from range(10)")
    found = scan(place, SHOP)
    broken = one(found, "undecodable")
    assert broken.message == (
        "customers.csv: line 3 is not UTF-8, and 1 more that is not UTF-8; nothing else of this file was looked at"
    )
    assert broken.count == 2
    assert one(found, "duplicate_keys").table == "orders"
    assert found.tables["customers"].rows is None


def test_lines_of_another_width_are_counted(place: SourceProject) -> None:
    place.write("customers/a.csv", "id,note\n1,a\n2,b,c\n3,b\n4\n5,x,y\n")
    place.write("customers/b.csv", "id,note\n6,a\n7,b\n")
    found = scan(place)
    assert sorted(finding.message.split(";")[0] for finding in found.findings if finding.kind == "unreadable") == [
        "customers/a.csv: line 3 has more fields than the header, and 1 more that has more fields than the header",
        "customers/a.csv: line 5 has fewer fields than the header",
    ]
    assert found.tables["customers"].rows == 2, "the file that can be read is"


def test_json_lines_that_do_not_decode_are_counted(place: SourceProject) -> None:
    place.write("customers.jsonl", b'{"id": 1, "n": "a"}\n{"id": 2, "n": "\xff"}\n{"id": 3, "n": "\xfe"}\n')
    found = one(scan(place), "undecodable")
    assert found.message.startswith("customers.jsonl: line 2 is not UTF-8, and 1 more")


def test_parquet_text_that_does_not_decode_names_its_column(place: SourceProject) -> None:
    raw = pa.array([b"ok", b"\xff\xfe", b"caf\xe9", None], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 4, raw.buffers())
    place.write("customers.parquet", b"")
    pq.write_table(pa.table({"id": [1, 2, 3, 3], "note": text}), place.source / "customers.parquet")
    found = scan(place)
    broken = one(found, "undecodable")
    assert (broken.columns, broken.count) == (["note"], 2)
    assert one(found, "duplicate_keys").count == 2, "the other columns are looked at"


def test_damaged_text_that_was_saved_as_such_is_found(place: SourceProject) -> None:
    customers(place, "if(range = 5, 'caf\ufffd', 'x' || range) as place_name")
    assert one(scan(place), "damaged_text").count == 1


def test_files_with_other_columns_are_named_and_the_usual_ones_looked_at(place: SourceProject) -> None:
    for name in ("a", "b"):
        place.copy(f"customers/{name}.parquet", f"select range as id, '{name}' as note, 1 as n from range(5)")
    place.copy("customers/c.parquet", "select range + 100 as id, 'x' as note, 2 as extra from range(5)")
    found = scan(place)
    differing = one(found, "columns_differ")
    assert differing.message == (
        "customers/c.parquet does not have the columns of the table's other files: it lacks n and has also extra"
    )
    assert found.tables["customers"].rows == 10
    assert one(found, "duplicate_keys").count == 10


def test_tables_and_columns_that_are_not_there_are_findings(place: SourceProject) -> None:
    place.copy("customers.parquet", "select range as ident from range(5)")
    place.write("notes.csv", "a\n1\n")
    found = scan(place, SHOP)
    assert [(finding.kind, finding.table) for finding in found.findings] == [
        ("missing_column", "customers"), ("missing_table", "orders"),
    ]  # fmt: skip
    assert found.not_scanned == ["notes"]


def test_a_file_that_is_no_parquet_is_a_finding(place: SourceProject) -> None:
    place.write("customers.parquet", "not at all")
    place.copy("orders.parquet", "select range as order_id, 1 as customer_id, 2 as n from range(5)")
    found = scan(place, SHOP)
    assert found.findings[0].kind == "unreadable"
    assert "customers.parquet is not a complete Parquet file" in found.findings[0].message
    assert found.tables["orders"].rows == 5


def test_values_of_masked_and_personal_columns_are_not_shown(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select 'person' || range % 40 || '@example.org' as id, if(range = 1, 'secret', range::varchar) as account "
        "from range(50)",
    )
    found = scan(place, ALONE + '[tables.customers.mask]\naccount = "hash"\n')
    assert {finding.kind: finding.hidden for finding in found.findings} == {
        "duplicate_keys": True,
        "mixed": True,
    }
    assert "person1" not in found.to_json_text()
    assert "secret" not in found.to_json_text()


def test_a_table_without_rows_has_no_finding(place: SourceProject) -> None:
    place.copy("customers.parquet", "select range as id, 'x' as note from range(0)")
    assert scan(place).findings == []


def test_a_source_that_is_not_there_is_an_error(place: SourceProject) -> None:
    place.source.rmdir()
    with pytest.raises(SourceError, match="is not there"):
        scan(place)


def test_the_document_is_read_back_as_it_was_written(place: SourceProject) -> None:
    customers(place, "1 as one")
    found = scan(place)
    assert ScanDocument.parse(found.to_json_text(), origin="here") == found
    assert found.scanned == "2026-06-01T12:00:00+00:00"
