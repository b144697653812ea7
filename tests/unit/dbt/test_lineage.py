"""The part of a dbt project's graph that a change reaches, deleted nodes, and contracts that break."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.dbt.lineage import add_lineage
from sandbox.dbt.tests import read_build
from sandbox.errors import StoreError
from tests.unit.dbt.test_dbt_results import BUILD, build_run

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import DbtBuild


def node(name: str, parents: list[str], **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "model",
        "parents": parents,
        "owner": None,
        "output": name,
        "contract": None,
        **fields,
    }


def column(type_: str | None, *constraints: str) -> dict[str, Any]:
    return {"type": type_, "constraints": list(constraints)}


GRAPH = {
    "s": node("raw.s", [], kind="source", output=None),
    "a": node("a", ["s"]),
    "b": node("b", ["a"]),
    "c": node("c", ["b"], contract={"id": column("integer", "not_null"), "day": column("date")}),
    "d": node("d", ["s"]),
    "e": node("weekly", ["c"], kind="exposure", owner="Ann", output=None),
}


def find(
    tmp_path: Path,
    after: dict[str, Any],
    *,
    changed: list[str] | None,
    failed: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
) -> DbtBuild:
    before_run = build_run(tmp_path / "before", built=BUILD, lineage=GRAPH)
    after_run = build_run(
        tmp_path / "after", built={**BUILD, "changed": changed, "failed": failed or {}}, lineage=after
    )
    build = add_lineage(read_build(after_run), before_run, after_run, outputs or {})
    assert build is not None
    return build


def list_states(build: DbtBuild) -> dict[str, str]:
    return {one.name: one.state for one in build.lineage.values()}


def test_what_follows_from_a_change_is_in_the_picture_with_its_users(tmp_path: Path) -> None:
    build = find(tmp_path, GRAPH, changed=["a"])
    assert list_states(build) == {
        "a": "changed", "b": "downstream", "c": "downstream", "weekly": "downstream", "raw.s": "input",
    }  # fmt: skip
    assert build.lineage["e"].owner == "Ann"
    assert build.lineage["a"].parents == ["s"]


def test_where_everything_was_built_the_change_begins_where_outputs_differ(tmp_path: Path) -> None:
    outputs = {"b": SimpleNamespace(is_same=False), "a": SimpleNamespace(is_same=True)}
    build = find(tmp_path, GRAPH, changed=None, outputs=outputs)
    assert list_states(build) == {"b": "changed", "c": "downstream", "weekly": "downstream", "a": "input"}


def test_new_failed_and_deleted_nodes(tmp_path: Path) -> None:
    after = {key: one for key, one in GRAPH.items() if key != "b"}
    after["c"] = node("c", ["a"], contract=GRAPH["c"]["contract"])
    after["n"] = node("n", ["d"])
    failed = {"d": {"name": "d", "output": "d", "cause": "x", "advice": "", "parent": ""}}
    build = find(tmp_path, after, changed=["c", "n"], failed=failed)
    states = list_states(build)
    assert (states["b"], states["n"], states["d"], states["c"]) == ("removed", "added", "failed", "changed")
    assert build.removed == {"b": ["c", "weekly"]}
    assert build.lineage["c"].parents == ["a", "b"]  # it read the deleted one


@pytest.mark.parametrize(
    ("contract", "changes"),
    [
        ({"id": column("bigint", "not_null"), "day": column("date")}, [("id", "bigint instead of integer", True)]),
        ({"id": column("INTEGER", "not_null")}, [("day", "removed", True)]),
        ({"id": column("integer"), "day": column("date")}, [("id", "without not_null", True)]),
        (
            {"id": column("integer", "not_null"), "day": column("date", "unique"), "new": column("text")},
            [("day", "with unique", False), ("new", "added", False)],
        ),
        (None, [(None, "its contract is not enforced any more", True)]),
    ],
)
def test_contracts_break_where_a_promise_is_withdrawn(tmp_path: Path, contract: Any, changes: Any) -> None:
    build = find(tmp_path, {**GRAPH, "c": node("c", ["b"], contract=contract)}, changed=["c"])
    assert [(one.column, one.change, one.is_breaking) for one in build.contracts] == changes


@pytest.mark.parametrize("graph", [[], {"a": 3}, {"a": {"name": "a"}}, {"a": node("a", [3])}])  # type: ignore[list-item]
def test_a_damaged_graph_is_an_error(tmp_path: Path, graph: Any) -> None:
    with pytest.raises(StoreError):
        find(tmp_path, graph, changed=["a"])
