from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.commands.cleanup.gc import DAY, Policy, choose
from sandbox.commands.cleanup.inventory import Item, Kind

NOW = 1_000 * DAY


def item(name: str, kind: Kind = "run", *, made: float = 0, used: float = 0, size: int = 10) -> Item:
    """Give a thing that was made and used so many days ago."""
    return Item(
        kind=kind,
        name=name,
        project=None,
        place=Path(name),
        bytes=size,
        made=NOW - made * DAY,
        used=NOW - used * DAY,
    )


def chosen(items: list[Item], **policy: float) -> dict[str, str]:
    made = Policy(**policy)  # type: ignore[arg-type]
    return {one.item.name: one.reason for one in choose(items, made, now=NOW)}


@pytest.mark.parametrize("kind", ["sample", "run", "report", "half", "comparison"])
def test_what_holds_peoples_data_goes_when_it_is_old_although_it_is_used(kind: Kind) -> None:
    assert chosen([item("a", kind, made=91), item("b", kind, made=89)]) == {"a": "made 91 days ago"}


@pytest.mark.parametrize("kind", ["environment", "image", "wheel", "package"])
def test_libraries_do_not_age(kind: Kind) -> None:
    assert chosen([item("a", kind, made=400, used=1)]) == {}


def test_everything_goes_when_nobody_used_it_for_long() -> None:
    found = [item("a", "image", used=31), item("b", "sample", used=30), item("c", "wheel", used=29)]
    assert chosen(found) == {"a": "not used for 31 days", "b": "not used for 30 days"}


def test_of_too_much_the_least_lately_used_goes_and_no_more_than_needed() -> None:
    found = [item("a", used=1), item("b", used=3), item("c", used=2, size=5), item("d", used=60)]
    assert list(chosen(found, most=20)) == ["d", "b"]
    assert list(chosen(found, most=9)) == ["d", "b", "c", "a"]
    assert list(chosen(found, most=25)) == ["d"]


def test_shorter_times_are_told_in_hours() -> None:
    assert chosen([item("a", used=0.125)], idle=3600) == {"a": "not used for 3 h 0 min"}
