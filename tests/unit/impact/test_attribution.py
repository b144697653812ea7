"""Parts of a change: hunks that apply alone and together, and rows explained by them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox.impact.attribution.explanations import Explanation, explain_rows
from sandbox.runner.code.code_parts import CodePart, apply_hunks, find_hunks

LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"d"]), max_size=30)


@given(LINES, LINES)
def test_all_hunks_give_the_version_after_and_none_the_one_before(before: list[bytes], after: list[bytes]) -> None:
    parts = [CodePart(path="x", lines=lines, new_lines=new) for lines, new in find_hunks(before, after)]
    assert apply_hunks(before, after, parts) == after
    assert apply_hunks(before, after, []) == before
    for part in parts:
        rest = [other for other in parts if other != part]
        assert (apply_hunks(before, after, rest) == after) == (not part_changes(part, before, after))


def part_changes(part: CodePart, before: list[bytes], after: list[bytes]) -> bool:
    assert part.lines is not None
    assert part.new_lines is not None
    return before[slice(*part.lines)] != after[slice(*part.new_lines)]


def test_rows_are_explained_by_the_parts_they_need() -> None:
    """Rows: 1 by part 0; 2 by parts 0 and 1 together; 3 by either of them; 4 by part 2, which does not run alone."""
    groups = explain_rows(
        [1, 2, 3, 4, 5],
        alone={0: {1, 3}, 1: {3}},
        without={0: {1, 2}, 1: {2}, 2: {4}},
    )
    assert groups == {
        Explanation(kind="alone", parts=(0,)): [1],
        Explanation(kind="together", parts=(0, 1)): [2],
        Explanation(kind="each", parts=(0, 1)): [3],
        Explanation(kind="alone", parts=(2,)): [4],
        Explanation(kind="unknown", parts=()): [5],
    }
