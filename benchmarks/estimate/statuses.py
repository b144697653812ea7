"""How often the totals, changes and relative changes of each status hold the truth, over draws by the real rule.

    benchmarks/estimate/statuses.py [DRAWS]

Prints tables of docs/estimates.md: designs with heavy tails, whales and rare strata, with and without strata by size;
changes of 5 units to all. DRAWS (default 1,000) is the number of salts of each design.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from draws import Floats, Frame, Ints

from sandbox.estimate.design import SizeMeasure
from sandbox.estimate.ratios import estimate_ratio
from sandbox.estimate.sizes import POWERS, UNSEEN_UNITS
from sandbox.estimate.totals import estimate_total
from sandbox.sampler.plan.allocation import compute_floors, compute_probabilities, solve_scale
from sandbox.sampler.sizes.size_groups import cut_groups, limit_certain_units, list_bin_edges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.estimate.design import SamplingDesign
    from sandbox.estimate.result import IntervalEstimate

STATUSES = ("estimated", "lower_bound", "bounded", "exact")
LEAST_RATE = 0.025
"""The least rate of a group in the last table: half of the 5 % that cells without a floor are drawn at."""

MIN_SHARE = 0.1
"""Cells with a status in fewer draws are not judged alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Units with an amount each; heavy tails.

    Attributes:
        name: What the table calls it.
        amount: Shape (N,); each unit's total, the size that is recorded.
        rows: Shape (N,); each unit's rows.
        cell: Shape (N,); a combination of other strata columns.
    """

    name: str
    amount: Floats
    rows: Ints
    cell: Ints

    @property
    def size(self) -> int:
        """How many units there are."""
        return len(self.amount)


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """One way to draw from a population; ``order`` puts the units of each stratum side by side."""

    name: str
    population: Population
    order: Ints
    frame: Frame
    family: Ints | None

    def draw(self, count: int) -> Iterator[tuple[Ints, SamplingDesign]]:
        """Yield the drawn units of each salt, and the design with the recorded sizes."""
        columns = {"amount": self.population.amount[self.order], "rows": self.population.rows[self.order] * 1.0}
        strata = len(self.frame.population)
        moments = {
            name: np.stack([np.bincount(self.frame.stratum, x**p, strata) for p in POWERS], axis=1)
            for name, x in columns.items()
        }
        for drawn, design in self.frame.draws(count):
            sizes = tuple(
                SizeMeasure(
                    name=name,
                    moments=moments[name],
                    unseen=np.sort(x[~drawn])[-UNSEEN_UNITS:],
                    sampled=x[drawn],
                )
                for name, x in columns.items()
            )
            yield self.order[drawn], dataclasses.replace(design, sizes=sizes, family=self.family)


def build_populations() -> list[Population]:
    """Build the populations; A is 30,000 customers with orders and items."""
    rng = np.random.default_rng(20_261_130)
    size = 20_000
    normal = rng.normal(size=size)
    whales = np.exp(3 + normal)
    whales[:5] = 0.58 * whales.sum() / 5 * np.array([0.6, 0.8, 1.0, 1.2, 1.4])
    amounts = {
        "whales": whales,
        "Pareto 1.1": (rng.pareto(1.1, size) + 1) * 10,
        "Pareto 1.5": (rng.pareto(1.5, size) + 1) * 10,
        "lognormal σ 1": np.exp(3 + rng.normal(size=size)),
        "lognormal σ 2": np.exp(3 + 2 * rng.normal(size=size)),
        "gamma": rng.gamma(0.5, 100, size),
    }
    made = [_build_shop(rng)]
    for name, amount in amounts.items():
        cell = rng.choice(4, size, p=[0.6, 0.3, 0.09, 0.01])
        made.append(Population(name=name, amount=np.round(amount, 2), rows=1 + rng.poisson(3, size), cell=cell))
    return made


def _build_shop(rng: np.random.Generator) -> Population:
    """Build population A: spending is lognormal within and between customers, some of whom bought nothing."""
    size = 30_000
    country = rng.choice(8, size, p=[0.4, 0.22, 0.14, 0.1, 0.07, 0.04, 0.025, 0.005])
    segment = rng.choice(3, size, p=[0.7, 0.27, 0.03])
    level = rng.normal(0, 0.8, size) + np.where(segment == 2, 1.5, 0.0)
    orders = rng.poisson(np.exp(rng.normal(0.7, 1.0, size)))
    owner = np.repeat(np.arange(size), orders)
    items = 1 + rng.poisson(1.5, len(owner))
    bought = np.repeat(owner, items)
    price = np.round(np.exp(2.5 + level[bought] + rng.normal(0, 1.2, len(bought))), 2)
    amount = np.round(np.bincount(bought, price, minlength=size), 2)
    return Population(name="A", amount=amount, rows=orders, cell=country * 3 + segment)


def build_designs(population: Population, units: int) -> list[Design]:
    """Build the two designs of a population: by its cells alone, and by size with the cells' floors."""
    return [
        _build_design(f"{population.name}, by cell", population, *_allocate_cells(population, units)),
        _build_design(f"{population.name}, by size", population, *_allocate_sizes(population, units)),
    ]


