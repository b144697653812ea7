"""How often a nominal 95 % interval holds the truth, over draws by the real rule from populations that are known.

    benchmarks/estimate/coverage.py [DRAWS]

Prints the table of docs/estimates.md on the units affected at counts from 1 to all, under equal and unequal probabilities.
DRAWS (default 1,000) is the number of salts; `statuses.py` does the same for totals and changes.
"""

from __future__ import annotations

import sys

import numpy as np
from draws import Frame, Ints, frame

from sandbox.estimate.affected_units import estimate_affected_units

FRAMES = (
    frame("equal, one stratum, 1 in 10", [12_000], [0.1]),
    frame("equal, 8 strata, 1 in 20", [6000, 3000, 2000, 1500, 800, 400, 200, 100], [0.05] * 8),
    frame("unequal, 1 in 20 to all", [12_000, 3_000, 500, 60], [0.05, 0.1, 0.5, 1.0], keys="snowflake"),
    frame("very unequal, 1 in 500 to 1 in 2", [60_000, 4_000, 600], [0.002, 0.05, 0.5], keys="strided"),
    frame("thin strata, 1 in 50", [90, 120, 60, 150, 30, 8_000], [0.02] * 6, keys="negative"),
    frame("most of it drawn, 0.6 to 0.95", [300, 200, 100], [0.6, 0.8, 0.95]),
)


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
    counted(times)
