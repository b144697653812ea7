"""Figures and standard errors that the manual of R's package survey prints for its data set apistrat.

200 schools, drawn in three strata: `svydesign(id = ~1, strata = ~stype, weights = ~pw, data = apistrat, fpc = ~fpc)`. The
estimates depend on the sums of each stratum alone, so schools with the same sums and sums of products stand for them.
"""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.ratios import estimate_ratio
from sandbox.estimate.totals import estimate_standard_error, estimate_total

POPULATION = {"E": 4421, "M": 1018, "H": 755}
SAMPLED = {"E": 100, "M": 50, "H": 50}
# Of each stratum: sums, then sums of squares, of api00, enroll and api.stu; then the sum of products of the last two.
SUMS = {
    "E": ((67443, 41678, 35502), (47038637, 20100668, 14540460), 17044937),
    "M": ((31830, 41624, 34785), (20940396, 42310204, 30316915), 35464569),
    "H": ((31291, 66035, 53526), (20167941, 109279081, 74325088), 88952856),
}


def build_columns(stratum: str) -> dict[str, np.ndarray]:
    """Return values of a stratum's schools with its sums, squares and products."""
    count = SAMPLED[stratum]
    sums, squares, product = SUMS[stratum]
    basis = np.linalg.qr(np.vander(np.linspace(-1, 1, count), 4, increasing=True))[0][:, 1:]  # orthogonal, of sum 0
    means = np.array(sums) / count
    api, enroll, tested = np.array(squares) - count * means**2
    shared = (product - count * means[1] * means[2]) / np.sqrt(enroll)
    return {
        "api00": means[0] + np.sqrt(api) * basis[:, 0],
        "enroll": means[1] + np.sqrt(enroll) * basis[:, 1],
        "api.stu": means[2] + shared * basis[:, 1] + np.sqrt(tested - shared**2) * basis[:, 2],
    }


@pytest.fixture(scope="module")
def schools() -> dict[str, np.ndarray]:
    strata = [build_columns(stratum) for stratum in SUMS]
    return {name: np.concatenate([columns[name] for columns in strata]) for name in strata[0]}


@pytest.fixture(scope="module")
def design() -> SamplingDesign:
    sampled = np.array([SAMPLED[stratum] for stratum in SUMS])
    population = np.array([POPULATION[stratum] for stratum in SUMS])
    return SamplingDesign.from_arrays(
        population=population,
        sampled=sampled,
        probability=sampled / population,
        stratum=np.repeat(np.arange(3), sampled),
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