def _allocate_cells(population: Population, units: int) -> tuple[Ints, Floats]:
    """Return each unit's stratum and probability: one rate, with floors for small cells."""
    _, cell, counts = np.unique(population.cell, return_inverse=True, return_counts=True)
    floors, flat = compute_floors(counts.tolist(), 30), [1.0] * len(counts)
    scale = solve_scale(units, counts.tolist(), flat, floors)
    return cell, np.array(compute_probabilities(flat, floors, scale))[cell]


def _allocate_sizes(population: Population, units: int, least_rate: float | None = None) -> tuple[Ints, Floats]:
    """Return each unit's size group and probability, as `[sample] strata = [{sum = …}, …]` draws.

    ``least_rate`` is the least probability of a group; None for half of the overall rate, as the product has it.
    """
    x = population.amount
    edges = list_bin_edges(2, 38)
    certain = np.sort(x)[-limit_certain_units(60, units)]
    ends = np.array([float(edge) for edge in edges])
    rest = (x > 0) & (x < certain)
    bins, often = np.unique(np.searchsorted(ends, x[rest], side="right") - 1, return_counts=True)
    starts = cut_groups({edges[b]: int(n) for b, n in zip(bins, often, strict=True)}, edges, 6)
    cuts = np.array([float(edge) for edge in (*starts, Decimal(repr(float(certain))))])
    group = np.searchsorted(cuts, x, side="right")
    last = len(cuts)
    names, stratum = np.unique(group * 1000 + population.cell, return_inverse=True)
    counts = np.bincount(stratum).tolist()
    of_name = names // 1000
    groups = np.bincount(group, minlength=last + 1)
    spread = np.array([x[group == g].std() if groups[g] > 1 else 0.0 for g in range(last + 1)])
    floor = np.maximum(
        compute_floors(groups.tolist(), 30), units / population.size / 2 if least_rate is None else least_rate
    )
    cells, index = np.unique(population.cell, return_inverse=True)
    cell_floor = dict(zip(cells, compute_floors(np.bincount(index).tolist(), 30), strict=True))
    least = [max(floor[g], cell_floor[c]) if g < last else 1.0 for g, c in zip(of_name, names % 1000, strict=True)]
    slopes = [float(spread[g]) for g in of_name]
    chosen = np.array(compute_probabilities(slopes, least, solve_scale(units, counts, slopes, least)))
    return group, chosen[stratum]


