"""Strata of every kind: their labels, their counts, and that each row of the frame finds its own."""

from __future__ import annotations

import random
from collections import Counter
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.errors import DataRuleError

if TYPE_CHECKING:
    from sandbox.sampler.plan.plan import SamplePlan
    from tests.integration.plan.conftest import PlannedProject

SECTIONS = """
[sample]
salt = "s"
unit = "customers"
strata = [STRATA]
rate = 0.3
min_per_stratum = 0
[tables.customers]
key = ["id"]
"""


def sections(strata: str, more: str = "") -> str:
    return SECTIONS.replace("STRATA", strata) + more


def labels(plan: SamplePlan) -> list[Any]:
    unit = plan.units["customers"]
    return [next(iter(unit.describe_stratum(one).values())) for one in unit.strata]


def counted(place: PlannedProject, plan: SamplePlan) -> dict[int, int]:
    """Count the rows of each stratum as the frame finds them."""
    return Counter(row[1] for row in place.inside(plan, "customers", "id"))


def check_consistent(place: PlannedProject, plan: SamplePlan) -> None:
    populations = [one.population for one in plan.units["customers"].strata]
    assert counted(place, plan) == dict(enumerate(populations))
    inside = set(place.inside(plan, "customers", "id"))
    assert set(place.selected(plan, "customers", "id")) < inside


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("varchar", ["'b'", "''", "null", "'a''\"'"], ["", "a'\"", "b", None]),
        ("bigint", ["10", "9", "-3", "null"], [-3, 9, 10, None]),
        ("ubigint", ["18446744073709551615", "2"], [2, 18446744073709551615]),
        (
            "double",
            ["10", "9.5", "'nan'", "'-inf'", "-0.0", "0.0", "null"],
            ["-inf", 0.0, 9.5, 10.0, "nan", None],
        ),
        ("float", ["0.1", "2"], [0.1, 2.0]),
        ("decimal(12,3)", ["10.5", "9", "null"], ["9.000", "10.500", None]),
        ("boolean", ["true", "false", "null"], [False, True, None]),
        ("date", ["'2024-01-02'", "'1969-12-31'"], ["1969-12-31", "2024-01-02"]),
        ("timestamp", ["'2024-01-02 03:04:05.678901'"], ["2024-01-02 03:04:05.678901"]),
        ("timestamp_ns", ["'2024-01-02 03:04:05.678901234'"], ["2024-01-02 03:04:05.678901234"]),
        ("timestamptz", ["'2024-01-02 03:00:00+03'"], ["2024-01-02 00:00:00+00"]),
        ("time", ["'03:04:05.5'"], ["03:04:05.5"]),
        ("uuid", ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"], ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ],
)
def test_values_of_any_plain_type_are_labels(
    place: PlannedProject, kind: str, values: list[str], expected: list[Any]
) -> None:
    rows = ", ".join(f"({value}::{kind})" for value in values)
    place.copy(
        "customers.parquet",
        f"select row_number() over () as id, v from (values {rows}) t(v), range(40)",
    )
    plan = place.plan(sections('"v"'))
    assert labels(plan) == expected
    check_consistent(place, plan)


