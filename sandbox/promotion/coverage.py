"""Decide whether promotion records cover a version. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.promotion.statement import PromotedSide, Promotion

UncoveredKind = Literal["none", "signature", "tree", "lock", "rules", "expired"]
KIND_ORDER: tuple[UncoveredKind, ...] = ("none", "signature", "tree", "lock", "rules", "expired")
"""From the farthest to the nearest to being covered."""


@dataclass(frozen=True, kw_only=True)
class SignedPromotion:
    """A promotion, its file, and the name of the trusted key that has signed it; None if none has.

    ``baseline_rules`` is the digest of the rules at the recorded baseline commit; None if that was no earlier state of the
    branch, or they cannot be read. ``max_age`` in seconds is that commit's; None is any age.
    """

    promotion: Promotion
    origin: str
    signer: str | None
    baseline_rules: str | None
    max_age: float | None = None


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The result: the covering record, or the kind of failure of the nearest one with the reason."""

    record: SignedPromotion | None
    kind: UncoveredKind | None
    reason: str


def find_coverage(version: PromotedSide, records: Sequence[SignedPromotion], *, now: dt.datetime) -> Coverage:
    """Return the record that covers a version, else why the nearest one does not."""
    nearest = Coverage(record=None, kind="none", reason="there is no promotion record")
    for record in records:
        found = _check_record(version, record, now)
        if found.record is not None:
            return found
        assert found.kind is not None
        assert nearest.kind is not None
        if KIND_ORDER.index(found.kind) >= KIND_ORDER.index(nearest.kind):
            nearest = found
    return nearest


def _check_record(version: PromotedSide, record: SignedPromotion, now: dt.datetime) -> Coverage:
    promotion = record.promotion
    age = (now - dt.datetime.fromisoformat(promotion.created)).total_seconds()
    failures: list[tuple[UncoveredKind, bool, str]] = [
        ("signature", record.signer is None, f"{record.origin} is signed by no trusted key"),
        (
            "tree",
            promotion.candidate.tree != version.tree,
            f"{record.origin} covers the code tree {promotion.candidate.tree[:12]}, and {version.ref} has {version.tree[:12]}",
        ),
        ("lock", promotion.candidate.lock != version.lock, f"{record.origin} was made with another sandbox.lock"),
        (
            "rules",
            promotion.candidate.rules != version.rules,
            f"{record.origin} was judged with other rules than those of {version.ref}",
        ),
        (
            "rules",
            promotion.baseline.rules != record.baseline_rules,
            f"{record.origin} was not judged by the rules of {promotion.baseline.ref}",
        ),
        (
            "rules",
            promotion.verdict == "outside_gate" and not promotion.reason,
            f"{record.origin} is outside the gate, and names no reason",
        ),
        ("expired", age < -_CLOCK_SECONDS, f"{record.origin} was made in the future: {promotion.created}"),
        (
            "expired",
            record.max_age is not None and age > record.max_age,
            f"{record.origin} is older than [promotion] max_age: {promotion.created}",
        ),
    ]
    for kind, failed, reason in failures:
        if failed:
            return Coverage(record=None, kind=kind, reason=reason)
    return Coverage(record=record, kind=None, reason=f"{record.origin}, signed by {record.signer}")


_CLOCK_SECONDS = 300.0
"""Clocks of machines may differ by this much."""
