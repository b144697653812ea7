"""What counts as equal by declaration: per column and per type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.compare import OutputRules, Tolerance
from sandbox.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.manifest.diff import OutputDiff

    Compared = Callable[..., OutputDiff]


@pytest.mark.parametrize(
    ("baseline", "candidate", "tolerance", "equal"),
    [
        ("timestamp '2026-01-01 00:00:00'", "timestamp '2026-01-01 00:00:01'", Tolerance(seconds=1), True),
        ("timestamp '2026-01-01 00:00:00'", "timestamp '2026-01-01 00:00:01.000001'", Tolerance(seconds=1), False),
        ("timestamptz '2026-01-01 00:00:01'", "timestamptz '2026-01-01 00:00:00'", Tolerance(seconds=1), True),
        ("timestamp_ns '2026-01-01 00:00:00.000000001'", "timestamp_ns '2026-01-01'", Tolerance(seconds=1e-9), True),
        ("timestamptz_ns '2026-01-01 00:00:00.000000001+00'", "timestamptz_ns '2026-01-01 00:00:00+00'", Tolerance(seconds=1e-9), True),
        ("timestamptz_ns '2026-01-01 00:00:00.000000003+00'", "timestamptz_ns '2026-01-01 00:00:00+00'", Tolerance(seconds=1e-9), False),
        ("time_ns '12:00:00.000000001'", "time_ns '12:00:00'", Tolerance(seconds=1e-9), True),
        ("time_ns '12:00:00.000000003'", "time_ns '12:00:00'", Tolerance(seconds=1e-9), False),
        ("1e308", "-1e308", Tolerance(rel=1e10), False),
        ("12345678901234567890123456789012345678::decimal(38,0)", "12345678901234567890123456789012345679::decimal(38,0)", Tolerance(abs=0.5), False),
        ("12345678901234567890123456789012345678::decimal(38,0)", "12345678901234567890123456789012345679::decimal(38,0)", Tolerance(abs=1), True),
        ("'99999999999999999999999999999999999999'::decimal(38,0)", "'-99999999999999999999999999999999999999'::decimal(38,0)", Tolerance(abs=1e30), False),
        ("date '2026-01-01'", "date '2026-01-02'", Tolerance(seconds=86400), True),
        ("date '2026-01-01'", "date '2026-01-03'", Tolerance(seconds=86400), False),
        ("date '2026-01-01'", "timestamp '2026-01-01 00:00:09'", Tolerance(seconds=9), True),
        ("time '12:00:00'", "time '12:00:01'", Tolerance(seconds=1), True),
        ("'infinity'::timestamp", "timestamp '2026-01-01'", Tolerance(seconds=1e12), False),
        ("null::timestamp", "timestamp '2026-01-01'", Tolerance(seconds=1e12), False),
        ("'Ada'", "'ADA'", Tolerance(case=False), True),
        ("'Ada'", "'Eva'", Tolerance(case=False), False),
        ("' Ada  Lovelace '", "'Ada Lovelace'", Tolerance(space=False), True),
        ("'Ada\u00a0Lovelace'", "'Ada Lovelace'", Tolerance(space=False), True),
        ("'AdaLovelace'", "'Ada Lovelace'", Tolerance(space=False), False),
        ("'Ada'", "null", Tolerance(case=False, space=False), False),
        ("[1, 2, 2]", "[2, 1]", Tolerance(as_set=True), True),
        ("[1, null]", "[1]", Tolerance(as_set=True), False),
        ("[null, 1, null]", "[1, null]", Tolerance(as_set=True), True),
        ("[0.0::double, 'nan']", "['nan'::double, -0.0]", Tolerance(as_set=True), True),
        ("[{'a': 1}, {'a': 2}]", "[{'a': 2}, {'a': 1}]", Tolerance(as_set=True), True),
        ("array_value(1, 2)", "array_value(2, 1)", Tolerance(as_set=True), True),
        ("null::integer[]", "[]::integer[]", Tolerance(as_set=True), False),
    ],
)  # fmt: skip
def test_a_tolerance_says_what_counts_as_equal(
    compared: Compared, baseline: str, candidate: str, tolerance: Tolerance, equal: bool
) -> None:
    tables = [f"select 1 as id, {value} as v" for value in (baseline, candidate)]
    assert compared(*tables).rows.changed == 1
    rules = OutputRules(key=("id",), tolerance={"v": tolerance})
    assert compared(*tables, rules).rows.changed == (not equal)
    assert compared(tables[1], tables[0], rules).rows.changed == (not equal)


def test_a_type_has_a_tolerance_where_a_column_has_none(compared: Compared) -> None:
    before = "select 1 as id, 1.0::double as a, 1.0::double as b, 1.00::decimal(9, 2) as c, 'x' as s, [1, 2] as l"
    after = "select 1 as id, 1.4::double as a, 1.4::double as b, 1.40::decimal(9, 2) as c, 'X' as s, [2, 1] as l"
    rules = OutputRules(
        key=("id",),
        tolerance={"a": Tolerance(abs=0.1)},
        type_tolerance={
            "DOUBLE": Tolerance(abs=0.5), "DECIMAL": Tolerance(rel=0.5), "VARCHAR": Tolerance(case=False),
            "LIST": Tolerance(as_set=True),
        },
    )  # fmt: skip
    found = compared(before, after, rules)
    assert {name for name, column in found.columns.items() if column.changed} == {"a"}


def test_a_key_knows_no_tolerance(compared: Compared) -> None:
    rules = OutputRules(key=("id",), tolerance={"id": Tolerance(case=False)})
    found = compared({"id": ["a", "A"], "v": [1, 2]}, {"id": ["a", "A"], "v": [1, 3]}, rules)
    assert (found.rows.changed, found.rows.unchanged, found.key.baseline_duplicates) == (1, 1, 0)


@pytest.mark.parametrize(
    ("value", "tolerance", "named"),
    [
        ("'text'", Tolerance(abs=1), "abs"),
        ("1.5", Tolerance(case=False), "case"),
        ("1", Tolerance(seconds=1, space=False), "time and space"),
        ("date '2026-01-01'", Tolerance(rel=0.1), "rel"),
        ("'x'", Tolerance(as_set=True), "set"),
    ],
)
def test_a_tolerance_that_means_nothing_is_an_error(
    compared: Compared, value: str, tolerance: Tolerance, named: str
) -> None:
    query = f"select 1 as id, {value} as v"
    with pytest.raises(ConfigError, match=f"the tolerance of v says {named}"):
        compared(query, query, OutputRules(key=("id",), tolerance={"v": tolerance}))


def test_a_tolerance_of_a_column_whose_type_changed_is_no_error(compared: Compared) -> None:
    rules = OutputRules(key=("id",), tolerance={"v": Tolerance(abs=1)})
    found: Any = compared("select 1 as id, 1 as v", "select 1 as id, 'one' as v", rules)
    assert (found.rows.changed, list(found.schema_.type_changed)) == (1, ["v"])
