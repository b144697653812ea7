"""The strength of masks, and masks weakened by a change of ``sandbox.toml``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.config.settings import Settings

MASK_STRENGTHS: dict[str, int] = {
    "null": 3, "redact": 3,
    "hash": 2, "key": 2, "text": 2, "email": 2, "name": 2, "phone": 2,
    "date_shift": 1, "noise": 1, "bucket": 1,
    "none": 0,
}  # fmt: skip
"""Kinds of masks by strength; a lower number hides less."""

MASK_AMOUNTS = ("days", "relative", "width")
"""Options of masks; larger values hide more."""


@dataclass(frozen=True, kw_only=True)
class WeakenedMask:
    """A column with a weaker mask than in the baseline's file, both in the notation of `describe_mask`."""

    table: str
    column: str
    baseline: str
    candidate: str


def is_weaker_mask(baseline: MaskEntry | None, candidate: MaskEntry | None) -> bool:
    """Return whether a mask is weaker than another one; None is a column without a mask."""
    before, after = _get_strength(baseline), _get_strength(candidate)
    if before != after:
        return after < before
    return (
        baseline is not None
        and candidate is not None
        and baseline.kind == candidate.kind
        and any((getattr(candidate, option) or 0) < (getattr(baseline, option) or 0) for option in MASK_AMOUNTS)
    )


def find_weakened_masks(baseline: Settings, candidate: Settings) -> Iterator[WeakenedMask]:
    """Yield the columns with a weaker mask in the candidate's file than in the baseline's.

    A new ``none`` counts as weaker. The baseline's file does not sample such a column: a column that looks personal and
    has no mask is refused.
    """
    for table, section in candidate.tables.items():
        for before in _find_baseline_masks(baseline, table):
            for column in sorted({*before, *section.mask}):
                masks = before.get(column), section.mask.get(column)
                is_new_none = masks[0] is None and masks[1] is not None and masks[1].kind == "none"
                if is_new_none or is_weaker_mask(*masks):
                    yield WeakenedMask(
                        table=table, column=column, baseline=describe_mask(masks[0]), candidate=describe_mask(masks[1])
                    )


def _find_baseline_masks(baseline: Settings, table: str) -> list[dict[str, MaskEntry]]:
    """Return the masks of a table in the baseline's file; for a missing table, those of tables with similar names.

    ``Customers`` and ``public.customers`` may be the baseline's ``customers``.
    """
    if table in baseline.tables:
        return [baseline.tables[table].mask]
    similar = [
        section.mask for name, section in baseline.tables.items() if _get_base_name(name) == _get_base_name(table)
    ]
    return similar or [{}]


def _get_base_name(table: str) -> str:
    return table.rpartition(".")[2].casefold()


def describe_mask(mask: MaskEntry | None) -> str:
    """Return a short description of a mask.

    >>> describe_mask(None)
    'no mask'
    """
    if mask is None:
        return "no mask"
    options = [f"{option} = {getattr(mask, option):g}" for option in MASK_AMOUNTS if getattr(mask, option) is not None]
    return " ".join([mask.kind, *options])


def _get_strength(mask: MaskEntry | None) -> int:
    return MASK_STRENGTHS["none" if mask is None else mask.kind]
