"""How often intervals from random groups hold the truth, by cell and over all cells, over draws by the real rule.

    benchmarks/estimate/groups.py [DRAWS]

Prints a table of docs/estimates.md: three populations, by cell and by size. Each unit's amount lies in one cell (a
country), and is spread over months.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from statuses import build_designs, build_populations

from sandbox.estimate.random_groups import estimate_group_ratio, estimate_group_total, has_light_tails
from sandbox.sampler.random_groups import assign_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from draws import Floats, Ints
    from statuses import Design, Population

    from sandbox.estimate.result import IntervalEstimate
    from sandbox.sampler.random_groups import GroupAssignment

POPULATIONS = {"A": 2_027, "lognormal σ 1": 1_100, "gamma": 1_100}
MONTHS = 12


def list_figures(population: Population) -> dict[str, list[Floats]]:
    """Return each unit's part of some totals: by cell, by month and over all."""
    rng = np.random.default_rng(11)
    x = population.amount
    share = rng.dirichlet(np.full(MONTHS, 0.5), population.size)
    change = np.where(rng.random(population.size) < 0.4, -0.5 * rng.random(population.size), 0.0) * x
    return {
        "total by country": [x * (population.cell == cell) for cell in np.unique(population.cell)],
        "total by month": list((share * x[:, None]).T),
        "change by month": list((share * change[:, None]).T),
        "total": [x],
        "change": [change],
    }


def study_design(design: Design, draws: int) -> tuple[dict[str, Floats], list[int]]:
    """Return for each figure's cells how often they were estimated and held; and the groups of each draw with K ≥ 20."""
    figures = list_figures(design.population)
    counts = {name: np.zeros((len(parts), 2)) for name, parts in figures.items()} | {"relative": np.zeros((1, 2))}
    groups = []
    random = np.random.default_rng(3)
    for units, drawn in design.draw(draws):
        found = assign_groups(drawn, thinning=random.random(len(units)), order=random.random(len(units)))
        if found is None or not has_light_tails(drawn):
            continue
        groups.append(found.groups.count)
        for name, parts in figures.items():
            for place, values in enumerate(parts):
                result = estimate_group_total(found.groups, add_up(found, units, values), is_cell=len(parts) > 1)
                count_draw(counts[name][place], result, float(values.sum()))
        [x], [change] = figures["total"], figures["change"]
        relative = estimate_group_ratio(found.groups, add_up(found, units, change), add_up(found, units, x))
        count_draw(counts["relative"][0], relative, float(change.sum() / x.sum()))
    return counts, groups


def add_up(found: GroupAssignment, units: Ints, values: Floats) -> Floats:
    """Return each group's total."""
    kept = found.of_unit >= 0
    return np.bincount(found.of_unit[kept], values[units][kept], minlength=found.groups.count)


def count_draw(cell: Floats, result: IntervalEstimate, truth: float) -> None:
    """Count a draw of one figure: whether it is estimated, and whether its limits hold the truth."""
    if result.status == "estimated" and result.low is not None and result.high is not None:
        cell += [1, result.low <= truth <= result.high]


def print_counts(name: str, counts: Mapping[str, Floats], groups: list[int], draws: int) -> None:
    """Print the lines of one design."""
    for figure, cells in counts.items():
        shown = [f"{np.mean(groups) if groups else 0:.0f}", figure]
        estimated = cells[:, 0].sum()
        if estimated:
            seen = cells[cells[:, 0] >= 0.1 * len(groups)]
            parts = [
                estimated / len(groups) / len(cells),
                cells[:, 1].sum() / estimated,
                (seen[:, 1] / seen[:, 0]).min(),
            ]
            shown += [f"{part:.1%}".replace("%", " %") for part in parts]
        else:
            shown += ["0.0 %", "–", "–"]
        share = f"{len(groups) / draws:.1%}".replace("%", " %")
        print(f"| {name} | {share} | {' | '.join(shown)} |")


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print("| design | K ≥ 20 | groups | figure | estimated | held | lowest |")
    print("|---|--:|--:|---|--:|--:|--:|")
    for population in build_populations():
        if population.name in POPULATIONS:
            for design in build_designs(population, POPULATIONS[population.name]):
                print_counts(design.name, *study_design(design, times), times)
