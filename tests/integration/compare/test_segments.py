"""The slice that holds the differences is named, and never one that says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.compare import OutputRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.manifest.diff import OutputDiff, RowSegment

    Compared = Callable[..., OutputDiff]

ROWS = """
select i as id, ['DE', 'FR', 'PL', 'AT', 'NL', null][1 + (hash(i || 'c') % 6)::int] as country,
    ['private', 'business'][1 + (hash(i || 's') % 2)::int] as segment, (hash(i || 'w') % 10000) / 100 as weight,
    date '2026-01-01' + (hash(i || 'd') % 300)::int as day, hash(i || 'a') % 1000 as amount, (i % 7 = 0) as flag
from range({rows}) t(i)
"""


def found(compared: Compared, where: str, rows: int = 20_000, change: str = "amount + 1") -> list[RowSegment]:
    baseline = ROWS.format(rows=rows)
    candidate = f"select * replace (case when {where} then {change} else amount end as amount) from ({baseline})"
    return compared(baseline, candidate).segments


@pytest.mark.parametrize(
    ("where", "column", "values"),
    [
        ("country = 'DE'", "country", ["DE"]),
        ("country is null", "country", [None]),
        ("country in ('DE', 'AT')", "country", ["AT", "DE"]),
        ("country = 'DE' and id % 50 > 0 or id % 5000 = 1", "country", ["DE"]),
        ("flag", "flag", [True]),
    ],
)
def test_values_of_one_column(compared: Compared, where: str, column: str, values: list[object]) -> None:
    [best, *_] = found(compared, where)
    [slice_] = best.slices
    assert (slice_.column, sorted(slice_.values, key=str)) == (column, values)
    assert best.covered > 0.95
    assert best.differing > 0.9
    assert best.score > 0.9


@pytest.mark.parametrize(
    ("where", "column", "low", "high"),
    [
        ("weight < 12.34", "weight", None, 12.33),
        ("weight >= 90", "weight", 90.0, None),
        ("day between '2026-03-01' and '2026-04-15'", "day", "2026-03-01", "2026-04-15"),
    ],
)
def test_a_range_is_drawn_close_about_the_differences(
    compared: Compared, where: str, column: str, low: object, high: object
) -> None:
    [best, *_] = found(compared, where)
    assert [(one.column, one.low, one.high) for one in best.slices] == [(column, low, high)]
    assert best.covered == best.differing == 1.0


def test_two_columns_together_where_neither_is_enough(compared: Compared) -> None:
    [best, *rest] = found(compared, "country = 'DE' and segment = 'business'")
    assert {(one.column, *map(str, one.values)) for one in best.slices} == {
        ("country", "DE"),
        ("segment", "business"),
    }
    assert best.score == best.covered == best.differing == 1.0
    assert [len(one.slices) for one in rest] == [1, 1][: len(rest)]


@pytest.mark.parametrize("where", ["true", "hash(id || 'x') % 10 = 0", "id < 3"])
def test_nothing_is_named_where_no_slice_tells_anything(compared: Compared, where: str) -> None:
    segments = found(compared, where)
    assert segments == []


def test_added_and_removed_rows_have_segments_too(compared: Compared) -> None:
    baseline = ROWS.format(rows=6000)
    lost = compared(baseline, f"from ({baseline}) where country is distinct from 'PL'")
    assert lost.rows.removed == lost.rows.different > 0
    assert [(one.column, one.values) for one in lost.segments[0].slices] == [("country", ["PL"])]
    more = compared(
        baseline,
        f"from ({baseline}) union all select id + 9000, * exclude (id) from ({baseline}) where segment = 'business' and id < 800",
    )
    assert more.rows.added == more.rows.different > 0


def test_noise_is_in_no_segment(compared: Compared) -> None:
    baseline = f"select *, 1 as made_at from ({ROWS.format(rows=3000)})"
    candidate = f"select * replace (case when country = 'DE' then 2 else 1 end as made_at) from ({baseline})"
    rules = OutputRules(key=("id",), nondeterministic=frozenset({"made_at"}))
    assert compared(baseline, candidate).segments
    assert compared(baseline, candidate, rules).segments == []


def test_of_a_large_table_a_part_is_enough(compared: Compared) -> None:
    [best, *_] = found(compared, "country = 'DE'", rows=400_000)
    assert [(one.column, one.values) for one in best.slices] == [("country", ["DE"])]
    assert best.covered == pytest.approx(1.0, abs=0.01)
    assert best.rows == pytest.approx(1 / 6, abs=0.01)


def test_neither_threads_nor_the_order_of_rows_change_the_segments(compared: Compared) -> None:
    baseline = ROWS.format(rows=200_000)
    candidate = f"select * replace (amount + (country = 'DE')::int as amount) from ({baseline})"
    first = compared(baseline, candidate, threads=1)
    again = compared(f"from ({baseline}) order by hash(id)", f"from ({candidate}) order by weight", threads=2)
    assert (again.segments, again.profiles) == (first.segments, first.profiles)
