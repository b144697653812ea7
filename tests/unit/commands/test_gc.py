from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.commands.cleanup.gc import DAY_SECONDS, RetentionPolicy, select_candidates
from sandbox.commands.cleanup.inventory import CleanupItem, ItemKind

NOW = 1_000 * DAY_SECONDS


def item(name: str, kind: ItemKind = "run", *, made: float = 0, used: float = 0, size: int = 10) -> CleanupItem:
    """Give a thing that was made and used so many days ago."""
    return CleanupItem(
        kind=kind,
        name=name,
        project=None,
        path=Path(name),
        bytes=size,
        created_at=NOW - made * DAY_SECONDS,
        last_used_at=NOW - used * DAY_SECONDS,
    )


def chosen(items: list[CleanupItem], **policy: float) -> dict[str, str]:
    made = RetentionPolicy(**policy)  # type: ignore[arg-type]
    return {one.item.name: one.reason for one in select_candidates(items, made, now=NOW)}


@pytest.mark.parametrize("kind", ["sample", "run", "report", "half", "comparison"])
def test_what_holds_peoples_data_goes_when_it_is_old_although_it_is_used(kind: ItemKind) -> None:
    assert chosen([item("a", kind, made=91), item("b", kind, made=89)]) == {"a": "made 91 days ago"}


@pytest.mark.parametrize("kind", ["environment", "image", "wheel", "package"])
def test_libraries_do_not_age(kind: ItemKind) -> None:
    assert chosen([item("a", kind, made=400, used=1)]) == {}


def test_everything_goes_when_nobody_used_it_for_long() -> None:
    found = [item("a", "image", used=31), item("b", "sample", used=30), item("c", "wheel", used=29)]
    assert chosen(found) == {"a": "not used for 31 days", "b": "not used for 30 days"}


def test_of_too_much_the_least_lately_used_goes_and_no_more_than_needed() -> None:
    found = [item("a", used=1), item("b", used=3), item("c", used=2, size=5), item("d", used=60)]
    assert list(chosen(found, max_bytes=20)) == ["d", "b"]
    assert list(chosen(found, max_bytes=9)) == ["d", "b", "c", "a"]
    assert list(chosen(found, max_bytes=25)) == ["d"]


def test_shorter_times_are_told_in_hours() -> None:
    assert chosen([item("a", used=0.125)], max_idle=3600) == {"a": "not used for 3 h 0 min"}
