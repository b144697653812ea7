"""``sandbox gc``: remove leftovers, and samples, runs and images beyond the retention policy."""

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
    """Limits for stored items.

    Attributes:
        max_age: Seconds after creation for samples and their derivatives, used or not: they hold people's data.
        max_idle: Seconds after the last use for all items.
        max_bytes: Total bytes of all items; the least recently used are removed first. None for no limit.
    """

    max_age: float = 90 * DAY_SECONDS
    max_idle: float = 30 * DAY_SECONDS
    max_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class RemovalCandidate:
    """An item to remove, with the reason."""

    item: CleanupItem
    reason: str


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """Items and leftovers to remove, and those in use.

    Attributes:
        leftovers: Leftovers to remove.
        candidates: Unused items beyond the policy.
        candidates_in_use: Items beyond the policy in use.
        leftovers_in_use: Leftovers in use.
    """

    leftovers: list[Leftover]
    candidates: list[RemovalCandidate]
    candidates_in_use: list[RemovalCandidate]
    leftovers_in_use: list[Leftover] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Bytes freed by the removal."""
        return sum(left.bytes for left in self.leftovers) + sum(chosen.item.bytes for chosen in self.candidates)


@dataclass(frozen=True, kw_only=True)
class GcResult:
    """The garbage removed, or to be removed in a dry run."""

    garbage: Garbage
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox gc --json``."""
        garbage = self.garbage
        return {
            "format_version": 1,
            "dry_run": self.dry_run,
            "removed": [
                *map(_describe_leftover, garbage.leftovers),
                *map(_describe_candidate, garbage.candidates),
            ],
            "in_use": [
                *map(_describe_leftover, garbage.leftovers_in_use),
                *map(_describe_candidate, garbage.candidates_in_use),
            ],
            "bytes": self.garbage.bytes,
        }


def find_garbage(policy: RetentionPolicy) -> Garbage:
    """Find the garbage of all projects of this user; removes nothing."""
    chosen = select_candidates(inventory.list_items(find_home_folder()), policy, now=time.time())
    busy = [candidate for candidate in chosen if leases.is_in_use(candidate.item.path)]
    return Garbage(
        leftovers=inventory.find_leftovers(find_home_folder()),
        candidates=[candidate for candidate in chosen if candidate not in busy],
        candidates_in_use=busy,
    )


def select_candidates(items: Sequence[CleanupItem], policy: RetentionPolicy, *, now: float) -> list[RemovalCandidate]:
    """Return the items beyond a policy with reasons, those beyond age and idle limits first."""
    chosen: dict[int, RemovalCandidate] = {}
    for number, item in enumerate(items):
        if item.kind in PERSONAL_KINDS and now - item.created_at >= policy.max_age:
            chosen[number] = RemovalCandidate(item=item, reason=f"made {_format_days(now - item.created_at)} ago")
        elif now - item.last_used_at >= policy.max_idle:
            chosen[number] = RemovalCandidate(item=item, reason=f"not used for {_format_days(now - item.last_used_at)}")
    if policy.max_bytes is not None:
        left = sum(item.bytes for number, item in enumerate(items) if number not in chosen)
        for number, item in sorted(enumerate(items), key=lambda entry: entry[1].last_used_at):
            if left > policy.max_bytes and number not in chosen:
                chosen[number] = RemovalCandidate(item=item, reason="the least lately used of too much")
                left -= item.bytes
    return list(chosen.values())


def remove_garbage(rubbish: Garbage, *, progress: Progress) -> Garbage:
    """Remove garbage and return it; what is in use by now stays.

    Raises:
        StoreError: A path may not be removed.
        ContainerEngineError: A container or an image cannot be removed.
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
        leftovers=[left for left in rubbish.leftovers if left not in stays],
        candidates=[chosen for chosen in rubbish.candidates if chosen not in kept],
        candidates_in_use=[*rubbish.candidates_in_use, *kept],
        leftovers_in_use=stays,
    )


def _describe_leftover(leftover: Leftover) -> dict[str, Any]:
    return {
        "kind": leftover.description,
        "name": leftover.name,
        "project": None,
        "bytes": leftover.bytes,
        "reason": leftover.description,
    }


def _describe_candidate(candidate: RemovalCandidate) -> dict[str, Any]:
    item = candidate.item
    return {
        "kind": item.kind,
        "name": item.name,
        "project": str(item.project) if item.project else None,
        "bytes": item.bytes,
        "reason": candidate.reason,
    }


def _format_days(seconds: float) -> str:
    return (
        format_count(int(seconds // DAY_SECONDS), "day")
        if seconds >= DAY_SECONDS
        else format_duration(max(0.0, seconds))
    )
