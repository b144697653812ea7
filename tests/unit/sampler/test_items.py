"""The items of a draw: where large files are cut depends on nothing but the file."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sandbox.sampler.draw.work_items import MIN_BATCHES, RANGE_BYTES, list_items, split_row_groups
from sandbox.sources.listing import SourceFile
from sandbox.sources.table import SourceTable


def table(*sizes: int) -> SourceTable:
    files = tuple(
        SourceFile(path=f"/{n}.parquet", name=f"{n}.parquet", bytes=size, modified=0) for n, size in enumerate(sizes)
    )
    return SourceTable(name="t", format="parquet", files=files, columns={"id": "BIGINT"}, rows=9, width=8.0)


@given(st.lists(st.integers(0, 500_000), max_size=200), st.integers(0, 40 * RANGE_BYTES))
def test_the_ranges_are_whole_row_groups_and_cover_the_file_once(groups: list[int], size: int) -> None:
    ends = {0}
    for rows in groups:
        ends.add(max(ends) + rows)
    ranges = split_row_groups(groups, size)
    assert [row for one in ranges for row in one][::2] == [0, *(stop for _, stop in ranges)][: len(ranges)]
    assert all(first < stop and {first, stop} <= ends for first, stop in ranges if sum(groups))
    assert sum(stop - first for first, stop in ranges) == sum(groups)
    assert len(ranges) <= max(1, round(size / RANGE_BYTES))


def test_small_files_and_one_large_row_group_stay_whole() -> None:
    found = list_items(table(10, 9 * RANGE_BYTES), {1: [1_000_000]})
    assert [(one.label, one.stop, one.bytes) for one in found] == [
        ("00000", None, 10),
        ("00001", None, 9 * RANGE_BYTES),
    ]


def test_a_large_file_makes_parts_of_about_equal_size_in_its_order() -> None:
    found = list_items(table(5, 4 * RANGE_BYTES), {1: [100] * 40})
    assert [one.label for one in found] == ["00000", "00001-0000", "00001-0001", "00001-0002", "00001-0003"]
    assert [(one.first, one.stop) for one in found[1:]] == [
        (0, 1000),
        (1000, 2000),
        (2000, 3000),
        (3000, 4000),
    ]
    assert {one.bytes for one in found[1:]} == {RANGE_BYTES}


@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from("aaaaaaaab")), max_size=60),
    st.integers(0, 1000),
)
def test_small_files_of_one_group_are_read_at_once(files: list[tuple[int, str]], most: int) -> None:
    sizes, kinds = [size for size, _ in files], [kind for _, kind in files]
    items = list_items(table(*sizes), {}, kinds, most)
    assert [index for item in items for index in item.files] == list(range(len(files)))
    assert all(len({kinds[index] for index in item.files}) == 1 for item in items)
    assert all(item.bytes <= most or len(item.files) == 1 for item in items)
    for before, after in itertools.pairwise(items):
        first = after.files[0]
        is_full = len(before.files) == max(1, len(files) // MIN_BATCHES)
        assert is_full or kinds[before.files[0]] != kinds[first] or before.bytes + sizes[first] > most
    assert len({item.label for item in items}) == len(items)
