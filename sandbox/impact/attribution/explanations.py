"""Explain differing rows by the parts of a change. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

ExplanationKind = Literal["alone", "together", "each", "several", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The parts that explain some rows.

    Attributes:
        kind: ``alone``: the row differs with this part alone, and not without it. ``together``: with none of them alone, and
            not without any of them. ``each``: with each of them alone. ``several``: they interact otherwise. ``unknown``: no
            part shows an effect on it.
        parts: The positions of the parts.
    """

    kind: ExplanationKind
    parts: tuple[int, ...]


def explain_rows(
    differing: Collection[Hashable],
    alone: Mapping[int, Collection[Hashable]],
    without: Mapping[int, Collection[Hashable]],
) -> dict[Explanation, list[Hashable]]:
    """Return the rows of each explanation.

    Args:
        differing: The rows that differ between the two versions.
        alone: By part, the rows that differ between the baseline and the baseline with this part.
        without: By part, the rows that differ between the candidate and the candidate without this part. A part that is in
            one of the two mappings alone could not be run in the other way.

    >>> explain_rows("abcd", {0: "ac", 1: "bc"}, {0: "ad", 1: "bd"})[Explanation(kind="together", parts=(0, 1))]
    ['d']
    """
    parts = sorted(alone.keys() | without.keys())
    groups: dict[Explanation, list[Hashable]] = defaultdict(list)
    for row in differing:
        effects = tuple(part for part in parts if row in alone.get(part, without.get(part, ())))
        needs = tuple(part for part in parts if row in without.get(part, alone.get(part, ())))
        groups[_explain_row(effects, needs)].append(row)
    return dict(groups)


def _explain_row(effects: tuple[int, ...], needs: tuple[int, ...]) -> Explanation:
    if effects == needs:
        kind: ExplanationKind = "unknown" if not needs else "alone" if len(needs) == 1 else "several"
        return Explanation(kind=kind, parts=needs)
    if not effects:
        return Explanation(kind="together" if len(needs) > 1 else "several", parts=needs)
    if not needs:
        return Explanation(kind="each" if len(effects) > 1 else "several", parts=effects)
    return Explanation(kind="several", parts=tuple(sorted({*effects, *needs})))
