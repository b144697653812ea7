"""Figures and standard errors that the manual of R's package survey prints for its data set apistrat.

200 schools, drawn in three strata: `svydesign(id = ~1, strata = ~stype, weights = ~pw, data = apistrat, fpc = ~fpc)`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.ratios import estimate_ratio
from sandbox.estimate.totals import estimate_standard_error, estimate_total

DATA = Path(__file__).parent / "apistrat.csv"


@pytest.fixture(scope="module")
def schools() -> dict[str, np.ndarray]:
    with DATA.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("fpc", "api00", "enroll", "api.stu")}
    return columns | {"stype": np.array(["EMH".index(row["stype"]) for row in rows])}


@pytest.fixture(scope="module")
def design(schools: dict[str, np.ndarray]) -> SamplingDesign:
    sampled = np.bincount(schools["stype"])
    population = [int(schools["fpc"][schools["stype"] == place][0]) for place in range(3)]
    return SamplingDesign.from_arrays(
        population=population, sampled=sampled, probability=sampled / population, stratum=schools["stype"]
    )


def test_the_total_of_svytotal(schools: dict[str, np.ndarray], design: SamplingDesign) -> None:
    assert f"{estimate_total(design, schools['enroll']).estimate:.0f}" == "3687178"
    assert f"{estimate_standard_error(design, schools['enroll']).error:.0f}" == "114642"


@pytest.mark.parametrize(
    ("above", "below", "estimate", "error"),
    [("api00", None, "662.29", "9.4089"), ("api.stu", "enroll", "0.8369569", "0.007757103")],
    ids=["svymean", "svyratio"],
)
def test_the_mean_of_svymean_and_the_ratio_of_svyratio(
    schools: dict[str, np.ndarray], design: SamplingDesign, *, above: str, below: str | None, estimate: str, error: str
) -> None:
    y, x = schools[above], np.ones(len(schools[above])) if below is None else schools[below]
    ratio = estimate_ratio(design, y, x).estimate
    assert ratio is not None
    total = estimate_total(design, x).estimate
    assert total is not None
    found = estimate_standard_error(design, (y - ratio * x) / total).error
    assert f"{ratio:.{len(estimate.split('.')[1])}f}" == estimate
    assert f"{found:.{len(error.split('.')[1])}f}" == error
