from __future__ import annotations

import typing
from typing import Any

import pytest

from sandbox.config.rules.mask_strength import MASK_STRENGTHS, find_weakened_masks
from sandbox.config.sections.sample import MaskEntry
from sandbox.config.settings import Settings


def read(mask: Any, *, table: str = "t") -> Settings:
    tables: dict[str, Any] = {"units": {"key": ["id"]}, table: {"key": ["id"]}}
    if mask is not None:
        tables[table]["mask"] = {"c": mask}
    return Settings.model_validate(
        {
            "version": 1,
            "project": {"name": "p"},
            "source": {"uri": "w/"},
            "sample": {"unit": "units", "rate": 0.5},
            "tables": tables,
        }
    )


def weaken(before: Any, after: Any) -> bool:
    return bool(list(find_weakened_masks(read(before), read(after))))


def write(kind: str, amount: float = 0.5) -> Any:
    option: dict[str, dict[str, Any]] = {
        "date_shift": {"days": int(amount * 100)},
        "noise": {"relative": amount},
        "bucket": {"width": amount},
    }
    return {"kind": kind, **option.get(kind, {})}


def test_every_kind_has_a_strength() -> None:
    assert set(typing.get_args(MaskEntry.model_fields["kind"].annotation)) == set(MASK_STRENGTHS)


@pytest.mark.parametrize("before", MASK_STRENGTHS)
@pytest.mark.parametrize("after", MASK_STRENGTHS)
def test_a_step_down_is_weaker_and_a_step_up_is_not(before: str, after: str) -> None:
    assert weaken(write(before), write(after)) == (MASK_STRENGTHS[after] < MASK_STRENGTHS[before])


@pytest.mark.parametrize("kind", ["date_shift", "noise", "bucket"])
def test_a_smaller_amount_is_weaker(kind: str) -> None:
    assert weaken(write(kind, 0.5), write(kind, 0.25))
    assert not weaken(write(kind, 0.5), write(kind, 0.75))


def test_a_mask_that_is_gone_is_weaker_and_so_is_a_none_that_the_baseline_does_not_say() -> None:
    assert weaken("hash", None)
    assert not weaken("none", None)
    assert not weaken("none", "none")
    assert weaken(None, "none")
    assert not weaken(None, "hash")
    [found] = find_weakened_masks(read(None), read("none", table="copied"))
    assert (found.table, found.column, found.baseline, found.candidate) == ("copied", "c", "no mask", "none")
    assert not list(find_weakened_masks(read("hash"), read(None, table="other"))), "a table that nobody samples"


def test_a_table_of_nearly_the_same_name_keeps_its_masks() -> None:
    for name in ("T", "public.t", "Public.T"):
        assert [one.column for one in find_weakened_masks(read("hash"), read(None, table=name))] == ["c"]
