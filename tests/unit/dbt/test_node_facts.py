"""What a node's facts hold, and what keeps them from proving an output."""

from __future__ import annotations

import dataclasses
from typing import Any

import duckdb
import pytest

from sandbox.dbt.programs.node_facts import (
    CLOCK_WORDS,
    MacroDescription,
    NodeDescription,
    NodeFacts,
    ProjectDescription,
    build_facts,
    list_clock_readers,
)
from sandbox.dbt.programs.node_reuse import find_nodes_to_build, sort_by_lineage


def describe_model(name: str, **given: Any) -> NodeDescription:
    return NodeDescription(
        **{"name": name, "kind": "model", "materialized": "table", "place": ("db", "main", name), "parts": {"code": name}, **given}
    )  # fmt: skip


def describe_macro(name: str, text: str, package: str = "shop") -> MacroDescription:
    words = frozenset(text.replace("(", " ").replace(")", " ").replace("'", " ").split())
    return MacroDescription(name=name, package=package, text=text, names=words, words=words)


MATERIALIZATION = describe_macro("materialization_table_duckdb", "{% call create_table_as ( ) %}", "dbt_duckdb")


def build(*nodes: NodeDescription, macros: tuple[MacroDescription, ...] = (), **given: Any) -> dict[str, NodeFacts]:
    described = ProjectDescription(
        nodes={node.name: node for node in nodes},
        macros={f"macro.{macro.package}.{macro.name}": macro for macro in (MATERIALIZATION, *macros)},
        adapter="duckdb",
        **given,
    )
    return build_facts(described)


def list_reasons(before: dict[str, NodeFacts], after: dict[str, NodeFacts]) -> dict[str, tuple[str, str]]:
    return {key: (reason.kind, reason.text) for key, reason in find_nodes_to_build(before, after).items()}


def test_equal_facts_build_nothing_and_survive_their_json() -> None:
    facts = build(describe_model("a"), describe_model("b", parents=("a",), relations=(("db", "main", "a"),)))
    assert list_reasons(facts, {key: NodeFacts.from_dict(one.to_dict()) for key, one in facts.items()}) == {}


def test_a_relation_read_by_its_name_alone_is_a_parent() -> None:
    reader = describe_model("b", relations=(("A",),))
    reader = dataclasses.replace(reader, relations=(("a",),))
    before, after = build(describe_model("a"), reader), build(describe_model("a", parts={"code": 2}), reader)
    assert list_reasons(before, after) == {
        "a": ("changed", "its compiled code differs"),
        "b": ("descendant", "it depends on a"),
    }


@pytest.mark.parametrize(
    ("node", "given", "text"),
    [
        (describe_model("a", relations=(("main", "audit"),)), {}, "it reads main.audit, which is no model, seed or source"),
        (describe_model("a", materialized="external"), {}, "it is materialized as external"),
        (describe_model("a", template_names=frozenset({"flags"})), {}, "its template uses flags"),
        (
            describe_model("a", called=("macro.shop.m",)),
            {"macros": (describe_macro("m", "{{ graph }}"),)},
            "the macro macro.shop.m uses graph",
        ),
        (describe_model("a", hooks=("copy t to 'x'",)), {}, "its hooks may reach beyond it (copy)"),
        (describe_model("a", hooks=("set timezone = 'UTC'",)), {}, "its hooks may reach beyond it (set)"),
        (describe_model("a", hooks=("select * from read_csv(x)",)), {}, "its hooks may reach beyond it (read_csv)"),
        (
            describe_model("a", hooks=("{{ m() }}",)),
            {"macros": (describe_macro("m", "{{ adapter.get_relation ( ) }}"),)},
            "the macro macro.shop.m may reach beyond it (adapter)",
        ),
        (
            describe_model("a"),
            {"macros": (describe_macro("duckdb__create_table_as", "{{ adapter.x }}"),)},
            "the macro macro.shop.duckdb__create_table_as, which may build it, may reach beyond it (adapter)",
        ),
        (describe_model("a", hooks=("create macro f() as 1",)), {}, "the hooks of a may define functions"),
        (describe_model("a"), {"hooks": ("{{ upload(results) }}",)}, "the hooks around every build may read anything (results)"),
        (describe_model("a"), {"hooks": ("create macro f() as (select 1 from A)",)}, "the hooks around every build name a"),
        (
            describe_model("a"),
            {"hooks": ("analyze {{ var('which') }}",), "givens": {"which": ["a"]}},
            "the hooks around every build name a",
        ),
    ],
)  # fmt: skip
def test_outputs_that_cannot_be_proven_equal(node: NodeDescription, given: dict[str, Any], text: str) -> None:
    facts = build(node, **given)
    problem = facts["a"].problem
    assert problem == text
    assert list_reasons(facts, facts) == {"a": ("unproven", problem)}


