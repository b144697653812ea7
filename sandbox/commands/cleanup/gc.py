"""``sandbox gc``: remove what nobody needs any more: what killed processes left, and what is old, idle or too much."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.commands.cleanup import inventory
from sandbox.commands.cleanup.inventory import PERSONAL_KINDS, CleanupItem, Leftover
from sandbox.formatting import format_count, format_duration
from sandbox.store import leases
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.model import Progress

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """What may stay.

    Attributes:
        max_age: Samples, and what was made from them, live so many seconds from when they were made, used or not: they hold
            people's data.
        max_idle: Everything stays so many seconds after its last use.
        max_bytes: All of it together may take so many bytes; what was used least lately goes first. None for any number.
    """

    max_age: float = 90 * DAY_SECONDS
    max_idle: float = 30 * DAY_SECONDS
    max_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class RemovalCandidate:
    """What is to be removed, and why."""

    item: CleanupItem
    reason: str


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """What is to be removed, and what would be but is in use.

    Attributes:
        leftovers: What killed processes left.
        candidates: What the policy no longer allows, and nobody uses.
        candidates_in_use: What it no longer allows either, but somebody uses.
        leftovers_in_use: What killed processes left, but something uses.
    """

    leftovers: list[Leftover]
    candidates: list[RemovalCandidate]
    candidates_in_use: list[RemovalCandidate]
    leftovers_in_use: list[Leftover] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """What removing gives back."""
        return sum(one.bytes for one in self.leftovers) + sum(one.item.bytes for one in self.candidates)


@dataclass(frozen=True, kw_only=True)
class GcResult:
    """What was removed, or would be; what was not because it is in use."""

    garbage: Garbage
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox gc --json``."""
        found = self.garbage
        return {
            "format_version": 1,
            "dry_run": self.dry_run,
            "removed": [
                *map(_describe_leftover, found.leftovers),
                *map(_describe_candidate, found.candidates),
            ],
            "in_use": [
                *map(_describe_leftover, found.leftovers_in_use),
                *map(_describe_candidate, found.candidates_in_use),
            ],
            "bytes": self.garbage.bytes,
        }


def find_garbage(policy: RetentionPolicy) -> Garbage:
    """Give what is to be removed, from all projects of this user; removes nothing."""
    chosen = select_candidates(inventory.list_items(find_home_folder()), policy, now=time.time())
    busy = [one for one in chosen if leases.is_in_use(one.item.path)]
    return Garbage(
        leftovers=inventory.find_leftovers(find_home_folder()),
        candidates=[one for one in chosen if one not in busy],
        candidates_in_use=busy,
    )


def select_candidates(items: Sequence[CleanupItem], policy: RetentionPolicy, *, now: float) -> list[RemovalCandidate]:
    """Give what a policy no longer allows, and why; what it allows least of all comes first."""
    chosen: dict[int, RemovalCandidate] = {}
    for number, item in enumerate(items):
        if item.kind in PERSONAL_KINDS and now - item.created_at >= policy.max_age:
            chosen[number] = RemovalCandidate(item=item, reason=f"made {_format_days(now - item.created_at)} ago")
        elif now - item.last_used_at >= policy.max_idle:
            chosen[number] = RemovalCandidate(item=item, reason=f"not used for {_format_days(now - item.last_used_at)}")
    if policy.max_bytes is not None:
        left = sum(item.bytes for number, item in enumerate(items) if number not in chosen)
        for number, item in sorted(enumerate(items), key=lambda one: one[1].last_used_at):
            if left > policy.max_bytes and number not in chosen:
                chosen[number] = RemovalCandidate(item=item, reason="the least lately used of too much")
                left -= item.bytes
    return list(chosen.values())


def remove_garbage(rubbish: Garbage, *, progress: Progress) -> Garbage:
    """Remove it, and give what was removed; what somebody began to use meanwhile stays.

    Raises:
        StoreError: Something may not be removed.
        EngineError: A container or an image cannot be removed.
    """
    stays: list[Leftover] = []
    for left in rubbish.leftovers:
        with progress.step(f"removing {left.name}"):
            if not left.remove():
                stays.append(left)
    kept: list[RemovalCandidate] = []
    for chosen in rubbish.candidates:
        with progress.step(f"removing {chosen.item.kind} {chosen.item.name[:16]}"):
            if not inventory.remove_item(chosen.item):
                kept.append(chosen)
    return Garbage(
        leftovers=[one for one in rubbish.leftovers if one not in stays],
        candidates=[one for one in rubbish.candidates if one not in kept],
        candidates_in_use=[*rubbish.candidates_in_use, *kept],
        leftovers_in_use=stays,
    )


def _describe_leftover(one: Leftover) -> dict[str, Any]:
    return {
        "kind": one.description,
        "name": one.name,
        "project": None,
        "bytes": one.bytes,
        "reason": one.description,
    }


def _describe_candidate(one: RemovalCandidate) -> dict[str, Any]:
    item = one.item
    return {
        "kind": item.kind,
        "name": item.name,
        "project": str(item.project) if item.project else None,
        "bytes": item.bytes,
        "reason": one.reason,
    }


def _format_days(seconds: float) -> str:
    return (
        format_count(int(seconds // DAY_SECONDS), "day")
        if seconds >= DAY_SECONDS
        else format_duration(max(0.0, seconds))
    )
