"""Artifacts of two sides: compared by digest, told apart from what changes by itself, and from tables."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sandbox.compare.gate import GateEvidence, evaluate_gate
from sandbox.config.sections.outputs import GateSection
from sandbox.impact.artifacts import (
    SideContents,
    compare_artifacts,
    list_not_compared,
    mark_nondeterministic_artifacts,
)
from sandbox.manifest.run import RunArtifact


def build_side(
    files: dict[str, str] | None = None, *, tables: tuple[str, ...] = (), left_out: dict[str, str] | None = None
) -> SideContents:
    artifacts = {name: RunArtifact(bytes=len(text), sha256=text) for name, text in (files or {}).items()}
    return SideContents(tables=tables, artifacts=artifacts, not_compared=left_out or {})


def build_run(files: dict[str, str]) -> Any:
    return SimpleNamespace(record=SimpleNamespace(artifacts=build_side(files).artifacts))


def test_what_two_runs_of_the_baseline_do_not_make_alike_is_nondeterministic() -> None:
    baseline, candidate = {"a": "1", "b": "1", "c": "1", "d": "1"}, {"a": "1", "b": "2", "c": "2", "e": "1"}
    found = compare_artifacts(build_side(baseline), build_side(candidate))
    assert {name: artifact.status for name, artifact in found.items()} == {
        "a": "same", "b": "changed", "c": "changed", "d": "removed", "e": "added",
    }  # fmt: skip
    again = mark_nondeterministic_artifacts(found, build_run(baseline), build_run({"a": "1", "b": "1", "c": "3"}))
    assert {name: artifact.status for name, artifact in again.items()} == {
        "a": "same", "b": "changed", "c": "nondeterministic", "d": "nondeterministic", "e": "added",
    }  # fmt: skip


def test_a_table_on_one_side_alone_breaks_the_schema_whatever_may_be_removed() -> None:
    artifact = RunArtifact(bytes=1, sha256="1", output="x", reason="cannot be read as CSV")
    broken = SideContents(tables=(), artifacts={"x.csv": artifact}, not_compared={})
    for baseline, candidate, side in (
        (build_side(tables=("x",)), broken, "baseline"),
        (broken, build_side(tables=("x",)), "candidate"),
    ):
        found = compare_artifacts(baseline, candidate)
        assert found["x.csv"].table_in == side
        evidence = GateEvidence(outputs={}, artifacts=found)
        verdict, results = evaluate_gate(evidence, GateSection(removed="any"), {})
        assert (verdict, [result.rule for result in results if not result.held]) == ("outside_gate", ["schema"])
        accepted, _ = evaluate_gate(evidence, GateSection.model_validate({"removed": "any", "schema": "any"}), {})
        assert accepted == "within_gate"
    same = compare_artifacts(broken, broken)
    assert evaluate_gate(GateEvidence(outputs={}, artifacts=same), GateSection(), {})[0] == "same"


def test_what_is_left_out_names_its_side() -> None:
    found = list_not_compared(build_side(left_out={"v": "a view", "w": "a view"}), build_side(left_out={"w": "a view"}))
    assert [(entry.name, entry.reason) for entry in found] == [("v", "a view, in the baseline"), ("w", "a view")]
    verdict, results = evaluate_gate(GateEvidence(outputs={}, not_compared=found), GateSection(), {})
    assert (verdict, [result.rule for result in results]) == ("outside_gate", ["not_compared"])
