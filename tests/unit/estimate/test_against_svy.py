"""Figures and standard errors against `svy`, the maintained successor of samplics: another implementation of the same formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
import svy

from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.ratios import estimate_ratio
from sandbox.estimate.totals import estimate_standard_error, estimate_total

DIGITS = 1e-9
Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A sample of units with several rows each, as both libraries see it."""

    design: SamplingDesign
    values: Numbers
    sizes: Numbers
    unit: Numbers
    domain: Numbers
    estimation: Any

    def sums(self, values: Numbers) -> Numbers:
        """Sum rows within their unit."""
        return np.bincount(self.unit, values, minlength=self.design.unit_count)

    def error(self, residuals: Numbers) -> float:
        """Give the standard error of a total of rows' residuals."""
        return estimate_standard_error(self.design, self.sums(residuals)).error


def drawn(population: list[int], sampled: list[int], seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    counts, taken = np.array(population), np.array(sampled)
    stratum = np.repeat(np.arange(len(counts)), taken)
    unit = np.repeat(np.arange(len(stratum)), 1 + rng.poisson(2, len(stratum)))
    level = rng.normal(0, 0.7, len(stratum))
    values = np.round(np.exp(2 + level[unit] + rng.normal(0, 0.5, len(unit))), 2)
    sizes, domain = 1.0 + rng.poisson(3, len(unit)), rng.random(len(unit)) < 0.4
    strata = stratum[unit]
    frame = pl.DataFrame(
        {
            "stratum": strata,
            "unit": unit,
            "weight": (counts / taken)[strata],
            "population": counts[strata],
            "value": values,
            "size": sizes,
            "domain": domain.astype(int),
            "low": (values <= 10).astype(float),
        }
    )
    survey = svy.Sample(frame, svy.Design(stratum="stratum", psu="unit", wgt="weight", pop_size="population"))
    return Drawn(
        design=SamplingDesign.from_arrays(
            population=counts, sampled=taken, probability=taken / counts, stratum=stratum.tolist()
        ),
        values=values,
        sizes=sizes,
        unit=unit,
        domain=domain,
        estimation=survey.estimation,
    )


SAMPLES = {
    "one stratum": drawn([2000], [250], 1),
    "three strata": drawn([500, 120, 900], [60, 40, 70], 2),
    "very unequal": drawn([40_000, 300, 60], [90, 90, 50], 3),
    "one of them complete": drawn([800, 45], [100, 45], 4),
}
of_samples = pytest.mark.parametrize("name", SAMPLES)


def one(found: Any, row: int = 0) -> tuple[float, float]:
    """Give svy's figure and its standard error."""
    estimate = found.estimates[row]
    return float(estimate.est), float(estimate.se)


@of_samples
def test_totals_agree(name: str) -> None:
    sample = SAMPLES[name]
    figure, error = one(sample.estimation.total("value"))
    assert estimate_total(sample.design, sample.sums(sample.values)).estimate == pytest.approx(figure, rel=DIGITS)
    assert sample.error(sample.values) == pytest.approx(error, rel=DIGITS)


@of_samples
def test_totals_of_a_domain_agree(name: str) -> None:
    sample = SAMPLES[name]
    figure, error = one(sample.estimation.total("value", by="domain"), 1)
    inside = np.where(sample.domain, sample.values, 0.0)
    assert estimate_total(sample.design, sample.sums(inside)).estimate == pytest.approx(figure, rel=DIGITS)
    assert sample.error(inside) == pytest.approx(error, rel=DIGITS)


@of_samples
def test_means_over_rows_agree(name: str) -> None:
    sample = SAMPLES[name]
    figure, error = one(sample.estimation.mean("value"))
    check_ratio(sample, np.ones(len(sample.unit)), figure, error)


@of_samples
def test_ratios_agree(name: str) -> None:
    sample = SAMPLES[name]
    figure, error = one(sample.estimation.ratio("value", "size"))
    check_ratio(sample, sample.sizes, figure, error)


def check_ratio(sample: Drawn, below: Numbers, figure: float, error: float) -> None:
    found = estimate_ratio(sample.design, sample.sums(sample.values), sample.sums(below)).estimate
    assert found == pytest.approx(figure, rel=DIGITS)
    whole = estimate_total(sample.design, sample.sums(below)).estimate
    assert found is not None
    assert whole is not None
    assert sample.error((sample.values - found * below) / whole) == pytest.approx(error, rel=DIGITS)


def test_the_interval_of_one_stratum_agrees() -> None:
    # With several strata the degrees of freedom differ: svy takes n − H, we Satterthwaite's.
    sample = SAMPLES["one stratum"]
    svys = sample.estimation.total("value").estimates[0]
    found = estimate_total(sample.design, sample.sums(sample.values), counted=True)
    assert found.status == "estimated"
    assert (found.low, found.high) == pytest.approx((float(svys.lci), float(svys.uci)), rel=1e-8)


@of_samples
def test_a_share_of_rows_has_svys_error(name: str) -> None:
    sample = SAMPLES[name]
    figure, error = one(sample.estimation.mean("low"))
    reached = (sample.values <= 10).astype(float)
    rows = np.ones(len(reached))
    whole = estimate_total(sample.design, sample.sums(rows)).estimate
    assert whole is not None
    assert estimate_ratio(sample.design, sample.sums(reached), sample.sums(rows)).estimate == pytest.approx(
        figure, rel=DIGITS
    )
    assert sample.error((reached - figure) / whole) == pytest.approx(error, rel=DIGITS)
