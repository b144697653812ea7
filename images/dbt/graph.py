"""Who reads what in a dbt project, and what dbt's selections hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from node_facts import NodeFacts


def list_tests(manifest: Any, left_out: Collection[str]) -> dict[str, Any]:
    """Return dbt's own tests by id, without those of nodes that are left out."""
    tests = {key: node for key, node in manifest.nodes.items() if node.resource_type == "test" and node.config.enabled}
    tests.update((key, test) for key, test in manifest.unit_tests.items() if test.config.enabled)
    return {
        key: test
        for key, test in tests.items()
        if not any(manifest.nodes[one].name in left_out for one in test.depends_on.nodes if one in manifest.nodes)
    }


def find_read_nodes(
    nodes: Mapping[str, Any], facts: Mapping[str, NodeFacts], chosen: Collection[str], tests: Collection[str]
) -> set[str]:
    """Return what the chosen nodes, some tests, and the hooks around every build read, also through ephemeral models."""
    hooks = [key for key, node in nodes.items() if node.resource_type == "operation"]
    left = [*chosen, *tests, *hooks]
    found: set[str] = set()
    while left:
        key = left.pop()
        parents = facts[key].reads if key in facts else getattr(nodes[key].depends_on, "nodes", ())
        new = {one for one in parents if one in nodes} - found
        left += [one for one in new if nodes[one].config.materialized == "ephemeral"]
        found |= new
    return found


def select_exactly(nodes: Mapping[str, Any], everything: Collection[str], chosen: Collection[str]) -> set[str]:
    """Return the nodes that dbt selects by the names of the chosen ones: these, and nodes in folders called like them."""
    prefixes = {tuple(".".join(nodes[key].fqn).split(".")) for key in chosen}
    return {
        key
        for key in everything
        if key in chosen
        or any(
            tuple(parts[:length]) in prefixes
            for parts in [".".join(nodes[key].fqn).split(".")]
            for length in range(1, len(parts) + 1)
        )
    }
