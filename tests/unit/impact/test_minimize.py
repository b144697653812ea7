"""Delta debugging finds a small part that still has the property, within its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sandbox.impact.witness.minimize import BudgetError, minimize

if TYPE_CHECKING:
    from collections.abc import Sequence


@given(st.integers(0, 200), st.sets(st.integers(0, 199), max_size=6))
def test_what_is_needed_remains_and_nothing_else(count: int, needed: set[int]) -> None:
    items = list(range(count))
    needed &= set(items)
    found = minimize(items, lambda some: needed <= set(some))
    assert found.items == tuple(sorted(needed))
    assert found.is_minimal


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_property_of_size_leaves_a_part_of_that_size(count: int, least: int) -> None:
    found = minimize(range(count), lambda some: len(some) >= min(least, count))
    assert len(found.items) == min(least, count)


@given(st.integers(0, 30), st.sets(st.integers(0, 99), min_size=1, max_size=4))
def test_at_the_end_of_the_budget_the_smallest_part_so_far_has_the_property(budget: int, needed: set[int]) -> None:
    tests = 0

    def has_property(some: Sequence[int]) -> bool:
        nonlocal tests
        if tests == budget:
            raise BudgetError
        tests += 1
        return needed <= set(some)

    found = minimize(range(100), has_property)
    assert needed <= set(found.items)
    assert tests <= budget
    assert set(found.items) == needed or not found.is_minimal


def test_of_a_hundred_items_one_is_found_in_fourteen_tests() -> None:
    tests: list[int] = []

    def has_property(some: Sequence[int]) -> bool:
        tests.append(len(some))
        return 63 in some

    assert minimize(range(100), has_property).items == (63,)
    assert len(tests) <= 14
