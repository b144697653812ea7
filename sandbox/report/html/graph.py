"""Compute the picture of the affected part of a dbt project's graph: positions and paths, drawn by a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.formatting import format_count, truncate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.manifest.diff import DbtNode, DiffDocument

NODE_WIDTH, NODE_HEIGHT = 150, 26
COLUMN_GAP, ROW_GAP = 40, 10
MARGIN = 8
MAX_NODES = 200
MAX_ROWS = 26
"""Nodes in one column; more of the same depth stand in a column beside it."""
MAX_LABEL_LENGTH = 20
_SWEEPS = 4
_STATE_ORDER = ("changed", "added", "removed", "failed", "differs", "downstream", "used", "input")
_ROOT_STATES = frozenset({"changed", "added", "removed", "failed"})
LEGEND_TEXTS = {
    "changed": "changed",
    "added": "new",
    "removed": "deleted",
    "failed": "not judged",
    "differs": "follows, and differs",
    "downstream": "follows, and is equal",
    "used": "exposure or metric",
    "input": "read by what changed",
}


@dataclass(frozen=True, kw_only=True)
class GraphNode:
    """A node at its place, with a short label and its whole name."""

    state: str
    x: int
    y: int
    label: str
    title: str


@dataclass(frozen=True, kw_only=True)
class GraphPicture:
    """The picture: its size and that of a node, the nodes, the paths of the edges, the states in it with their words, and a description."""

    width: int
    height: int
    node_size: tuple[int, int]
    nodes: list[GraphNode]
    edges: list[str]
    legend: list[tuple[str, str]]
    description: str
    left_out: int


def build_graph_picture(document: DiffDocument) -> GraphPicture | None:
    """Build the picture; None if nothing is affected. Of very many nodes it has those nearest to the change."""
    everything = document.dbt.lineage if document.dbt else {}
    states = {key: _find_state(node, document) for key, node in everything.items()}
    if not any(state != "input" for state in states.values()):
        return None
    steps = _count_steps(everything, [key for key, state in states.items() if state in _ROOT_STATES])
    kept = sorted(everything, key=lambda key: (steps.get(key, 1), everything[key].name, key))[:MAX_NODES]
    nodes = {key: everything[key] for key in kept}
    parents = {key: [one for one in node.parents if one in nodes and one != key] for key, node in nodes.items()}
    columns = _order_columns(_group_by_depth(parents), parents, nodes)
    places = {
        key: (
            MARGIN + number * (NODE_WIDTH + COLUMN_GAP),
            MARGIN + row * (NODE_HEIGHT + ROW_GAP) + _center(column, columns),
        )
        for number, column in enumerate(columns)
        for row, key in enumerate(column)
    }
    tallest = max(map(len, columns))
    counts = [(state, sum(1 for key in kept if states[key] == state)) for state in _STATE_ORDER]
    return GraphPicture(
        width=2 * MARGIN + len(columns) * NODE_WIDTH + (len(columns) - 1) * COLUMN_GAP,
        height=2 * MARGIN + tallest * NODE_HEIGHT + (tallest - 1) * ROW_GAP,
        node_size=(NODE_WIDTH, NODE_HEIGHT),
        nodes=[_build_node(nodes[key], states[key], places[key]) for key in kept],
        edges=[_render_edge(places[parent], places[key]) for key in sorted(parents) for parent in sorted(parents[key])],
        legend=[(state, LEGEND_TEXTS[state]) for state, count in counts if count],
        description=f"{format_count(len(kept), 'node')} of the graph: "
        + ", ".join(f"{count} {LEGEND_TEXTS[state]}" for state, count in counts if count),
        left_out=len(everything) - len(kept),
    )


def _count_steps(nodes: Mapping[str, DbtNode], roots: Sequence[str]) -> dict[str, int]:
    """Return the number of steps from where the change begins to each node that follows."""
    children: dict[str, list[str]] = {}
    for key, node in nodes.items():
        for parent in node.parents:
            children.setdefault(parent, []).append(key)
    steps, queue = dict.fromkeys(roots, 0), list(roots)
    for key in queue:
        for child in children.get(key, ()):
            if child not in steps:
                steps[child] = steps[key] + 1
                queue.append(child)
    return steps


def _find_state(node: DbtNode, document: DiffDocument) -> str:
    if node.kind in {"exposure", "metric", "saved_query", "semantic_model"} and node.state == "downstream":
        return "used"
    if node.output is not None and any(entry.output == node.output for entry in document.not_compared):
        return "failed"
    output = document.outputs.get(node.output) if node.output is not None else None
    if node.state == "downstream" and output is not None and not output.is_same:
        return "differs"
    return node.state


def _group_by_depth(parents: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the nodes by the longest way to them; a circle, which no project has, ends where it begins."""
    depths: dict[str, int] = {}
    for start in parents:
        stack, entered = [start], {start}
        while stack:
            key = stack[-1]
            waiting = [one for one in parents[key] if one not in depths and one not in entered]
            if waiting:
                entered.add(waiting[0])
                stack.append(waiting[0])
                continue
            depths[stack.pop()] = 1 + max((depths.get(one, -1) for one in parents[key]), default=-1)
    groups: list[list[str]] = [[] for _ in range(1 + max(depths.values()))]
    for key, depth in depths.items():
        groups[depth].append(key)
    return [group for group in groups if group]


def _order_columns(
    groups: list[list[str]], parents: Mapping[str, Sequence[str]], nodes: Mapping[str, DbtNode]
) -> list[list[str]]:
    """Order each depth so that few edges cross: each node near the middle of its neighbours, by turns."""
    children: dict[str, list[str]] = {}
    for key, others in parents.items():
        for parent in others:
            children.setdefault(parent, []).append(key)
    groups = [sorted(group, key=lambda key: (nodes[key].name, key)) for group in groups]
    for sweep in range(_SWEEPS):
        neighbours = parents if sweep % 2 == 0 else children
        for group in groups if sweep % 2 == 0 else reversed(groups):
            rows = {key: row / max(len(other), 1) for other in groups for row, key in enumerate(other)}
            means = {
                key: sum(near) / len(near) if (near := [rows[one] for one in neighbours.get(key, ())]) else rows[key]
                for key in group
            }
            group.sort(key=lambda key: (means[key], nodes[key].name, key))
    return [group[start : start + MAX_ROWS] for group in groups for start in range(0, len(group), MAX_ROWS)]


def _center(column: Sequence[str], columns: Sequence[Sequence[str]]) -> int:
    """Return how far down a column begins, so that short ones stand in the middle."""
    return (max(map(len, columns)) - len(column)) * (NODE_HEIGHT + ROW_GAP) // 2


def _build_node(node: DbtNode, state: str, place: tuple[int, int]) -> GraphNode:
    owner = f", of {node.owner}" if node.owner else ""
    return GraphNode(
        state=state,
        x=place[0],
        y=place[1],
        label=truncate_text(node.name, MAX_LABEL_LENGTH),
        title=f"{node.kind} {node.name}{owner}: {LEGEND_TEXTS[state]}",
    )


def _render_edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Render the curve from the right side of one node to the left side of another."""
    x1, y1 = start[0] + NODE_WIDTH, start[1] + NODE_HEIGHT // 2
    x2, y2 = end[0], end[1] + NODE_HEIGHT // 2
    bend = max(COLUMN_GAP // 2, (x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
