"""Describe which dbt models a change affects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.manifest.diff import DiffDocument

_MAX_NAMES = 12


def describe_model_changes(document: DiffDocument) -> list[str]:
    """Return the built models with the reasons, the number reused from the baseline's run, and the moved relations."""
    build = document.dbt
    if build is None:
        return []
    moved = [f"moved: {name} from {places[0]} to {places[1]}" for name, places in sorted(build.moved.items())]
    if build.changed is None:
        return moved
    downstream = [name for name in build.built if name not in {*build.changed, *build.unproven}]
    changed = _join_reasons(build.changed, build.reasons)
    phrases = [f"changed: {changed}" if changed else "no model, seed or snapshot differs"]
    if downstream:
        phrases.append(f"built because of what they depend on: {_join_names(downstream)}")
    if build.unproven:
        phrases.append(f"built because nothing proves them equal: {_join_reasons(build.unproven, build.reasons)}")
    if build.taken_over:
        phrases.append(f"{format_count(len(build.taken_over), 'other')} taken from the run of {document.baseline.ref}")
    return [*phrases, *moved]


def _join_reasons(names: Sequence[str], reasons: Mapping[str, str]) -> str:
    """Join names with the reason of each, once for all that share it."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(reasons.get(name, ""), []).append(name)
    return "; ".join(
        f"{_join_names(some)} ({reason})" if reason else _join_names(some) for reason, some in groups.items()
    )


def _join_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
