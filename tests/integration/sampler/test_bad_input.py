"""Bad sources and settings: each with its own error, which says where and what to do, and leaves nothing behind."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import ConfigError, DataRuleError, SandboxError, SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample

if TYPE_CHECKING:
    from tests.projects import SourceProject

CUSTOMERS = """
[sample]
salt = "s"
unit = "customers"
rate = 0.5
min_per_stratum = 0
[tables.customers]
key = ["id"]
"""
GOOD = "id,country\n" + "".join(f"{n},DE\n" for n in range(50))


def failure(place: SourceProject, sections: str = CUSTOMERS) -> SandboxError:
    with pytest.raises(SandboxError) as raised:
        place.draw(sections)
    assert not list(place.root.rglob(".staged-*"))
    assert not list((place.home / "samples").glob("?" * 64))
    assert not (place.root / ".sandbox" / "requests").exists()
    return raised.value


def test_a_source_that_is_not_there(place: SourceProject) -> None:
    place.source.rmdir()
    error = failure(place)
    assert isinstance(error, SourceError)
    assert f"the source {place.source} is not there" in error.message
    assert "uri" in error.hint


def test_a_source_that_is_a_file(place: SourceProject) -> None:
    place.source.rmdir()
    place.source.write_text("x")
    assert "is a file, and neither a folder nor" in failure(place).message


def test_a_table_that_is_not_in_the_source(place: SourceProject) -> None:
    place.write("custmers.csv", GOOD)
    error = failure(place)
    assert isinstance(error, ConfigError)
    assert "no table customers" in error.message
    assert error.hint == 'did you mean "custmers"?'


def test_a_table_that_is_there_twice(place: SourceProject) -> None:
    place.write("customers.csv", GOOD)
    place.write("customers.jsonl", '{"id": 1}\n')
    error = failure(place)
    assert isinstance(error, SourceError)
    assert "customers.csv, customers.jsonl" in error.message


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["customers/a.csv", "customers/b.jsonl"], "mixes csv and jsonl"),
        (["customers/2024/a.csv"], "folders in it (2024) that are no partitions"),
        (["customers/readme.md"], "holds no file that is Parquet"),
    ],
)
def test_a_folder_that_is_no_table(place: SourceProject, files: list[str], words: str) -> None:
    for name in files:
        place.write(name, '{"id": 1}\n' if name.endswith("jsonl") else GOOD)
    error = failure(place)
    assert isinstance(error, SourceError)
    assert words in error.message


def test_a_truncated_parquet_file(place: SourceProject) -> None:
    place.copy("customers/1.parquet", "select range as id from range(1000)")
    path = place.copy("customers/2.parquet", "select range + 1000 as id from range(1000)")
    path.write_bytes(path.read_bytes()[:-50])
    error = failure(place)
    assert isinstance(error, SourceError)
    assert f"{path} is not a complete Parquet file" in error.message


def test_a_parquet_file_that_is_damaged_inside(place: SourceProject) -> None:
    path = place.copy("customers.parquet", "select range as id, 'name ' || hash(range) as name from range(100000)")
    content = bytearray(path.read_bytes())
    content[2000:400_000] = b"\0" * 398_000
    path.write_bytes(content)
    error = failure(place)
    assert isinstance(error, SourceError)
    assert str(path) in error.message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("7", "line 52 has 1 fields where the header has 2"),
        ("7,DE,x", "line 52 has 3 fields where the header has 2"),
        ('7,"DE', "line 52 has a quote that does not end"),
        ('7,"DE"x', "line 52 has a quote that does not end"),
    ],
)
def test_a_csv_file_with_a_broken_line(place: SourceProject, line: str, words: str) -> None:
    place.write("customers/1.csv", GOOD)
    path = place.write("customers/2.csv", GOOD + line + "\n8,FR\n")
    error = failure(place)
    assert isinstance(error, SourceError)
    assert f"{path}: {words}" in error.message
    assert "RFC 4180" in error.hint


def test_a_csv_file_that_is_not_utf8(place: SourceProject) -> None:
    path = place.write("customers.csv", GOOD.encode() + b"7,\xff\xfe\n")
    assert f"{path}: line 52 is not UTF-8" in failure(place).message


def test_a_compressed_file_that_is_cut_off(place: SourceProject) -> None:
    whole = gzip.compress(("id,x\n" + "".join(f"{n},{n * 7919 % 1000}\n" for n in range(50_000))).encode())
    path = place.write("customers.csv.gz", whole[: len(whole) // 2])
    error = failure(place)
    assert isinstance(error, SourceError)
    assert str(path) in error.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("id,ID\n1,2\n", "names ID, id more than once"),
        ("id,\n1,2\n", "a column without a name"),
    ],
)
def test_a_csv_header_that_is_none(place: SourceProject, content: str, words: str) -> None:
    place.write("customers.csv", content)
    error = failure(place)
    assert isinstance(error, SourceError)
    assert words in error.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"id": 1}\n{"id": 2\n{"id": 3}\n', "line 2 is not JSON"),
        ('{"id": 1}\n{"id": 2} {"id": 3}\n', "line 2 is not JSON"),
        ('{"id": 1}\n[2]\n', "line 2 is JSON, but not an object"),
        ("", "holds no JSON object"),
    ],
)
def test_json_lines_that_are_none(place: SourceProject, content: str, words: str) -> None:
    path = place.write("customers.jsonl", content)
    error = failure(place)
    assert isinstance(error, SourceError)
    assert f"{path}" in error.message
    assert words in error.message


def test_json_columns_that_differ_only_in_case(place: SourceProject) -> None:
    place.write("customers.jsonl", '{"id": 1, "a": 2}\n{"id": 2, "A": 3}\n')
    error = failure(place)
    assert isinstance(error, SourceError)
    assert "columns that differ at most in case: A" in error.message


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_of_a_table_with_other_columns(place: SourceProject, form: str) -> None:
    place.copy(f"customers/1.{form}", "select 1 as id, 2 as a")
    path = place.copy(f"customers/2.{form}", "select 1 as id, 2 as b")
    error = failure(place)
    assert isinstance(error, SourceError)
    assert f"{path} does not have the columns of" in error.message
    assert "lacks a and has also b" in error.message


def test_missing_columns_are_named_all_at_once(place: SourceProject) -> None:
    place.write("customers.csv", GOOD)
    place.write("orders.csv", "order_id,customer\n1,2\n")
    sections = CUSTOMERS.replace("rate", 'strata = ["contry"]\nrate').replace('["id"]', '["ids"]') + (
        '[tables.orders]\nreferences = { customer_id = "customers.id" }\n'
    )
    error = failure(place, sections)
    assert isinstance(error, DataRuleError)
    assert "customers has no column contry" in error.message
    assert "customers has no column ids" in error.message
    assert "orders has no column customer_id" in error.message
    assert 'did you mean "country"?' in error.hint
    assert 'did you mean "id"?' in error.hint


def test_a_key_that_repeats(place: SourceProject) -> None:
    place.write("customers.csv", GOOD + "7,FR\n7,FR\n9,FR\n")
    error = failure(place)
    assert isinstance(error, DataRuleError)
    assert "customers: 2 keys repeat (id) in 5 rows; for example id = 7; id = 9" in error.message
    assert "[tables.customers]" in error.hint


def test_a_key_of_another_table_that_repeats(place: SourceProject) -> None:
    place.write("customers.csv", GOOD)
    place.write("orders.csv", "order_id,customer_id\n1,2\n1,3\n")
    sections = CUSTOMERS + '[tables.orders]\nkey = ["order_id"]\nreferences = { customer_id = "customers.id" }\n'
    error = failure(place, sections)
    assert isinstance(error, DataRuleError)
    assert "orders: 1 key repeats (order_id) in 2 rows" in error.message


@pytest.mark.parametrize(
    ("content", "words"), [("id,country\n", "it has no rows"), ("id,country\n,DE\n,FR\n", "in all 2 rows")]
)
def test_a_unit_table_without_units(place: SourceProject, content: str, words: str) -> None:
    place.write("customers.csv", content)
    error = failure(place)
    assert isinstance(error, DataRuleError)
    assert f"there is nothing to sample in customers: {words}" in error.message


def test_a_floating_point_key(place: SourceProject) -> None:
    place.write("customers.csv", "id,country\n1.5,DE\n")
    error = failure(place)
    assert isinstance(error, DataRuleError)
    assert "floating point" in error.message


def test_a_stratum_column_with_a_million_values_stops_early(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select range as id, 'v' || range as wide, range % 3 as narrow from range(1000000)",
    )
    error = failure(place, CUSTOMERS.replace("rate", 'strata = ["narrow", "wide"]\nrate'))
    assert isinstance(error, DataRuleError)
    assert "more than 10,000 strata; the widest column is wide, with 1,000,000 values" in error.message
    assert "rare_below = 200" in error.hint


def test_a_wide_stratum_column_of_a_large_table_is_not_even_counted(place: SourceProject) -> None:
    place.copy("customers.parquet", "select range as id, range // 2 as wide from range(2100000)")
    error = failure(place, CUSTOMERS.replace("rate", 'strata = ["wide"]\nrate'))
    assert isinstance(error, DataRuleError)
    assert "the widest column is wide, with about 1," in error.message


def test_a_stratum_column_that_is_no_value(place: SourceProject) -> None:
    place.copy("customers.parquet", "select range as id, [range] as tags from range(10)")
    error = failure(place, CUSTOMERS.replace("rate", 'strata = ["tags"]\nrate'))
    assert isinstance(error, DataRuleError)
    assert "customers.tags cannot make strata: it is BIGINT[]" in error.message


@pytest.mark.parametrize(
    ("kind", "error_class", "words"),
    [
        ("BIGNIT", ConfigError, "'BIGNIT' is not a column type"),
        ("HUGEINT", ConfigError, "'HUGEINT' is not a column type that a sample can keep"),
        ("BIGINT); drop table x; --", ConfigError, "is not a column type"),
        ("DATE", DataRuleError, "customers.country is to be DATE, and 50 values are not; one is written like 'AA'"),
    ],
)
def test_a_fixed_type_that_does_not_fit(
    place: SourceProject, kind: str, error_class: type[SandboxError], words: str
) -> None:
    place.write("customers.csv", GOOD)
    error = failure(place, CUSTOMERS + f'[tables.customers.types]\ncountry = "{kind}"\n')
    assert isinstance(error, error_class)
    assert words in error.message


def test_a_reference_between_types_that_cannot_be_compared(place: SourceProject) -> None:
    place.write("customers.csv", GOOD)
    place.write("orders.csv", "order_id,day\n1,2024-01-01\n")
    error = failure(place, CUSTOMERS + '[tables.orders]\nreferences = { day = "customers.id" }\n')
    assert isinstance(error, DataRuleError)
    assert "orders.day is DATE and cannot be compared with customers.id" in error.message


def test_a_source_that_changes_while_it_is_read(place: SourceProject) -> None:
    path = place.write("customers.csv", GOOD)
    project = place.project(CUSTOMERS)
    plan = plan_sample(project, progress=SilentProgress())
    os.utime(path, ns=(1, 1))
    with pytest.raises(SourceError, match=r"changed while it was read: customers\.csv"):
        draw_sample(project, plan, home=place.home, progress=SilentProgress())
    assert [path.name for path in (place.home / "samples").iterdir() if "lock" not in path.name] == []
