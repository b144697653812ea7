"""How outputs are compared, and data tests, as the file may say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.compare import Tolerance, build_output_rules
from sandbox.config import load_project
from sandbox.errors import ConfigError
from tests.headers import MINIMAL

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project


def read(folder: Path, addition: str) -> Project:
    (folder / "sandbox.toml").write_text(MINIMAL + addition, "utf-8")
    return load_project(None, start=folder, environ={}, flags={})


def test_tolerances_of_every_kind_are_read(tmp_path: Path) -> None:
    section = read(
        tmp_path,
        """
        [outputs.value.tolerance]
        total = { abs = 0.01, rel = 1e-9 }
        name = { case = false, space = false }
        at = { time = "1s" }
        tags = { set = true }
        [outputs.value.type_tolerance]
        "TIMESTAMP WITH TIME ZONE" = { time = "500ms" }
        LIST = { set = true }
        """,
    ).settings.outputs["value"]
    found = build_output_rules(section)
    assert found.tolerance == {
        "total": Tolerance(abs=0.01, rel=1e-9),
        "name": Tolerance(case=False, space=False),
        "at": Tolerance(seconds=1.0),
        "tags": Tolerance(as_set=True),
    }
    assert found.type_tolerance == {
        "TIMESTAMP WITH TIME ZONE": Tolerance(seconds=0.5),
        "LIST": Tolerance(as_set=True),
    }


@pytest.mark.parametrize(
    ("addition", "expected"),
    [
        ("[outputs.v.type_tolerance]\nDUBLE = { abs = 1 }\n", "DUBLE"),
        ("[outputs.v.type_tolerance]\nVARCHAR = { abs = 1 }\n", "abs means nothing for VARCHAR"),
        ("[outputs.v.type_tolerance]\nDOUBLE = { time = '1s' }\n", "time means nothing for DOUBLE"),
        ("[outputs.v.tolerance]\na = { seconds = 1 }\n", "seconds"),
        ("[outputs.v.tolerance]\na = { abs = -1 }\n", "abs"),
        ("[outputs.v.tolerance]\na = { time = 'soon' }\n", "soon"),
        ("[outputs.v.gate]\ntests = 'any'\n", "say in [gate]"),
        (
            "[[tests]]\nname='a'\nsql='select 1'\n[[tests]]\nname='a'\nsql='select 2'\n",
            "two tests are called",
        ),
        ("[gate]\ntests = 'none'\n", "no-new-failures"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, addition: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, addition)
    assert expected in caught.value.message


def test_data_tests_and_their_gate_are_read(tmp_path: Path) -> None:
    settings = read(
        tmp_path, "[[tests]]\nname = 'positive'\nsql = 'from v where x < 0'\n[gate]\ntests = 'no-failures'\n"
    ).settings
    assert [(one.name, one.sql) for one in settings.tests] == [("positive", "from v where x < 0")]
    assert settings.gate.tests == "no-failures"
