"""Who depends on whom in a dbt project, up to exposures and metrics, and what contracts promise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GRAPH_KINDS = ("model", "snapshot", "seed")
PLAIN_NAME = re.compile(r"\w+")


def describe_lineage(manifest: Any, outputs: Mapping[str, str], tables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the nodes of the project's graph by id, each with the ids of its parents.

    Args:
        manifest: dbt's manifest.
        outputs: The name of each node's output, by id.
        tables: The name of the sample's table behind each source or seed, by id.
    """
    graph = {
        key: {
            **_describe(node),
            "output": outputs.get(key),
            "contract": _describe_contract(node),
            "references": {},
            "table": tables.get(key),
        }
        for key, node in manifest.nodes.items()
        if str(node.resource_type) in GRAPH_KINDS
    }
    others = ("sources", "exposures", "metrics", "semantic_models", "saved_queries")
    for section in others:
        for key, node in getattr(manifest, section, {}).items():
            graph[key] = {
                **_describe(node),
                "output": None,
                "contract": None,
                "owner": _find_owner(manifest, node),
                "references": {},
                "table": tables.get(key),
            }
    for key, column, target in _list_relationships(manifest):
        if key in graph:
            graph[key]["references"][column] = target
    return graph


def _list_relationships(manifest: Any) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the tests of relationships that hold for every row: the node, its column, the other node with its column."""
    for _, test in sorted(manifest.nodes.items()):
        metadata = getattr(test, "test_metadata", None)
        node = getattr(test, "attached_node", None)
        if metadata is None or metadata.name != "relationships" or node is None or getattr(test.config, "where", None):
            continue
        arguments = {**metadata.kwargs, **(metadata.kwargs.get("arguments") or {})}
        column, field = str(arguments.get("column_name") or ""), str(arguments.get("field") or "")
        others = [parent for parent in test.depends_on.nodes if parent != node] or [node]
        if PLAIN_NAME.fullmatch(column) and PLAIN_NAME.fullmatch(field):
            yield node, column, [others[0], field]


def _describe(node: Any) -> dict[str, Any]:
    depends = getattr(node, "depends_on", None)
    return {
        "name": node.name if str(node.resource_type) != "source" else f"{node.source_name}.{node.name}",
        "kind": str(node.resource_type),
        "parents": sorted(set(getattr(depends, "nodes", None) or ())),
        "owner": None,
    }


def _find_owner(manifest: Any, node: Any) -> str | None:
    """Return the owner of an exposure, or that of a metric: in its ``meta``, or of its group."""
    owner = getattr(node, "owner", None)
    if owner is None:
        group = getattr(node, "group", None)
        named = [one.owner for one in getattr(manifest, "groups", {}).values() if group and one.name == group]
        meta = getattr(getattr(node, "config", None), "meta", None) or {}
        if isinstance(meta, dict) and meta.get("owner"):
            return str(meta["owner"])
        owner = named[0] if named else None
    parts = [getattr(owner, "name", None), getattr(owner, "email", None)]
    texts = [str(part) for part in parts if part and not isinstance(part, list)]
    return ", ".join(texts) or None


def _describe_contract(node: Any) -> dict[str, dict[str, Any]] | None:
    """Return the columns that an enforced contract promises: type and constraints of each; None without a contract."""
    contract = getattr(node.config, "contract", None)
    if contract is None or not contract.enforced:
        return None
    return {
        column.name: {
            "type": column.data_type,
            "constraints": sorted(str(getattr(one.type, "value", one.type)) for one in column.constraints or ()),
        }
        for column in node.columns.values()
    }
