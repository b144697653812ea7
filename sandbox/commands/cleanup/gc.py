"""``sandbox gc``: remove what nobody needs any more: what killed processes left, and what is old, idle or too much."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.commands.cleanup import inventory
from sandbox.commands.cleanup.inventory import PERSONAL, Item, Leftover
from sandbox.formatting import duration, many
from sandbox.store import leases
from sandbox.store.paths import home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.model import Progress

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What may stay.

    Attributes:
        older: Samples, and what was made from them, live so many seconds from when they were made, used or not: they hold
            people's data.
        idle: Everything stays so many seconds after its last use.
        most: All of it together may take so many bytes; what was used least lately goes first. None for any number.
    """

    older: float = 90 * DAY
    idle: float = 30 * DAY
    most: int | None = None


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What is to be removed, and why."""

    item: Item
    reason: str


@dataclass(frozen=True, kw_only=True)
class Rubbish:
    """What is to be removed, and what would be but is in use.

    Attributes:
        left: What killed processes left.
        chosen: What the policy no longer allows, and nobody uses.
        used: What it no longer allows either, but somebody uses.
        stays: What killed processes left, but something uses.
    """

    left: list[Leftover]
    chosen: list[Chosen]
    used: list[Chosen]
    stays: list[Leftover] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """What removing gives back."""
        return sum(one.bytes for one in self.left) + sum(one.item.bytes for one in self.chosen)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was removed, or would be; what was not because it is in use."""

    rubbish: Rubbish
    dry_run: bool

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox gc --json``."""
        found = self.rubbish
        return {
            "format_version": 1,
            "dry_run": self.dry_run,
            "removed": [*map(_left, found.left), *map(_described, found.chosen)],
            "in_use": [*map(_left, found.stays), *map(_described, found.used)],
            "bytes": self.rubbish.bytes,
        }


def find(policy: Policy) -> Rubbish:
    """Give what is to be removed, from all projects of this user; removes nothing."""
    chosen = choose(inventory.items(home()), policy, now=time.time())
    busy = [one for one in chosen if leases.in_use(one.item.place)]
    return Rubbish(
        left=inventory.leftovers(home()), chosen=[one for one in chosen if one not in busy], used=busy
    )


def choose(items: Sequence[Item], policy: Policy, *, now: float) -> list[Chosen]:
    """Give what a policy no longer allows, and why; what it allows least of all comes first."""
    chosen: dict[int, Chosen] = {}
    for number, item in enumerate(items):
        if item.kind in PERSONAL and now - item.made >= policy.older:
            chosen[number] = Chosen(item=item, reason=f"made {_days(now - item.made)} ago")
        elif now - item.used >= policy.idle:
            chosen[number] = Chosen(item=item, reason=f"not used for {_days(now - item.used)}")
    if policy.most is not None:
        left = sum(item.bytes for number, item in enumerate(items) if number not in chosen)
        for number, item in sorted(enumerate(items), key=lambda one: one[1].used):
            if left > policy.most and number not in chosen:
                chosen[number] = Chosen(item=item, reason="the least lately used of too much")
                left -= item.bytes
    return list(chosen.values())


def remove(rubbish: Rubbish, *, progress: Progress) -> Rubbish:
    """Remove it, and give what was removed; what somebody began to use meanwhile stays.

    Raises:
        StoreError: Something may not be removed.
        EngineError: A container or an image cannot be removed.
    """
    stays: list[Leftover] = []
    for left in rubbish.left:
        with progress.step(f"removing {left.name}"):
            if not left.remove():
                stays.append(left)
    kept: list[Chosen] = []
    for chosen in rubbish.chosen:
        with progress.step(f"removing {chosen.item.kind} {chosen.item.name[:16]}"):
            if not inventory.remove(chosen.item):
                kept.append(chosen)
    return Rubbish(
        left=[one for one in rubbish.left if one not in stays],
        chosen=[one for one in rubbish.chosen if one not in kept],
        used=[*rubbish.used, *kept],
        stays=stays,
    )


def _left(one: Leftover) -> dict[str, Any]:
    return {"kind": one.what, "name": one.name, "project": None, "bytes": one.bytes, "reason": one.what}


def _described(one: Chosen) -> dict[str, Any]:
    item = one.item
    return {
        "kind": item.kind,
        "name": item.name,
        "project": str(item.project) if item.project else None,
        "bytes": item.bytes,
        "reason": one.reason,
    }


def _days(seconds: float) -> str:
    return many(int(seconds // DAY), "day") if seconds >= DAY else duration(max(0.0, seconds))