@pytest.mark.parametrize(
    ("kind", "values", "bins", "expected"),
    [
        ("integer", ["1", "18", "19", "64", "null"], "[18.5, 65]",
         [{"from": None, "to": 19}, {"from": 19, "to": 65}, None]),
        ("utinyint", ["0", "255"], "[-1, 7]", None),
        ("decimal(6,2)", ["0.12", "0.13"], "[0.125]", [{"from": None, "to": "0.13"}, {"from": "0.13", "to": None}]),
        ("double", ["0.5", "'nan'", "'inf'", "-1", "null"], "[0, 0.5]",
         [{"from": None, "to": 0.0}, {"from": 0.5, "to": None}, "nan", None]),
        ("float", ["0.1", "0.2"], "[0.15]", [{"from": None, "to": 0.15}, {"from": 0.15, "to": None}]),
        ("date", ["'2023-12-31'", "'2024-01-01'"], "[2024-01-01]",
         [{"from": None, "to": "2024-01-01"}, {"from": "2024-01-01", "to": None}]),
        ("timestamp", ["'2024-01-01 11:59:59.999999'", "'2024-01-01 12:00:00'"], "[2024-01-01 12:00:00]",
         [{"from": None, "to": "2024-01-01 12:00:00"}, {"from": "2024-01-01 12:00:00", "to": None}]),
        ("timestamptz", ["'2024-01-01 00:00:00+00'", "'2024-01-01 02:00:00+01'"], '["2024-01-01 02:00:00+02:00", "2024-06-01"]',
         [{"from": "2024-01-01 00:00:00+00", "to": "2024-06-01 00:00:00+00"}]),
        ("time", ["'11:59:59'", "'12:00'"], "[12:00:00]",
         [{"from": None, "to": "12:00:00"}, {"from": "12:00:00", "to": None}]),
    ],
)  # fmt: skip
def test_bins_are_half_open_in_every_ordered_type(
    place: PlannedProject, kind: str, values: list[str], bins: str, expected: list[Any] | None
) -> None:
    rows = ", ".join(f"({value}::{kind})" for value in values)
    place.copy(
        "customers.parquet",
        f"select row_number() over () as id, v from (values {rows}) t(v), range(40)",
    )
    strata = f'{{column = "v", bins = {bins}}}'
    if expected is None:
        with pytest.raises(DataRuleError, match="bins of v, which is UTINYINT"):
            place.plan(sections(strata))
        return
    plan = place.plan(sections(strata))
    assert labels(plan) == expected
    check_consistent(place, plan)


@pytest.mark.parametrize(
    ("kind", "bins", "message"),
    [
        ("integer", '["a"]', "'a' is not a number"),
        ("date", "[3]", "3 is not a text"),
        ("date", '["2024-01-01 12:00"]', "is no date"),
        ("date", '["2024-13-01"]', "which is DATE"),
        ("timestamptz", '["2024-01-01 00:00+00", "2024-01-01 01:00+05"]', "must ascend"),
        ("varchar", "[3]", "cannot have bins: it is VARCHAR"),
        ("boolean", "[3]", "cannot have bins: it is BOOLEAN"),
    ],
)
def test_bins_that_do_not_fit_their_column_are_refused(
    place: PlannedProject, kind: str, bins: str, message: str
) -> None:
    place.copy("customers.parquet", f"select 1 as id, null::{kind} as v")
    with pytest.raises(DataRuleError, match=message) as raised:
        place.plan(sections(f'{{column = "v", bins = {bins}}}'))
    assert raised.value.hint


@pytest.mark.parametrize("kind", ["integer[]", "blob", "interval", "struct(a integer)"])
def test_columns_of_many_values_make_no_strata(place: PlannedProject, kind: str) -> None:
    place.copy("customers.parquet", f"select 1 as id, null::{kind} as v")
    with pytest.raises(DataRuleError, match="v cannot make strata"):
        place.plan(sections('"v"'))


@pytest.mark.parametrize(
    ("values", "count", "edges"),
    [
        ([1, 2, 3, 4], 2, [3]),
        ([1, 2, 3, 4, 5, 6, 7, 8], 4, [3, 5, 7]),
        ([0] * 9 + [1], 4, [1]),
        ([0] + [1] * 9, 4, [1]),
        ([5] * 10, 3, []),
        ([1, 1, 1, 2, 2, 3], 2, [2]),
        ([1, 2], 1000, [2]),
        ([1, 2, 2, 3], 2, [2]),
    ],
)
def test_quantiles_part_as_evenly_as_equal_values_allow(
    place: PlannedProject, values: list[int], count: int, edges: list[int]
) -> None:
    place.copy("customers.parquet", f"select unnest(range({len(values)})) as id, unnest({values}) as v")
    plan = place.plan(sections(f'{{column = "v", quantiles = {count}}}'))
    ends = [None, *edges, None]
    assert labels(plan) == [{"from": a, "to": b} for a, b in pairwise(ends)]


