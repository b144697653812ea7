"""How often a nominal 95 % interval holds the truth, over draws by the real rule from populations that are known.

    benchmarks/estimate/coverage.py [DRAWS]

Prints the two tables of docs/estimates.md: totals, ratios, changes and quantiles of skewed populations; and the units
affected at counts from 1 to all, under equal and unequal probabilities. DRAWS (default 1,000) is the number of salts.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from draws import Flags, Floats, Frame, Ints, frame

from sandbox.estimate.affected_units import estimate_affected_units
from sandbox.estimate.quantiles import estimate_quantile
from sandbox.estimate.ratios import estimate_ratio, estimate_ratio_change
from sandbox.estimate.totals import estimate_total, estimate_total_change

if TYPE_CHECKING:
    from sandbox.estimate.design import SamplingDesign
    from sandbox.estimate.result import IntervalEstimate

FRAMES = (
    frame("equal, one stratum, 1 in 10", [12_000], [0.1]),
    frame("equal, 8 strata, 1 in 20", [6000, 3000, 2000, 1500, 800, 400, 200, 100], [0.05] * 8),
    frame("unequal, 1 in 20 to all", [12_000, 3_000, 500, 60], [0.05, 0.1, 0.5, 1.0], keys="snowflake"),
    frame("very unequal, 1 in 500 to 1 in 2", [60_000, 4_000, 600], [0.002, 0.05, 0.5], keys="strided"),
    frame("thin strata, 1 in 50", [90, 120, 60, 150, 30, 8_000], [0.02] * 6, keys="negative"),
    frame("most of it drawn, 0.6 to 0.95", [300, 200, 100], [0.6, 0.8, 0.95]),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shop:
    """What each unit holds: rows in production, and what a change does to some of them.

    Attributes:
        rows: Shape (N,); rows of each unit.
        before, after: Shape (N,); each unit's total.
        affected: Shape (N,).
        values, owner: Shape (rows,); each row's value and unit.
    """

    name: str
    rows: Ints
    before: Floats
    after: Floats
    affected: Flags
    values: Floats
    owner: Ints


def shop(name: str, frame_: Frame, *, spread: float, share: float, shift: float) -> Shop:
    """Give a shop: lognormal rows of standard deviation ``spread``, of which a change touches a share of the units."""
    rng = np.random.default_rng(20_261_122)
    rows = 1 + rng.poisson(3, frame_.size)
    owner = np.repeat(np.arange(frame_.size), rows)
    level = rng.normal(0, spread / 2, frame_.size)
    values = np.round(np.exp(3 + level[owner] + rng.normal(0, spread, len(owner))), 2)
    before = np.bincount(owner, values)
    affected = rng.random(frame_.size) < share
    after = np.where(affected, before * (1 - shift * rng.random(frame_.size)), before)
    return Shop(name=name, rows=rows, before=before, after=after, affected=affected, values=values, owner=owner)


def figures(shop_: Shop, drawn: Flags, design: SamplingDesign) -> dict[str, IntervalEstimate]:
    """Estimate everything from one draw."""
    place = np.cumsum(drawn) - 1
    kept = drawn[shop_.owner]
    values, owner = shop_.values[kept], place[shop_.owner[kept]]
    before, after, rows = shop_.before[drawn], shop_.after[drawn], shop_.rows[drawn]
    affected = shop_.affected[drawn]
    return {
        "total": estimate_total(design, before),
        "mean over rows": estimate_ratio(design, before, rows),
        "change of the total": estimate_total_change(design, before, after, affected),
        "change of the mean": estimate_ratio_change(design, (before, rows), (after, rows), affected),
        "median over rows": estimate_quantile(design, values, owner, 0.5),
        "0.9 quantile over rows": estimate_quantile(design, values, owner, 0.9),
    }


def truths(shop_: Shop) -> dict[str, float]:
    """Give what all units together have."""
    ordered, rows = np.sort(shop_.values), shop_.rows.sum()
    moved = float((shop_.after - shop_.before).sum())
    return {
        "total": float(shop_.before.sum()),
        "mean over rows": float(shop_.before.sum() / rows),
        "change of the total": moved,
        "change of the mean": float(moved / rows),
        "median over rows": float(ordered[int(np.ceil(0.5 * rows)) - 1]),
        "0.9 quantile over rows": float(ordered[int(np.ceil(0.9 * rows)) - 1]),
    }


def skewed(count: int) -> None:
    """Print how often totals, ratios, changes and quantiles are held."""
    print("| draw | population | figure | units that carry it | no interval | marked | held | misses unmarked |")
    print("|---|---|---|--:|--:|--:|--:|--:|")
    for frame_ in (FRAMES[0], FRAMES[2], FRAMES[3]):
        _skewed(frame_, shop("skewed", frame_, spread=0.7, share=0.35, shift=0.5), count)
        _skewed(frame_, shop("heavy tail", frame_, spread=1.6, share=0.35, shift=0.5), count)
        _skewed(frame_, shop("few affected", frame_, spread=0.7, share=0.01, shift=0.5), count)


def _skewed(frame_: Frame, shop_: Shop, count: int) -> None:
    truth = truths(shop_)
    found: dict[str, list[IntervalEstimate]] = {name: [] for name in truth}
    carried: dict[str, list[int]] = {"all": [], "affected": []}
    for drawn, design in frame_.draws(count):
        carried["all"].append(design.units)
        carried["affected"].append(int(np.count_nonzero(shop_.affected[drawn])))
        for name, result in figures(shop_, drawn, design).items():
            found[name].append(result)
    shown = [name for name in found if shop_.name == "skewed" or name in {"total", "change of the total"}]
    for name in shown:
        results = found[name]
        of = carried["affected" if name.startswith("change") else "all"]
        print(f"| {frame_.name} | {shop_.name} | {name} | {np.median(of):,.0f} | {line(results, truth[name])} |")


def line(results: list[IntervalEstimate], truth: float) -> str:
    """Give the shares of draws: without an interval, marked, held (of those with one), missed without a mark."""
    given = [
        (result.low is None or result.low <= truth) and (result.high is None or truth <= result.high)
        for result in results
        if result.low is not None or result.high is not None
    ]
    marked = sum(result.status == "probably_too_narrow" for result in results)
    silent = sum(
        result.status == "estimated"
        and result.low is not None
        and result.high is not None
        and not result.low <= truth <= result.high
        for result in results
    )
    shares = [1 - len(given) / len(results), marked / len(results), None, silent / len(results)]
    if given:
        shares[2] = float(np.mean(given))
    return " | ".join("–" if one is None else f"{one:.1%}".replace("%", " %") for one in shares)


def counted(count: int) -> None:
    """Print how often the number of units affected is held, at counts from 1 to all."""
    print("| draw | affected units lie | lowest | at how many | median | from 300 on |")
    print("|---|---|--:|--:|--:|--:|")
    for frame_ in FRAMES:
        for where, order in orders(frame_).items():
            held = coverage(frame_, order, counts(frame_.size), count)
            worst = min(held, key=lambda number: held[number])
            many = [share for number, share in held.items() if number >= 300]
            shares = (held[worst], float(np.median(list(held.values()))), min(many) if many else np.nan)
            lowest, median, from_300 = (f"{share:.1%}".replace("%", " %") for share in shares)
            print(f"| {frame_.name} | {where} | {lowest} | {worst:,} | {median} | {from_300} |")


def orders(frame_: Frame) -> dict[str, Ints]:
    """Give orders of the units: the first so many are affected."""
    rng = np.random.default_rng(5)
    anywhere = rng.permutation(frame_.size)
    rates = frame_.rates[frame_.stratum][anywhere]
    return {
        "anywhere": anywhere,
        "where least is drawn": anywhere[np.argsort(rates, kind="stable")],
        "where most is drawn": anywhere[np.argsort(-rates, kind="stable")],
    }


def counts(size: int) -> list[int]:
    """Give counts from 1 to all, dense at both ends."""
    near = np.unique(np.round(np.geomspace(1, size / 2, 22)).astype(int))
    return sorted({int(one) for one in near} | {size - int(one) for one in near} | {size})


def coverage(frame_: Frame, order: Ints, at: list[int], count: int) -> dict[int, float]:
    """Give for each count of affected units the share of draws whose limits hold it."""
    rank = np.empty(frame_.size, np.int64)
    rank[order] = np.arange(frame_.size)
    held = dict.fromkeys(at, 0)
    for drawn, design in frame_.draws(count):
        ranks = rank[drawn]
        for number in at:
            found = estimate_affected_units(design, ranks < number)
            held[number] += (found.low or 0.0) <= number <= (np.inf if found.high is None else found.high)
    return {number: sum_ / count for number, sum_ in held.items()}


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    skewed(times)
    print()
    counted(times)