def _build_design(name: str, population: Population, group: Ints, probability: Floats) -> Design:
    """Build a design whose strata are the distinct pairs of a group and a probability."""
    pairs, stratum, counts = np.unique(
        np.stack([group.astype(float), probability], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    order = np.argsort(stratum.ravel(), kind="stable")
    keys = (np.arange(population.size, dtype=np.int64) * 7 + 1_000)[order]
    frame = Frame(name=name, population=counts, rates=pairs[:, 1], keys=keys)
    family = pairs[:, 0].astype(np.int64) if "by size" in name else None
    return Design(name=name, population=population, order=order, frame=frame, family=family)


def list_changes(population: Population) -> dict[str, Floats]:
    """Return changes of each unit's amount, by name; none depends on a unit's size within a stratum."""
    rng = np.random.default_rng(7)
    x, size = population.amount, population.size
    order = rng.permutation(np.flatnonzero(x > 0))
    strength = rng.random(size)

    def touch(units: int, factor: Floats | float) -> Floats:
        flags = np.zeros(size)
        flags[order[:units]] = 1.0
        return flags * x * factor

    return {
        "all, +1 %": 0.01 * x,
        "all, −0 to 10 %": -0.1 * strength * x,
        "all, up or down": 0.2 * (strength - 0.5) * x,
        "half, −0 to 50 %": touch(size // 2, -0.5 * strength),
        "8 %, +20 %": touch(int(0.08 * size), 0.2),
        "8 %, up or down": touch(int(0.08 * size), strength - 0.4),
        "1 %, lost": touch(size // 100, -1.0),
        "300 units, +50 %": touch(300, 0.5),
        "100 units, lost": touch(100, -1.0),
        "30 units, lost": touch(30, -1.0),
        "5 units, lost": touch(5, -1.0),
    }


@dataclass(kw_only=True)
class Cell:
    """What was found for one figure of one change in one design, over all draws."""

    draws: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    held: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(STATUSES, 0))

    def add(self, result: IntervalEstimate, truth: float) -> None:
        """Count one draw; a figure without limits neither holds nor misses."""
        self.draws[result.status] += 1
        low = -np.inf if result.low is None else result.low
        high = np.inf if result.high is None else result.high
        slack = 1e-9 * abs(truth)
        self.held[result.status] += low - slack <= truth <= high + slack


def study_design(design: Design, count: int) -> dict[tuple[str, str], Cell]:
    """Estimate every change from every draw."""
    x = design.population.amount
    changes = list_changes(design.population)
    cells = {(name, figure): Cell() for name in changes for figure in ("change", "relative")}
    cells["the total itself", "change"] = Cell()
    for units, drawn in design.draw(count):
        cells["the total itself", "change"].add(estimate_total(drawn, x[units]), float(x.sum()))
        for name, moved in changes.items():
            cells[name, "change"].add(estimate_total(drawn, moved[units]), float(moved.sum()))
            relative = estimate_ratio(drawn, moved[units], x[units])
            cells[name, "relative"].add(relative, float(moved.sum() / x.sum()))
    return cells


def print_designs(found: dict[str, dict[tuple[str, str], Cell]]) -> None:
    """Print the share of draws of each status, and how often it held, by design."""
    print("| design | figure | estimated | held | lowest | lower bound | held | bounded | exact | held |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    every: list[Cell] = []
    for name, cells in found.items():
        for figure in ("change", "relative"):
            some = [cell for (_, what), cell in cells.items() if what == figure]
            every += some
            print(f"| {name} | {figure} | {_format_cells(some)} |")
    print(f"| all | | {_format_cells(every)} |")


def print_changes(found: dict[str, dict[tuple[str, str], Cell]]) -> None:
    """Print the same by change, over all designs."""
    print("| change | figure | estimated | held | lowest | lower bound | held | bounded | exact | held |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, figure in next(iter(found.values())):
        print(f"| {name} | {figure} | {_format_cells([cells[name, figure] for cells in found.values()])} |")


def _format_cells(cells: list[Cell]) -> str:
    total = sum(sum(cell.draws.values()) for cell in cells)
    shares = {status: sum(cell.draws[status] for cell in cells) / total for status in STATUSES}
    seen = [cell for cell in cells if cell.draws["estimated"] >= MIN_SHARE * sum(cell.draws.values())]
    lowest = min((cell.held["estimated"] / cell.draws["estimated"] for cell in seen), default=None)
    parts = [
        shares["estimated"], _compute_held(cells, "estimated"), lowest,
        shares["lower_bound"], _compute_held(cells, "lower_bound"), shares["bounded"], shares["exact"],
        _compute_held(cells, "exact"),
    ]  # fmt: skip
    return " | ".join("–" if part is None else f"{part:.1%}".replace("%", " %") for part in parts)


def _compute_held(cells: list[Cell], status: str) -> float | None:
    draws = sum(cell.draws[status] for cell in cells)
    return sum(cell.held[status] for cell in cells) / draws if draws else None


def print_errors(population: Population, units: int, patterns: int) -> None:
    """Print the standard errors of four designs at the same number of units, from all units of the population.

    The units that change at random are other ones in each pattern; errors are root mean squares over the patterns.
    """
    print(
        "| design | units | standard error, +1 % on all | standard error, 8 % at random | standard error, units affected |"
    )
    print("|---|--:|--:|--:|--:|")
    one_cell = dataclasses.replace(population, cell=np.zeros_like(population.cell))
    by_cell, by_size = build_designs(population, units)
    alone = dataclasses.replace(build_designs(one_cell, units)[1], name=f"{population.name}, by size alone")
    name = f"{population.name}, by size alone, at least {LEAST_RATE:.1%}".replace("%", " %")
    lower = _build_design(name, one_cell, *_allocate_sizes(one_cell, units, LEAST_RATE))
    first: list[float] = []
    for design in (by_cell, by_size, alone, lower):
        amount = population.amount[design.order]
        rng = np.random.default_rng(5)
        squares = np.zeros(2)
        for _ in range(patterns):
            flags = (rng.random(population.size) < 0.08)[design.order] * 1.0
            squares += compute_variance(design.frame, 0.2 * flags * amount), compute_variance(design.frame, flags)
        errors = np.sqrt([compute_variance(design.frame, 0.01 * amount), *(squares / patterns)]).tolist()
        first = first or errors
        shown = " | ".join(f"{error:,.0f} ({error / base:.2f})" for error, base in zip(errors, first, strict=True))
        print(f"| {design.name} | {(design.frame.population * design.frame.rates).sum():,.0f} | {shown} |")


def compute_variance(frame: Frame, values: Floats) -> float:
    """Compute the variance of a total over draws, from the values of all units: Σ N_h² (1 − π_h) S_h²/(π_h N_h)."""
    count, strata = frame.population, len(frame.population)
    means = np.bincount(frame.stratum, values, strata) / count
    squares = np.bincount(frame.stratum, (values - means[frame.stratum]) ** 2, strata) / np.maximum(count - 1, 1)
    return float((count * (1 - frame.rates) / frame.rates * squares).sum())


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    populations = build_populations()
    designs = [
        design
        for population in populations
        for design in build_designs(population, 2_027 if population.name == "A" else 1_100)
    ]
    results = {design.name: study_design(design, times) for design in designs}
    print_designs(results)
    print()
    print_changes(results)
    print()
    print_errors(populations[0], 2_027, 200)
