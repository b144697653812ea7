"""A node whose output would differ is always built, and one that would not is reused, in any graph."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.dbt.programs.node_facts import NodeDescription, ProjectDescription, build_facts, compute_digest
from sandbox.dbt.programs.node_reuse import find_nodes_to_build

CODES = st.integers(0, 3)


@st.composite
def draw_projects(draw: st.DrawFn) -> ProjectDescription:
    """Draw a project: a graph of models whose parents come before them, by ref, by name alone, or both; some are ephemeral."""
    nodes: dict[str, NodeDescription] = {}
    for number in range(draw(st.integers(1, 8))):
        before = sorted(nodes)
        refs = draw(st.lists(st.sampled_from(before), unique=True, max_size=3)) if before else []
        named = [name for name in before if nodes[name].materialized != "ephemeral"]
        read = draw(st.lists(st.sampled_from(named), unique=True, max_size=2)) if named else []
        kind = draw(st.sampled_from(["table", "view", "ephemeral"]))
        name = f"m{number}"
        nodes[name] = NodeDescription(
            name=name,
            kind="model",
            materialized=kind,
            parents=tuple(refs),
            place=("db", draw(st.sampled_from(["main", "other"])), name),
            relations=() if kind == "ephemeral" else tuple((name,) for name in read),
            parts={"code": draw(CODES)},
        )
    return ProjectDescription(nodes=nodes, macros={}, adapter="duckdb", project=draw(st.integers(0, 1)))


@st.composite
def draw_edits(draw: st.DrawFn) -> tuple[ProjectDescription, ProjectDescription]:
    """Draw a project and an edit of it: codes, schemas and settings, nodes added and removed."""
    before = draw(draw_projects())
    nodes = dict(before.nodes)
    for name in draw(st.lists(st.sampled_from(sorted(nodes)), unique=True, max_size=3)):
        change: dict[str, Any] = draw(
            st.sampled_from(
                [{"parts": {"code": 9}}, {"place": ("db", "third", name)}, {"parts": {"code": 1, "settings": 2}}]
            )
        )
        nodes[name] = dataclasses.replace(nodes[name], **change)
    if draw(st.booleans()):
        nodes["new"] = NodeDescription(name="new", kind="model", materialized="table", place=("db", "main", "new"))
    gone = draw(st.sampled_from([None, *sorted(nodes)]))
    read = {read for node in nodes.values() for read in (*node.parents, *(names[-1] for names in node.relations))}
    if gone is not None and gone not in read:
        del nodes[gone]
    project = draw(st.sampled_from([before.project, before.project, 7]))
    return before, dataclasses.replace(before, nodes=nodes, project=project)


def compute_output(project: ProjectDescription, name: str) -> str:
    """Return what a node would make: everything that it is given, and what its parents make."""
    node = project.nodes[name]
    parents = {*node.parents, *(names[-1] for names in node.relations)}
    own = [dict(node.parts), node.place if node.materialized != "ephemeral" else None]
    settings = project.project if node.materialized != "ephemeral" else None
    return compute_digest([own, settings, sorted((parent, compute_output(project, parent)) for parent in parents)])


@given(draw_edits())
def test_exactly_the_nodes_with_other_outputs_are_built(edit: tuple[ProjectDescription, ProjectDescription]) -> None:
    before, after = edit
    built = find_nodes_to_build(build_facts(before), build_facts(after)).keys()
    differing = {
        name
        for name in after.nodes
        if name not in before.nodes or compute_output(before, name) != compute_output(after, name)
    }
    assert built == differing
