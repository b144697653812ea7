"""Who reads what in a dbt project, by dbt's manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def tests_of(nodes: Mapping[str, Any], chosen: Collection[str] | None, left_out: Collection[str]) -> dict[str, Any]:
    """Give dbt's own tests of the chosen nodes, or of all, but for those of nodes that are left out."""
    return {
        key: node
        for key, node in nodes.items()
        if node.resource_type == "test"
        and node.config.enabled
        and (chosen is None or set(chosen) & set(node.depends_on.nodes))
        and not any(nodes[one].name in left_out for one in node.depends_on.nodes if one in nodes)
    }


def read_by(nodes: Mapping[str, Any], chosen: Collection[str], left_out: Collection[str]) -> set[str]:
    """Give what the chosen nodes, their tests, and what runs before and after every build read, also through ephemeral models."""
    hooks = (key for key, node in nodes.items() if node.resource_type == "operation")
    left = [*chosen, *tests_of(nodes, chosen, left_out), *hooks]
    found: set[str] = set()
    while left:
        parents = getattr(nodes[left.pop()].depends_on, "nodes", ())
        new = {one for one in parents if one in nodes} - found
        left += [one for one in new if nodes[one].config.materialized == "ephemeral"]
        found |= new
    return found
