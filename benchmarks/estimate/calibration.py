"""How well regression on known totals of the slice that holds a change would estimate it, with the slice chosen from the sample.

    benchmarks/estimate/calibration.py [DRAWS]

Units change in a slice, some values of a column of the frame, or anywhere. The slice is chosen among all values of one column and
prefixes of another, as the one on which regression leaves the least. Prints how often intervals held the truth, with and
without regression, and how wide they are. See docs/design/0058-calibration-on-slices.md.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from statuses import Design, Population, build_designs, build_populations

from sandbox.estimate.totals import estimate_total

if TYPE_CHECKING:
    from collections.abc import Iterator

    from draws import Flags, Floats, Ints

    from sandbox.estimate.design import SamplingDesign
    from sandbox.estimate.result import IntervalEstimate

CUTS = np.arange(1, 20) / 20
POPULATIONS = ("A", "lognormal σ 1", "gamma")
MIN_UNITS = 30
"""A slice with fewer sampled units is no candidate."""


class Slices:
    """The candidate slices of a population: each value of the cells, and all prefixes of a day at twentieths."""

    def __init__(self, population: Population) -> None:
        rng = np.random.default_rng(11)
        self.day = rng.random(population.size)
        self.cell = population.cell
        self.flags: list[Flags] = [self.cell == value for value in np.unique(self.cell)]
        self.flags += [self.day <= cut for cut in CUTS]
        x = population.amount
        self.totals = [np.array([np.count_nonzero(flags), x[flags].sum()]) for flags in self.flags]


def list_changes(population: Population, slices: Slices) -> Iterator[tuple[str, Floats]]:
    """Yield changes within a slice: a value, a prefix that is a candidate, one that is none; and two in no slice."""
    rng = np.random.default_rng(12)
    x, strength, chance = population.amount, rng.random(population.size), rng.random(population.size)
    values, counts = np.unique(slices.cell, return_counts=True)
    middle = values[np.argsort(counts)[-2]]
    for name, flags in {
        "a value": slices.cell == middle,
        "days to 10 %": slices.day <= CUTS[1],
        "days to 21.3 %": slices.day <= 0.213,
    }.items():
        yield f"{name}, −0 to 20 % of all", -0.2 * strength * x * flags
        yield f"{name}, half lose 0 to 50 %", -0.5 * strength * x * (flags & (chance < 0.5))
        yield f"{name}, 30 % lost", -x * (flags & (chance < 0.3))
    yield "anywhere, 8 % lose 0 to 50 %", -0.5 * strength * x * (chance < 0.08)
    yield "anywhere, −0 to 20 % of all", -0.2 * strength * x


def estimate_on_slice(
    design: SamplingDesign, units: Ints, moved: Floats, x: Floats, slices: Slices
) -> IntervalEstimate:
    """Estimate a total by regression on the number of units and the size of the best slice.

    Coefficients are fitted without certain units; residuals are divided by one minus their leverage.
    """
    weight = design.groups.weight
    partial = design.groups.is_partial
    best: tuple[float, Floats, Floats, Floats] | None = None
    for flags, totals in zip(slices.flags, slices.totals, strict=True):
        inside = flags[units]
        fitted = inside & partial
        if np.count_nonzero(fitted) < MIN_UNITS:
            continue
        z = np.stack([inside * 1.0, inside * x[units]], axis=1)
        normal = (z[fitted] * weight[fitted, None]).T @ z[fitted]
        if np.linalg.cond(normal) > 1e14:
            continue
        inverse = np.linalg.inv(normal)
        slope = inverse @ ((z[fitted] * weight[fitted, None]).T @ moved[fitted])
        left = moved - z @ slope
        remaining = float((weight[partial] * left[partial] ** 2).sum())
        if best is None or remaining < best[0]:
            leverage = np.einsum("ij,jk,ik->i", z, inverse, z) * weight
            corrected = np.where(partial, left / np.maximum(1 - leverage, 0.1), left)
            # Only the spread of the corrected residuals counts; their mean is that of the residuals.
            best = remaining, totals @ slope * np.ones(1), left, corrected
    plain = estimate_total(design, moved)
    if best is None:
        return plain
    _, known, left, corrected = best
    middle = float(known[0]) + float((weight * left).sum())
    spread = estimate_total(design, corrected)
    if spread.low is None or spread.high is None:
        return spread
    half = (spread.high - spread.low) / 2
    return plain.__class__(
        **{**vars(plain), "status": spread.status, "estimate": middle, "low": middle - half, "high": middle + half}
    )


def study_design(design: Design, count: int) -> None:
    """Print a line for each change."""
    population = design.population
    slices, x = Slices(population), population.amount
    changes = dict(list_changes(population, slices))
    held = {name: [0, 0, 0, 0] for name in changes}
    widths: dict[str, list[float]] = {name: [] for name in changes}
    for units, drawn in design.draw(count):
        for name, moved in changes.items():
            truth = float(moved.sum())
            plain = estimate_total(drawn, moved[units])
            better = estimate_on_slice(drawn, units, moved[units], x, slices)
            for at, result in enumerate((plain, better)):
                if result.status == "estimated" and result.low is not None and result.high is not None:
                    held[name][2 * at] += 1
                    held[name][2 * at + 1] += result.low <= truth <= result.high
            if plain.status == better.status == "estimated":
                widths[name].append((better.high - better.low) / (plain.high - plain.low))
    for name, (seen, good, seen_better, good_better) in held.items():
        cells = [
            f"{seen / count:.1%}", f"{good / seen:.1%}" if seen else "–",
            f"{seen_better / count:.1%}", f"{good_better / seen_better:.1%}" if seen_better else "–",
            f"{np.median(widths[name]):.2f}" if widths[name] else "–",
        ]  # fmt: skip
        shown = " | ".join(cells).replace("%", " %")
        print(f"| {design.name} | {name} | {shown} |", flush=True)


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print("| design | change | estimated | held | by regression: estimated | held | width |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for each in build_populations():
        if each.name in POPULATIONS:
            # Without strata by size few of these changes are `estimated` at all.
            study_design(build_designs(each, 2_027 if each.name == "A" else 1_100)[1], times)
