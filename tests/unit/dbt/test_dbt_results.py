"""Documents of dbt's runs that are incomplete are errors, because the project's code can reach them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from sandbox.dbt.tests import are_independent_of_time, compare_data_tests, read_build
from sandbox.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.runner.run import Run

TEST = {"name": "unique", "kind": "test", "status": "pass", "failures": 0, "problem": None}
BUILD: dict[str, Any] = {
    "changed": ["a"],
    "built": ["a"],
    "taken_over": [],
    "unproven": [],
    "reasons": {},
    "moved": {},
    "order": ["a"],
    "code_changes": {},
    "outputs": {"model.shop.a": "a"},
    "places": {"model.shop.a": ["main", "a"]},
}


@dataclass(frozen=True)
class StoredRun:
    """A run, as far as these documents need one."""

    output_folder: Path


def build_run(folder: Path, **documents: Any) -> Run:
    (folder / "_dbt").mkdir(parents=True)
    for name, document in documents.items():
        (folder / "_dbt" / f"{name}.json").write_text(json.dumps(document))
    return cast("Run", StoredRun(folder))


def test_complete_documents_are_read(tmp_path: Path) -> None:
    run = build_run(tmp_path, built=BUILD, tests={"t": TEST})
    build = read_build(run)
    assert build is not None
    assert build.changed == ["a"]
    [result] = compare_data_tests(run, run)
    assert (result.name, result.outcome) == ("unique", "passed")
    assert read_build(build_run(tmp_path / "other")) is None


@pytest.mark.parametrize(
    "document", [{}, {"changed": ["a"], "built": ["a"]}, {**BUILD, "built": 3}, {**BUILD, "more": 1}]
)
def test_an_incomplete_build_is_an_error_that_says_what_to_do(tmp_path: Path, document: Any) -> None:
    run = build_run(tmp_path, built=document)
    if document == {**BUILD, "more": 1}:
        assert read_build(run) is not None
        return
    with pytest.raises(StoreError, match=r"built\.json is not as dbt's runs leave it") as caught:
        read_build(run)
    assert caught.value.hint == "run it again: sandbox diff --fresh"


@pytest.mark.parametrize("test", [{}, [], "x", {"name": "unique"}, {**TEST, "failures": "no"}])
def test_an_incomplete_test_is_an_error(tmp_path: Path, test: Any) -> None:
    good, bad = build_run(tmp_path / "a", tests={"t": TEST}), build_run(tmp_path / "b", tests={"t": test})
    for sides in ((good, bad), (bad, good)):
        with pytest.raises(StoreError, match=r"tests\.json is not as dbt's runs leave it"):
            compare_data_tests(*sides)


def test_only_outputs_that_rest_on_no_clock_are_independent_of_the_time(tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        key: {"name": key, "parts": {}, "reads": reads, "linked": [], "problem": None}
        for key, reads in {"source": [], "a": ["source"], "b": ["a"], "c": ["source", "now"], "now": []}.items()
    }
    built = {**BUILD, "outputs": {key: key for key in ("a", "b", "c", "now")}}
    run = build_run(tmp_path / "one", built={**built, "clock_readers": ["now"]}, nodes=facts)
    independent = {name for name in ("a", "b", "c", "now", "other") if are_independent_of_time(run, [name])}
    assert independent == {"a", "b"}
    assert not are_independent_of_time(run, ["a", "c"])
    older = build_run(tmp_path / "older", built=built, nodes=facts)  # of a version that did not ask
    assert not are_independent_of_time(older, ["a"])
