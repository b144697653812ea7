"""Describe which dbt models a change affects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.diff import DiffDocument

_MAX_NAMES = 12


def describe_model_changes(document: DiffDocument) -> list[str]:
    """Return the changed models, the models built because of them, and the number reused from the baseline's run."""
    build = document.dbt
    if build is None or build.changed is None:
        return []
    downstream = [name for name in build.built if name not in build.changed]
    phrases = [f"changed: {_join_names(build.changed)}" if build.changed else "no model, seed or snapshot differs"]
    if downstream:
        phrases.append(f"built because of that: {_join_names(downstream)}")
    if build.taken_over:
        phrases.append(f"{format_count(len(build.taken_over), 'other')} taken from the run of {document.baseline.ref}")
    return phrases


def _join_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
