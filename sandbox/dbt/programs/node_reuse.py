"""Decide which nodes of a dbt project have the same output on both sides of a diff. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.dbt.programs.node_facts import NodeFacts

PART_TEXTS = {
    "code": "its compiled code differs",
    "settings": "its configuration differs",
    "relation": "its relation has another name",
    "seed": "its file differs",
    "table": "another table of the sample is shown as it",
    "files": "a file that it reads differs",
    "hooks": "its hooks, or macros or variables that they may use, differ",
    "macros": "macros that build it differ",
    "run_hooks": "the hooks around every build differ",
    "project": "dbt, the target, or the settings of the whole project differ",
    "reads": "it reads other relations",
}
"""What is said of a node by its first differing part."""


@dataclass(frozen=True, kw_only=True)
class BuildReason:
    """The reason to build a node.

    Attributes:
        kind: ``changed`` (its own facts differ), ``unproven`` (they do not decide its output), ``descendant`` (it reads a
            node that is built).
        text: The reason for people, after the node's name.
    """

    kind: str
    text: str


def find_nodes_to_build(
    baseline: Mapping[str, NodeFacts], candidate: Mapping[str, NodeFacts]
) -> dict[str, BuildReason]:
    """Return the candidate's nodes with outputs that are not proven equal to the baseline's, with the reason."""
    reasons = {
        key: reason
        for key, facts in sorted(candidate.items())
        if (reason := _compare_facts(baseline.get(key), facts)) is not None
    }
    removed = {key: facts for key, facts in baseline.items() if key not in candidate}
    dependents = _index_dependents([*baseline.items(), *candidate.items()])
    queue = [*reasons, *sorted(removed)]
    for parent in queue:
        name = candidate[parent].name if parent in candidate else removed[parent].name
        for key in sorted(dependents.get(parent, set()) & candidate.keys()):
            if key not in reasons:
                reasons[key] = BuildReason(kind="descendant", text=f"it depends on {name}")
                queue.append(key)
    return reasons


def _index_dependents(nodes: Iterable[tuple[str, NodeFacts]]) -> dict[str, set[str]]:
    """Return the nodes that are built because of each node."""
    dependents: dict[str, set[str]] = {}
    for key, facts in nodes:
        for read in (*facts.reads, *facts.linked):
            dependents.setdefault(read, set()).add(key)
        for other in facts.linked:
            dependents.setdefault(key, set()).add(other)
    return dependents


def _compare_facts(baseline: NodeFacts | None, candidate: NodeFacts) -> BuildReason | None:
    if baseline is None:
        return BuildReason(kind="changed", text="it is new")
    for part, text in PART_TEXTS.items():
        if part != "reads" and baseline.parts.get(part) != candidate.parts.get(part):
            return BuildReason(kind="changed", text=text)
    if set(baseline.reads) != set(candidate.reads):
        return BuildReason(kind="changed", text=PART_TEXTS["reads"])
    problem = candidate.problem or baseline.problem
    return BuildReason(kind="unproven", text=problem) if problem else None


def sort_by_lineage(facts: Mapping[str, NodeFacts], reasons: Mapping[str, BuildReason]) -> list[str]:
    """Return all nodes: the changed ones, what is built because of them, the rest; parents come first in each group."""
    ranks = {"changed": 0, "descendant": 1, "unproven": 1}
    depths: dict[str, int] = {}
    for start in sorted(facts):
        stack = [start]
        while stack:
            key = stack[-1]
            waiting = [read for read in facts[key].reads if read in facts and read not in depths and read not in stack]
            if waiting:
                stack.append(waiting[0])
                continue
            depths[stack.pop()] = 1 + max((depths.get(read, 0) for read in facts[key].reads), default=0)
    return sorted(
        facts, key=lambda key: (ranks[reasons[key].kind] if key in reasons else 2, depths[key], facts[key].name, key)
    )
