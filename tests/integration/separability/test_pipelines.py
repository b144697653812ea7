"""The separability check on samples of 400 of 20,000 customers: pipelines that depend on other units are refused.

``STUDY_SALTS=20`` (make study) takes twenty samples for every kind of key; else there is one, and a few pipelines for most
kinds. Checked in process: the pipelines are queries.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.integration.separability.pipelines import ACCEPTED, HARDLY_DEPENDENT, REFUSED
from tests.integration.separability.populations import KEYS, Halves, write_source

if TYPE_CHECKING:
    from pathlib import Path

SALTS = int(os.environ.get("STUDY_SALTS", "1"))
FEW = (
    "limit", "deduplication by e-mail", "row numbers",
    "windows of a unit", "surrogate hash keys", "unique e-mails", "nested aggregates",
)  # fmt: skip
FEW_KEYS = ("text", "uuid", "date", "composite")


@pytest.fixture(scope="module", params=KEYS if SALTS > 1 else ("integer", *FEW_KEYS))
def samples(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Halves]:
    folder: Path = tmp_path_factory.mktemp("separability")
    write_source(folder / "source", request.param)
    return [
        Halves.draw(folder / "source", folder / f"{number}", request.param, f"salt {number}") for number in range(SALTS)
    ]


def is_looked_at(samples: list[Halves], name: str) -> bool:
    """Whether a pipeline is run on these samples: all are in a study, and with integer keys."""
    return SALTS > 1 or samples[0].kind == "integer" or name in FEW


def test_pipelines_that_depend_on_other_units_are_refused(samples: list[Halves]) -> None:
    accepted = {
        name: [at for at, halves in enumerate(samples) if not halves.is_refused(query)]
        for name, query in REFUSED.items()
        if is_looked_at(samples, name)
    }
    assert {name: salts for name, salts in accepted.items() if salts} == {}


def test_pipelines_that_hardly_depend_on_them_are_refused_mostly(samples: list[Halves]) -> None:
    accepted = {
        name: sum(not halves.is_refused(query) for halves in samples)
        for name, query in HARDLY_DEPENDENT.items()
        if is_looked_at(samples, name)
    }
    assert all(count <= 3 * SALTS / 20 for count in accepted.values()), accepted


def test_pipelines_of_single_units_are_accepted(samples: list[Halves]) -> None:
    problems = {
        name: [problem for halves in samples for problem in halves.find_problems(query) if problem is not None]
        for name, query in ACCEPTED.items()
        if is_looked_at(samples, name)
    }
    assert {name: found for name, found in problems.items() if found} == {}
