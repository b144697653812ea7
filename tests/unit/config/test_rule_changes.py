"""Every key of ``sandbox.toml`` is code, a matter of where code runs, or a rule; what loosens a rule is found."""

from __future__ import annotations

import copy
import tomllib
import types
import typing
from typing import Any

import pytest
from pydantic import BaseModel

from sandbox.config.rules.comparison import SettingChange, compare_rules
from sandbox.config.rules.loosening import CODE_KEYS, COMPARED_AS_A_WHOLE, GATE_CHECKS, PLACEMENT_KEYS, RULE_CHECKS
from sandbox.config.sections.outputs import GATE_DEFAULTS, GateSection
from sandbox.config.settings import Settings

FILE: dict[str, Any] = tomllib.loads("""
version = 1
[project]
name = "shop"
[source]
uri = "warehouse/"
store = "s3://team/samples"
[source.spark]
[source.postgres]
rows_per_second = 5
[sample]
unit = "customers"
salt = "a"
strata = ["country"]
rate = 0.5
[sample.also.products]
rate = 0.5
[tables.customers]
key = ["id"]
where = "x > 0"
types = { id = "BIGINT" }
references = { country = "countries.id" }
belongs_to = "countries"
keep = "referenced"
version = 3
snapshot = 3
mask = { email = "hash", born = { kind = "date_shift", days = 30 } }
ranges = { age = { min = 0 } }
[tables.products]
key = ["id"]
unique = ["code"]
[[tables.products.reference]]
columns = ["a", "b"]
table = "customers"
key = ["c", "d"]
[estimate]
checks = "half"
[stack]
requirements = "requirements.txt"
[pipeline]
command = "python a.py"
env = { A = "1" }
scratch = ["s"]
include = ["i"]
[outputs.value]
path = "a.parquet"
key = ["id"]
unit_key = ["id"]
ignore = ["a"]
rename = { b = "c" }
tolerance = { x = { abs = 0.5, rel = 0.5, time = "5s" }, y = { case = false, space = false, set = true } }
not_null = ["x"]
ranges = { x = { min = 0 } }
references = { x = "other.id" }
since = "day"
type_tolerance = { DOUBLE = { abs = 0.5, rel = 0.5, time = "5s" }, LIST = { case = false, space = false, set = true } }
[outputs.value.gate]
changed_rows = "1%"
total_change = { x = "1%" }
[gate]
changed_rows = "1%"
total_change = { "value.x" = "1%" }
[[tests]]
name = "t"
sql = "select 1"
""")


def read(values: dict[str, Any]) -> Settings:
    return Settings.model_validate(values)


def change(*path: str | int, to: Any) -> list[SettingChange]:
    """Compare the file with itself with one key set, or (None) removed."""
    values = copy.deepcopy(FILE)
    table: Any = values
    for step in path[:-1]:
        table = table.setdefault(step, {}) if isinstance(table, dict) else table[step]
    if to is None:
        del table[path[-1]]
    else:
        table[path[-1]] = to
    return compare_rules(read(FILE), read(values))


RANGES = ("tables.*.ranges.*", "outputs.*.ranges.*")


def list_keys(model: type[BaseModel], pattern: str = "") -> typing.Iterator[str]:
    """List every key that a file may have, names of tables, outputs and columns as ``*``."""
    for name, field in model.model_fields.items():
        key = f"{pattern}{field.alias or name}"
        kind = _find_model(field.annotation)
        if kind is None or key in COMPARED_AS_A_WHOLE or typing.get_origin(_strip(field.annotation)) is list:
            yield key
        elif typing.get_origin(_strip(field.annotation)) is dict:
            whole = f"{key}.*"
            if whole in COMPARED_AS_A_WHOLE or whole in RANGES:
                yield whole.removesuffix(".*") if whole in RANGES else whole
            else:
                yield from list_keys(kind, f"{whole}.")
        else:
            yield from list_keys(kind, f"{key}.")


