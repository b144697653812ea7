"""The short JSON: bounded whatever a diff holds, and with what to do next."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.report.brief import MAX_CHARACTERS, build_brief_diff, shorten_json
from tests.unit.report.test_reports import HOSTILE, document, output

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=2000),
    lambda inner: st.lists(inner, max_size=60) | st.dictionaries(st.text(max_size=300), inner, max_size=60),
    max_leaves=60,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), JSON))
def test_any_json_becomes_short_and_keeps_its_fields(fields: dict[str, object]) -> None:
    found = shorten_json(fields)
    assert found.keys() == fields.keys()
    assert len(json.dumps(found, ensure_ascii=False)) <= MAX_CHARACTERS


@pytest.mark.parametrize("count", [1, 500])
def test_a_diff_of_any_size_is_short(count: int) -> None:
    outputs = {f"{HOSTILE * 20}{number}": output(HOSTILE) for number in range(count)}
    found = build_brief_diff(document(outputs), None)
    assert len(json.dumps(found, ensure_ascii=False)) <= MAX_CHARACTERS
    assert found["verdict"] == "outside_gate"
    assert len(found["next"]) >= 1


def test_commands_name_the_output_quoted() -> None:
    found = build_brief_diff(document({"it's": output()}), None)
    assert found["next"][0] == """sandbox why 'it'"'"'s'"""
