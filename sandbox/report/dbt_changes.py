"""What dbt says of a change: which models it touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.diff import DiffDocument

_MAX_NAMES = 12


def describe_model_changes(document: DiffDocument) -> list[str]:
    """Give which models changed, which were built because of that, and how many were taken from the baseline's run."""
    found = document.dbt
    if found is None or found.changed is None:
        return []
    downstream = [name for name in found.built if name not in found.changed]
    said = [f"changed: {_join_names(found.changed)}" if found.changed else "no model, seed or snapshot differs"]
    if downstream:
        said.append(f"built because of that: {_join_names(downstream)}")
    if found.taken_over:
        said.append(f"{format_count(len(found.taken_over), 'other')} taken from the run of {document.baseline.ref}")
    return said


def _join_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