def test_quantiles_of_many_rows_are_as_exact_as_of_few(place: PlannedProject) -> None:
    """From half a million rows on, only the values near the quantiles are counted one by one."""
    values = "case when range % 3 = 0 then 7 else (hash(range) % 1000003)::bigint end"
    place.copy("customers.parquet", f"select range as id, {values} as v from range(600000)")
    (entry,) = ('{column = "v", quantiles = 5}',)
    unit = place.plan(sections(entry)).units["customers"]
    for part in range(3):
        rows = f"select range as id, {values} as v from range(600000) where id % 3 = {part} order by hash(id)"
        place.copy(f"split/{part}.parquet", rows, "(row_group_size 10240)")
    split = place.plan(sections(entry).replace("customers", "split"), threads=1).units["split"]
    assert unit.columns == split.columns
    assert [one.population for one in unit.strata] == [one.population for one in split.strata]
    every = [row[0] for row in place.inside(place.plan(sections("")), "customers", "v")]
    assert [int(edge) for edge in unit.columns[0].edges or ()] == nearest(every, 5)


def nearest(values: list[int], count: int) -> list[int]:
    """Give for each quantile the value below which the share of rows is nearest to it."""
    below = dict(zip(sorted(Counter(values)), accumulate(n for _, n in sorted(Counter(values).items())), strict=True))
    distinct = sorted(below)
    before = {value: below[previous] for previous, value in pairwise(distinct)}
    targets = [step * len(values) / count for step in range(1, count)]
    return sorted({min(before, key=lambda value: (abs(before[value] - target), value)) for target in targets})


def test_rare_values_and_plain_ones_stand_beside_bins(place: PlannedProject) -> None:
    draw = random.Random(3)
    rows = ", ".join(f"({n}, {draw.choice(['null', 1, 2, 3])}, {draw.choice(['true', 'false'])})" for n in range(300))
    place.copy("customers.parquet", f"select * from (values {rows}) t(id, v, w)")
    plan = place.plan(sections('{column = "v", bins = [3]}, {column = "w", rare_below = 1000}'))
    unit = plan.units["customers"]
    assert [unit.describe_stratum(one) for one in unit.strata] == [
        {"v": {"from": None, "to": 3}, "w": {"rare_below": 1000}},
        {"v": {"from": 3, "to": None}, "w": {"rare_below": 1000}},
        {"v": None, "w": {"rare_below": 1000}},
    ]
    check_consistent(place, plan)


def test_more_than_ten_thousand_strata_name_the_widest_column(place: PlannedProject) -> None:
    place.copy("customers.parquet", "select range as id, range % 150 as a, range % 101 as b from range(30000)")
    with pytest.raises(DataRuleError, match="the widest column is a, with 150 values") as raised:
        place.plan(sections('"a", "b"'))
    assert "rare_below" in raised.value.hint
    with pytest.raises(DataRuleError, match="the widest column is a, with 150 values") as raised:
        place.plan(sections('{column = "a", quantiles = 150}, "b"'))
    assert "fewer bins" in raised.value.hint


def test_a_column_with_a_dot_in_its_name_stays_a_column(place: PlannedProject) -> None:
    place.copy("customers.parquet", 'select range as id, range % 2 as "regions.name", 1 as region from range(100)')
    place.copy("regions.parquet", "select 1 as id, 'other' as name")
    more = 'references = { region = "regions.id" }\n[tables.regions]\n'
    plan = place.plan(sections('"regions.name"', more))
    assert labels(plan) == [0, 1]
    check_consistent(place, plan)
