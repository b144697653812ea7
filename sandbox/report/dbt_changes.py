"""What dbt says of a change: which models it touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.diff import DiffDocument

_NAMES = 12


def changes(document: DiffDocument) -> list[str]:
    """Give which models changed, which were built because of that, and how many were taken from the baseline's run."""
    found = document.dbt
    if found is None or found.changed is None:
        return []
    downstream = [name for name in found.built if name not in found.changed]
    said = [f"changed: {_named(found.changed)}" if found.changed else "no model, seed or snapshot differs"]
    if downstream:
        said.append(f"built because of that: {_named(downstream)}")
    if found.taken_over:
        said.append(f"{many(len(found.taken_over), 'other')} taken from the run of {document.baseline.ref}")
    return said


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
