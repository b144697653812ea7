"""Why an interval needs thirty effective units: how often intervals of plain totals miss, with the rule and without it.

    benchmarks/estimate/thirty.py [DRAWS]

For totals that are skewed, or 0 but for a few units: the share of draws (default 1,000) with fewer than thirty effective
units, the misses if every draw had an interval, and with the rule those that are left, marked or not.
"""

from __future__ import annotations

import sys

import numpy as np
from draws import Floats, frame

from sandbox.estimate.distributions import compute_t_quantile
from sandbox.estimate.totals import (
    DOMINANT_UNIT_SHARE,
    MIN_EFFECTIVE_UNITS,
    compute_effective_units,
    estimate_standard_error,
)

FRAME = frame("unequal", [4000, 1200, 300], [0.03, 0.1, 0.5])


def populations() -> dict[str, Floats]:
    """Give what each unit holds, by the name of the population."""
    rng = np.random.default_rng(1)
    size = FRAME.size
    return {
        "lognormal, σ = 1": rng.lognormal(3, 1, size),
        "lognormal, σ = 2": rng.lognormal(3, 2, size),
        "lognormal, σ = 2.5": rng.lognormal(3, 2.5, size),
        "Pareto, α = 1.5": rng.pareto(1.5, size) + 1,
        "Pareto, α = 1.1": rng.pareto(1.1, size) + 1,
        "exponential in 1 % of units": rng.exponential(5, size) * (rng.random(size) < 0.01),
        "exponential in 5 % of units": rng.exponential(5, size) * (rng.random(size) < 0.05),
        "lognormal, σ = 1.5, in 20 %": rng.lognormal(1, 1.5, size) * (rng.random(size) < 0.2),
    }


def main(draws: int) -> None:
    """Print the table."""
    print("| a total that is | fewer than 30 | misses without the rule | marked misses | unmarked misses |")
    print("|---|--:|--:|--:|--:|")
    for name, values in populations().items():
        few, missed, doubtful = (np.zeros(draws, bool) for _ in range(3))
        for number, (drawn, design) in enumerate(FRAME.draws(draws)):
            part = values[drawn]
            kappa, share = compute_effective_units(design, part)
            found = estimate_standard_error(design, part)
            estimate = float((design.groups.weight * part).sum())
            half = compute_t_quantile(0.975, found.degrees) * found.error if found.error else 0.0
            few[number], doubtful[number] = kappa < MIN_EFFECTIVE_UNITS, share > DOMINANT_UNIT_SHARE
            missed[number] = abs(estimate - values.sum()) > half
        shares = (few, missed, missed & ~few & doubtful, missed & ~few & ~doubtful)
        print(f"| {name} | " + " | ".join(f"{share.mean():.1%}".replace("%", " %") for share in shares) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
