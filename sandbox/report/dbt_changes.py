"""Describe which dbt models a change affects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.manifest.diff import DbtBuild, DiffDocument

_MAX_NAMES = 12
USER_KINDS = ("exposure", "metric", "saved_query")


def describe_model_changes(document: DiffDocument) -> list[str]:
    """Return the built models with the reasons, the number reused from the baseline's run, and what else the change reaches.

    Relations that moved, deleted nodes with what depended on them, exposures and metrics downstream, broken contracts.
    """
    build = document.dbt
    if build is None:
        return []
    moved = [
        *(f"moved: {name} from {places[0]} to {places[1]}" for name, places in sorted(build.moved.items())),
        *_describe_removed_nodes(build),
        *_summarize_users(document),
        *_summarize_contracts(document),
        *_describe_incremental_models(build),
    ]
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


def _describe_removed_nodes(build: DbtBuild) -> list[str]:
    return [
        f"deleted: {name}"
        + (f", on which {_join_names(readers)} depended" if readers else ", on which nothing depended")
        for name, readers in sorted(build.removed.items())
    ]


def _describe_incremental_models(build: DbtBuild) -> list[str]:
    if not build.incremental:
        return []
    names = _join_names(build.incremental)
    return [f"built from nothing on both sides, so the branch of is_incremental() was not run: {names}"]


def list_users(document: DiffDocument) -> list[str]:
    """Return the exposures and metrics downstream of the change, each with its owner."""
    nodes = document.dbt.lineage.values() if document.dbt else ()
    used = [node for node in nodes if node.kind in USER_KINDS and node.state != "removed"]
    return [
        f"{node.kind.replace('_', ' ')} {node.name}" + (f" ({node.owner})" if node.owner else "")
        for node in sorted(used, key=lambda node: (USER_KINDS.index(node.kind), node.name))
    ]


def _summarize_users(document: DiffDocument) -> list[str]:
    users = list_users(document)
    return [f"used by {_join_names(users)}"] if users else []


def describe_contract_changes(document: DiffDocument) -> list[str]:
    """Return the changes of contracts, one line each, the breaking ones first."""
    changes = document.dbt.contracts if document.dbt else []
    return [
        f"{'breaking' if change.is_breaking else 'not breaking'}: {change.model}"
        + (f".{change.column}" if change.column is not None else "")
        + f": {change.change}"
        for change in changes
    ]


def _summarize_contracts(document: DiffDocument) -> list[str]:
    lines = describe_contract_changes(document)
    return [f"contracts: {'; '.join(lines[:_MAX_NAMES])}"] if lines else []


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