@pytest.mark.parametrize("hook", ["grant select on {{ this }} to x", "analyze {{ this }}", "create index i on {{ this }} (a)", "update {{ this }} set a = {{ var('n') }}"])  # fmt: skip
def test_usual_hooks_prove_nothing_wrong(hook: str) -> None:
    before = build(describe_model("a", hooks=(hook,)), describe_model("b"), givens={"n": [1], "other": ["b"]})
    after = build(describe_model("a", hooks=(hook,)), describe_model("b"), givens={"n": [2], "other": ["b"]})
    assert before["a"].problem is None
    assert before["a"].linked == ()
    assert bool(list_reasons(before, after)) == ("var" in hook)


def test_a_hook_that_names_another_model_links_both_ways_also_once_it_is_gone() -> None:
    writer = describe_model("a", hooks=("update main.b set x = 1",))
    plain = describe_model("a")
    other, more = describe_model("b"), describe_model("c", parents=("b",))
    linked = build(writer, other, more)
    assert list_reasons(linked, linked) == {}
    assert list_reasons(linked, build(plain, other, more)).keys() == {"a", "b", "c"}
    assert list_reasons(linked, build(writer, describe_model("b", parts={"code": 2}), more)).keys() == {"a", "b", "c"}
    assert list_reasons(linked, build(other, more)).keys() == {"b", "c"}


def test_a_computed_name_of_a_variable_may_be_any() -> None:
    hook = "delete from {{ this }} where n = {{ var('a' ~ 'b') }}"
    before = build(describe_model("m", hooks=(hook,)), givens={"x": [1]})
    assert list_reasons(before, build(describe_model("m", hooks=(hook,)), givens={"x": [2]})).keys() == {"m"}


def test_a_macro_of_the_project_that_takes_part_in_building_is_given_every_variable_it_names() -> None:
    macro = describe_macro("duckdb__create_table_as", "create table x limit {{ var('most') }}")
    before = build(describe_model("m"), macros=(macro,), givens={"most": [1], "other": [1]})
    assert list_reasons(
        before, build(describe_model("m"), macros=(macro,), givens={"most": [2], "other": [1]})
    ).keys() == {"m"}
    assert list_reasons(before, build(describe_model("m"), macros=(macro,), givens={"most": [1], "other": [2]})) == {}


@pytest.mark.parametrize(
    ("materialized", "name"), [("incremental", "get_incremental_own_sql"), ("snapshot", "shop__snapshot_own_strategy")]
)
def test_strategies_of_the_project_are_called_by_computed_names(materialized: str, name: str) -> None:
    node = describe_model("m", materialized=materialized)
    before, after = (build(node, macros=(describe_macro(name, text),)) for text in ("one", "two"))
    assert list_reasons(before, after) == {"m": ("changed", "macros that build it differ")}


def test_lineage_has_changed_nodes_first_then_what_follows_then_the_rest() -> None:
    nodes = [describe_model("a"), describe_model("b", parents=("a",)), describe_model("c", parents=("b",))]
    others = [describe_model("x"), describe_model("y", materialized="external")]
    before = build(*nodes, *others)
    after = build(nodes[0], describe_model("b", parents=("a",), parts={"code": 2}), nodes[2], *others)
    assert sort_by_lineage(after, find_nodes_to_build(before, after)) == ["b", "y", "c", "a", "x"]


def test_models_that_may_read_the_time_are_known() -> None:
    query = "select distinct function_name from duckdb_functions() where stability <> 'CONSISTENT' and function_type = 'scalar'"
    found = {name for (name,) in duckdb.connect().execute(query).fetchall()}
    assert {name for name in found if "now" in name or name.startswith(("current_local", "get_current"))} <= CLOCK_WORDS
    given: dict[str, dict[str, Any]] = {
        "plain": {"parts": {"code": "select id, amount from s"}},
        "clock": {"parts": {"code": "select NOW() as t"}},
        "name": {"parts": {"code": "select current_date"}},
        "python": {"parts": {"code": "def model(dbt, session): return 1"}},
        "hooked": {"hooks": ("delete from t",)},
        "template": {"template_names": frozenset({"modules"})},
        "unknown": {"problem": "it calls f()"},
    }
    nodes = {name: describe_model(name, **fields) for name, fields in given.items()}
    project = ProjectDescription(nodes=nodes, macros={}, adapter="duckdb")
    assert list_clock_readers(project) == sorted(nodes.keys() - {"plain"})
    assert list_clock_readers(dataclasses.replace(project, hooks=("create schema x",))) == sorted(nodes)
