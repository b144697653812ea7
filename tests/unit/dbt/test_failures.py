"""Nodes of dbt that fail: what is said of them, by which keys the gate judges them, and what is not shown."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.compare.gate_rules import evaluate_not_compared
from sandbox.config.sections.outputs import GateSection
from sandbox.dbt.failures import list_failed_nodes, list_failure_advice
from sandbox.dbt.programs.node_facts import NodeFacts
from sandbox.manifest.diff import NotCompared
from sandbox.store.paths import find_packaged_folder
from tests.unit.dbt.test_dbt_results import BUILD, build_run

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.runner.run import Run

KEY = "model.shop.a"
ERROR = {"name": "a", "output": "a", "cause": "Parser Error", "advice": "write it portably", "parent": ""}
AFTER = {**ERROR, "cause": "", "advice": "", "parent": "top"}


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the module of the image that reads dbt's results."""
    monkeypatch.syspath_prepend(str(find_packaged_folder("images") / "dbt"))
    return importlib.import_module("results")


def build_side(folder: Path, failure: dict[str, Any] | None, *, known: bool = True) -> Run:
    record = {
        **BUILD,
        "outputs": {} if failure or not known else {KEY: "a"},
        "places": {KEY: ["main", "a"]} if known else {},
        "failed": {KEY: failure} if failure else {},
    }
    run = build_run(folder, built=record)
    outputs = {} if failure or not known else {"a": SimpleNamespace(rows=3)}
    object.__setattr__(run, "record", SimpleNamespace(outputs=outputs))
    return run


@pytest.mark.parametrize(
    ("before", "after", "reason", "broken"),
    [
        (ERROR, ERROR, "in both versions it fails: Parser Error", False),
        (ERROR, {**ERROR, "cause": "x"}, "in the baseline it fails: Parser Error; in the candidate it fails: x", False),
        (ERROR, None, "in the baseline it fails: Parser Error; the candidate makes 3 rows, with nothing to compare", False),
        (None, ERROR, "in the candidate it fails: Parser Error; the baseline makes 3 rows", True),
        (AFTER, AFTER, "in both versions it is not built, because top fails", False),
        ("absent", ERROR, "in the candidate it fails: Parser Error; it is new", False),
        (ERROR, "absent", "in the baseline it fails: Parser Error; the candidate does not have it any more", False),
    ],
)  # fmt: skip
def test_reasons_name_the_side_and_the_cause(
    tmp_path: Path, before: Any, after: Any, reason: str, broken: bool
) -> None:
    sides = [
        build_side(tmp_path / side, None if failure == "absent" else failure, known=failure != "absent")
        for side, failure in (("before", before), ("after", after))
    ]
    (entry,) = list_failed_nodes(sides[0], sides[1])
    assert (entry.name, entry.reason, entry.is_broken) == ("a", reason, broken)
    advised = list_failure_advice(sides[0], sides[1])
    assert advised == (
        ["a: write it portably"] if ERROR in (before, after) or after not in (None, AFTER, "absent") else []
    )


def test_a_failure_compared_with_productions_outputs_is_broken_if_production_has_it(tmp_path: Path) -> None:
    run = build_side(tmp_path, ERROR)
    assert [list_failed_nodes(None, run, production=made)[0].is_broken for made in (["a"], [])] == [True, False]


def test_the_gate_accepts_no_broken_model_by_accepting_those_that_never_worked() -> None:
    entry = NotCompared(name="a", reason="r", output="a", is_broken=True)
    results = list(evaluate_not_compared([entry], GateSection(not_compared="any"), {}))
    assert [(one.rule, one.held) for one in results] == [("not_compared", True), ("removed", False)]
    own = {"a": GateSection(not_compared="any", removed="any")}
    assert all(one.held for one in evaluate_not_compared([entry], GateSection(), own))
    both = NotCompared(name="b", reason="r", output="b")
    assert [one.rule for one in evaluate_not_compared([both], GateSection(), {})] == ["not_compared"]


def test_what_reads_a_failed_node_or_shares_its_hooks_is_not_built(program: Any) -> None:
    nodes = {
        key: SimpleNamespace(name=key, depends_on=SimpleNamespace(nodes=parents))
        for key, parents in {"a": [], "through": ["a"], "b": ["through"], "c": [], "d": [], "apart": []}.items()
    }
    facts = {
        "c": NodeFacts(name="c", parts={}, reads=("b",)),
        "d": NodeFacts(name="d", parts={}, linked=("a",)),
    }
    found = program.find_unbuilt_nodes({"a"}, {"a", "b", "c", "d", "apart"}, nodes, facts)
    assert found == {"b": "a", "c": "a", "d": "a"}


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('Runtime Error in model top (models/top.sql)\n  Parser Error: syntax error at or near "5"\n\n  LINE 1', 'Parser Error: syntax error at or near "5"'),
        ('Database Error in model top (models/top.sql)\n  column "x" does not exist\n  LINE 3', 'column "x" does not exist'),
        ("Binder Error: no column x\n\nLINE 1", "Binder Error: no column x"),
        ("", "dbt gives no reason"),
    ],
)  # fmt: skip
def test_the_cause_is_the_first_line_in_the_databases_words(program: Any, message: str, cause: str) -> None:
    described = program.describe_failure(message, model="top", adapter="duckdb", adapters=[])
    assert described.cause == cause