def _strip(kind: Any) -> Any:
    if typing.get_origin(kind) is typing.Annotated:
        return _strip(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return _strip(next(part for part in typing.get_args(kind) if part is not type(None)))
    return kind


def _find_model(kind: Any) -> type[BaseModel] | None:
    kind = _strip(kind)
    if typing.get_origin(kind) is dict:
        return _find_model(typing.get_args(kind)[1])
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def test_every_key_is_classified_exactly_once() -> None:
    classes = [CODE_KEYS, PLACEMENT_KEYS, frozenset(RULE_CHECKS), COMPARED_AS_A_WHOLE]
    classified = [key for one in classes for key in one]
    assert sorted(classified) == sorted(set(classified))
    assert sorted(classified) == sorted(list_keys(Settings))
    names = {field.alias or name for name, field in GateSection.model_fields.items()} - {"total_change"}
    assert names == set(GATE_CHECKS) == set(GATE_DEFAULTS)


def test_the_same_file_has_no_changes_and_code_is_not_compared() -> None:
    assert compare_rules(read(FILE), read(FILE)) == []
    for key, value in {"command": "python b.py", "env": {}, "scratch": [], "include": [], "kind": "dbt"}.items():
        assert change("pipeline", key, to=value) == []
    for key, value in {"image": "dbt", "python": "3.12", "requirements": "other.txt"}.items():
        assert change("stack", key, to=value) == []


# Of each key: a value that loosens, and one that does not; None removes the key, ABSENT stands for "there is no such value".
ABSENT: Any = object()
OUTPUT = ("outputs", "value")
CSV_CHANGES = {
    "encoding": "cp1252", "delimiter": ";", "quote": "'", "header": False, "decimal": ",", "thousands": "'", "null": ["NA"],
    "date_format": "%d.%m.%Y",
}  # fmt: skip
CASES: list[tuple[tuple[str | int, ...], Any, Any]] = [
    (("project", "name"), ABSENT, "other"),
    (("source", "uri"), "other/", ABSENT),
    (("source", "engine"), "spark", ABSENT),
    (("source", "store"), "s3://other", ABSENT),
    (("source", "row_security"), "accept", ABSENT),
    (("source", "spark", "remote"), "sc://other", ABSENT),
    (("source", "spark", "master"), "local[2]", ABSENT),
    (("source", "spark", "python"), "python4", ABSENT),
    (("source", "spark", "write"), "store", ABSENT),
    (("source", "postgres", "statement_timeout"), ABSENT, "5s"),
    (("source", "mysql", "statement_timeout"), ABSENT, "5s"),
    (("source", "mysql", "lock_timeout"), ABSENT, "5s"),
    (("source", "postgres", "lock_timeout"), ABSENT, "5s"),
    (("source", "postgres", "rows_per_second"), ABSENT, 50),
    (("sample", "salt"), "b", ABSENT),
    (("sample", "unit"), "products", ABSENT),
    (("sample", "strata"), [], ABSENT),
    (("sample", "rate"), 0.4, 0.6),
    (("sample", "units"), 5, ABSENT),
    (("sample", "size"), "1GB", ABSENT),
    (("sample", "min_per_stratum"), 29, 31),
    (("sample", "allocation"), "power", ABSENT),
    (("sample", "totals"), ABSENT, ["age"]),
    (("sample", "memory"), ABSENT, "2GB"),
    (("sample", "max_age"), ABSENT, "90d"),
    (("sample", "max_drift"), 2.0, 0.5),
    (("promotion", "max_age"), ABSENT, "30d"),
    (("production", "outputs"), "marts", ABSENT),
    (("production", "timeout"), ABSENT, "1m"),
    (("production", "max_bytes"), ABSENT, "1GB"),
    (("why", "runs"), ABSENT, 10),
    (("why", "time"), ABSENT, "1m"),
    (("estimate", "checks"), "none", "full"),
    (("sample", "also", "products"), None, ABSENT),
    (("sample", "also", "products", "rate"), 0.4, 0.6),
    (("sample", "also", "products", "salt"), "b", ABSENT),
    (("sample", "also", "products", "strata"), ["a"], ABSENT),
    (("sample", "also", "products", "units"), 5, ABSENT),
    (("sample", "also", "products", "size"), "1GB", ABSENT),
    (("sample", "also", "products", "min_per_stratum"), 29, 31),
    (("sample", "also", "products", "allocation"), "power", ABSENT),
    (("sample", "also", "products", "totals"), ABSENT, ["price"]),
    (("sample", "also", "customers"), {"rate": 0.1}, ABSENT),
    (("tables", "products"), None, ABSENT),
    (("tables", "others"), ABSENT, {"key": ["id"]}),
    (("tables", "customers", "key"), None, ABSENT),
    (("tables", "customers", "unique"), ["email"], ABSENT),
    (("tables", "products", "unique"), ["code", "ean"], []),
    (("tables", "customers", "where"), "x > 1", None),
    (("tables", "customers", "duplicates"), "unit", ABSENT),
    (("tables", "customers", "columns"), ["id", "x", "country", "email", "born", "age"], ABSENT),
    (("tables", "customers", "leave_out"), ["photo"], ABSENT),
    *((("tables", "customers", "csv", key), value, ABSENT) for key, value in CSV_CHANGES.items()),
    (("tables", "customers", "types"), {"id": "INTEGER"}, ABSENT),
    (("tables", "customers", "version"), 4, ABSENT),
    (("tables", "customers", "snapshot"), 4, ABSENT),
    (("tables", "customers", "ranges"), ABSENT, {}),
    (("tables", "customers", "called"), ABSENT, "buyers"),
    (("tables", "customers", "references"), {}, {"country": "countries.id", "a": "products.id"}),
    (("tables", "products", "reference"), [], ABSENT),
    (("tables", "customers", "belongs_to"), "products", ABSENT),
    (("tables", "products", "keep"), "referenced", "all"),
    (("tables", "customers", "mask", "email"), "null", ABSENT),
    (("tables", "customers", "mask", "email"), None, ABSENT),
    (("tables", "customers", "mask", "phone"), "null", "phone"),
    (("tables", "customers", "mask", "born", "days"), 29, ABSENT),
    (("outputs", "value", "path"), "b.parquet", ABSENT),
    (("outputs", "value", "key"), None, ABSENT),
    (("outputs", "other", "key"), ABSENT, ["id"]),
    (("outputs", "value", "unit_key"), ["b"], ABSENT),
    (("outputs", "value", "ignore"), ["a", "b"], []),
    (("outputs", "other", "ignore"), ["a"], ABSENT),
    *((("outputs", "value", "csv", key), value, ABSENT) for key, value in CSV_CHANGES.items()),
    (("outputs", "value", "rename"), {"b": "d"}, {}),
    (("outputs", "value", "types"), {"x": "DOUBLE"}, ABSENT),
    (("outputs", "value", "not_null"), ABSENT, ["x", "y"]),
    (("outputs", "value", "ranges"), {"x": {"min": -1}}, {"x": {"min": 0}, "y": {"max": 1}}),
    (("outputs", "value", "references"), {"x": "another.id"}, {"x": "other.id", "y": "other.id"}),
    (("outputs", "value", "since"), "other", ABSENT),
    (("outputs", "value", "last"), "1d", ABSENT),
    (("tests",), [], [*FILE["tests"], {"name": "u", "sql": "select 2"}]),
    (("tests", 0, "sql"), "select 1 where false", ABSENT),
    (("gate", "total_change"), {"value.x": "2%"}, {"value.x": "0.5%"}),
    (("gate", "total_change"), {}, {"value.x": "1%", "value.y": "1%"}),
    ((*OUTPUT, "gate", "total_change"), {"x": "2%"}, {"x": "0.5%"}),
    *[
        ((*OUTPUT, *names, key), looser, stricter)
        for names in (("tolerance", "x"), ("type_tolerance", "DOUBLE"))
        for key, looser, stricter in (("abs", 0.6, 0.4), ("rel", 0.6, 0.4), ("time", "6s", "4s"))
    ],
    *[
        ((*OUTPUT, *names, key), ABSENT, stricter)
        for names in (("tolerance", "y"), ("type_tolerance", "LIST"))
        for key, stricter in (("case", True), ("space", True), ("set", False))
    ],
    *[((*OUTPUT, "tolerance", "z", key), value, ABSENT) for key, value in {"case": False, "set": True, "abs": 1}.items()],
    *[
        ((*table, key), looser, stricter)
        for table in (("gate",), (*OUTPUT, "gate"))
        for key, (looser, stricter) in {
            "changed_rows": ("2%", "0.5%"),
            "schema": ("any", ABSENT),
            "added": (ABSENT, "fail"),
            "removed": ("any", ABSENT),
            "artifacts": ("any", ABSENT),
            "rounding": (ABSENT, "count"),
            "nondeterministic": ("any", ABSENT),
            "not_compared": ("any", ABSENT),
            "unexpected": (ABSENT, "fail"),
            "tests": ("any", "no-failures"),
            "rules": ("any", ABSENT),
        }.items()
    ],
]  # fmt: skip


@pytest.mark.parametrize(("path", "looser", "stricter"), CASES)
def test_what_loosens_is_told_from_what_tightens(path: tuple[str | int, ...], looser: Any, stricter: Any) -> None:
    for value, loosens in ((looser, True), (stricter, False)):
        if value is not ABSENT:
            found = change(*path, to=value)
            assert found, "a change of a rule is listed"
            assert any(one.loosens for one in found) == loosens
            assert all(one.path[0] == path[0] for one in found)


def test_the_cases_try_every_rule() -> None:
    """A key that is classified and never tried would be believed."""
    tried = {".".join(map(str, path)) for path, _, _ in CASES}
    for key in RULE_CHECKS:
        if key != "version":
            steps = key.split(".")
            fitting = [path.split(".") for path in tried]
            assert any(
                len(found) == len(steps) and all(a in ("*", b) for a, b in zip(steps, found, strict=True))
                for found in fitting
            ), key


def test_a_limit_that_gives_way_to_the_overall_one_loosens_where_that_is_wider() -> None:
    values = copy.deepcopy(FILE)
    values["outputs"]["value"]["gate"]["changed_rows"] = "0.5%"
    strict = read(values)
    del values["outputs"]["value"]["gate"]["changed_rows"]
    [found] = compare_rules(strict, read(values))
    assert (found.key, found.baseline, found.working, found.loosens) == (
        "outputs.value.gate.changed_rows",
        '"0.5%"',
        '"1%"',
        True,
    )
    del values["outputs"]["value"]["gate"]["total_change"]
    assert [one.loosens for one in compare_rules(read(FILE), read(values))] == [True]


def test_a_columns_tolerance_that_gives_way_to_its_types_loosens() -> None:
    assert [one.loosens for one in change(*OUTPUT, "tolerance", "x", to=None)] == [True]


def test_where_code_runs_is_listed_and_loosens_nothing_by_itself() -> None:
    for path, value in {
        ("pipeline", "production"): "other",
        ("pipeline", "build"): "all",
        ("stack", "runtime"): "local",
        ("stack", "network"): "services",
        ("stack", "build_network"): "default",
        ("stack", "services"): ["postgres"],
        ("stack", "limits", "cpus"): 8,
        ("stack", "limits", "memory"): "8GB",
        ("stack", "limits", "timeout"): "8h",
    }.items():
        [found] = change(*path, to=value)
        assert (found.loosens, found.reason) == (False, "where the code runs")
        assert ".".join(path) in PLACEMENT_KEYS


def test_names_that_need_quotes_have_them() -> None:
    [found] = change("outputs", "a b", "ignore", to=["x"])
    assert (found.key, found.baseline, found.working, found.output) == ('outputs."a b".ignore', "[]", '["x"]', "a b")
