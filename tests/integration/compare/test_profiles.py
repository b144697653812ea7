"""How the values of columns that differ are distributed on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.manifest.diff import OutputDiff

    Compared = Callable[..., OutputDiff]


def test_the_figures_of_a_small_table_are_exact(compared: Compared) -> None:
    baseline = "select i as id, i::double as v, 'same' as s from range(100) t(i)"
    candidate = (
        "select id, case when id = 7 then null when id = 8 then 'nan' else v + 100 end as v, s from (" + baseline + ")"
    )
    found = compared(baseline, candidate)
    assert list(found.profiles) == ["v"]
    profile = found.profiles["v"]
    assert (profile.one_in, profile.exact) == (1, True)
    before, after = profile.baseline, profile.candidate
    assert (before.rows, before.nulls, before.distinct, before.min, before.max, before.mean) == (
        100, 0, 100, 0.0, 99.0, 49.5,
    )  # fmt: skip
    assert (after.nulls, after.distinct, after.min, after.max) == (1, 99, 100.0, 199.0)
    assert before.quantiles == [4.0, 24.0, 49.0, 74.0, 94.0]
    assert profile.histogram is not None
    assert len(profile.histogram.edges) == len(profile.histogram.baseline) + 1
    for shares in (profile.histogram.baseline, profile.histogram.candidate):
        assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    assert sum(profile.histogram.baseline[:9]) > 0.8  # all of it lies below all of the candidate's
    assert sum(profile.histogram.candidate[11:]) > 0.8


def test_frequent_values_stand_beside_each_other(compared: Compared) -> None:
    baseline = "select i as id, ['a', 'b', null][1 + (i % 3)::int] as v from range(300) t(i)"
    candidate = f"select id, case when v = 'b' then '<new>' else v end as v from ({baseline})"
    top = compared(baseline, candidate).profiles["v"].top
    third = pytest.approx(1 / 3, rel=1e-5)
    assert {one.value: (one.baseline, one.candidate) for one in top} == {
        "a": (third, third),
        None: (third, third),
        "b": (third, 0.0),
        "<new>": (0.0, third),
    }


@pytest.mark.parametrize(
    ("type_", "low", "high"),
    [
        ("date", "2026-01-01", "2026-01-05"),
        ("timestamp", "2026-01-01 00:00:00", "2026-01-05 00:00:00"),
        ("timestamptz", "2026-01-01 00:00:00+00", "2026-01-05 00:00:00+00"),
        ("timestamp_ns", "2026-01-01 00:00:00", "2026-01-05 00:00:00"),
    ],
)
def test_moments_have_histograms(compared: Compared, type_: str, low: str, high: str) -> None:
    query = "select i as id, (timestamp '2026-01-01' + to_days({day}))::{type} as at from range(200) t(i)"
    found = compared(query.format(day="(i % 4)::int", type=type_), query.format(day="(i % 4)::int + 1", type=type_))
    profile = found.profiles["at"]
    assert (profile.baseline.min, profile.candidate.max) == (low, high)
    assert profile.histogram is not None
    assert str(profile.histogram.edges[0]).startswith("2026-01-01")
    assert str(profile.histogram.edges[-1]).startswith("2026-01-05")
    column = found.columns["at"]
    assert (column.mean_change, column.total_change, column.change_in) == (86400.0, 200 * 86400.0, "seconds")


def test_extreme_values_break_nothing(compared: Compared) -> None:
    found = compared(
        "select * from (values (1, 'infinity'::date, 'infinity'::timestamp, 1e308, 170141183460469231731687303715884105727::hugeint, time '00:00'), "
        "(2, '5877642-06-25 (BC)'::date, '-infinity', -1e308, -5, '23:59:59'), (3, null, null, null, null, null)) "
        "as t(id, d, ts, f, h, ti)",
        "select * from (values (1, '2026-01-01'::date, '290309-12-22 (BC) 00:00:00'::timestamp, -1e308, 0::hugeint, time '24:00'), "
        "(2, '5881580-07-10'::date, '2026-01-01', 'infinity', 1, '12:00'), (3, null, null, 'nan', null, null)) "
        "as t(id, d, ts, f, h, ti)",
    )  # fmt: skip
    assert found.rows.changed == 3
    assert found.profiles.keys() == {"d", "ts", "f", "h", "ti"}
    assert found.model_dump_json()


def test_long_text_is_cut_everywhere(compared: Compared) -> None:
    baseline = "select i as id, repeat('x', 2000000) || i as v from range(5) t(i)"
    found = compared(baseline, f"select id, v || '!' as v from ({baseline})")
    assert found.rows.changed == 5
    assert len(found.model_dump_json()) < 20_000


def test_of_a_large_table_the_distribution_comes_from_a_part_and_says_so(compared: Compared) -> None:
    baseline = "select i as id, hash(i) % 1000 as v, i % 5 as w from range(400000) t(i)"
    found = compared(baseline, f"select id, case when id % 10 = 0 then 5000 else v end as v, w from ({baseline})")
    profile = found.profiles["v"]
    assert list(found.profiles) == ["v"]
    assert (profile.one_in, profile.exact) == (8, True)
    assert (profile.baseline.rows, profile.candidate.max) == (400_000, 5000)
    assert profile.baseline.distinct == pytest.approx(1000, rel=0.1)
    assert profile.top[0].value == 5000
    assert profile.top[0].candidate == pytest.approx(0.1, abs=0.01)


def test_many_added_rows_bring_the_profile_of_every_column(compared: Compared) -> None:
    baseline = "select i as id, i % 5 as w from range(100) t(i)"
    found = compared(baseline, "select i as id, i % 6 as w from range(120) t(i) where i < 50 or i > 60")
    assert set(found.profiles) == {"id", "w"}


def test_equal_tables_have_no_profile_and_no_segment(compared: Compared) -> None:
    query = "select i as id, i % 5 as w from range(100) t(i)"
    found = compared(query, query + " order by hash(i)")
    assert (found.profiles, found.segments, found.is_same) == ({}, [], True)


def test_where_nearly_every_row_differs_the_counts_are_the_same(compared: Compared) -> None:
    baseline = "select i as id, i::double as v, 'n' || i as s from range(60000) t(i)"
    candidate = f"select case when id % 100 = 0 then id + 100000 else id end as id, v + 1 as v, s from ({baseline})"
    found = compared(baseline, candidate)
    rows = found.rows
    assert (rows.added, rows.removed, rows.changed, rows.unchanged) == (600, 600, 59_400, 0)
    column = found.columns["v"]
    assert (column.changed, column.mean_change, column.max_change) == (59_400, 1.0, 1.0)
    assert [example.kind for example in found.examples] == ["changed"] * 5 + ["removed"] * 5 + ["added"] * 5
