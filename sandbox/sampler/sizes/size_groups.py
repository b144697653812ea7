"""Cut units into groups of equal size by cumulated √frequency, with the largest in a group of their own. Pure.

All arithmetic is in decimals, so that every query engine and machine cuts at the same edges.
"""

from __future__ import annotations

import decimal
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PRECISION = 60
STEPS_PER_DOUBLING = 8
STEP_FACTORS = (
    "1",
    "1.0905077326652576592070106557607079789927",
    "1.1892071150027210667174999705604759152929",
    "1.2968395546510096659337541177924511598353",
    "1.4142135623730950488016887242096980785696",
    "1.5422108254079408236122918620907348413068",
    "1.6817928305074290860622509524664297900800",
    "1.8340080864093424634870831895882888560773",
)
"""2^(k/8) for k = 0, …, 7."""

MAX_CERTAIN_SHARE = 20
"""The group that is always drawn has at most one in so many sampled units."""


def build_bin_edge(number: int, scale: int) -> Decimal:
    """Return the lower edge of a fine bin, 2^(number/8), rounded up to a number of digits after the point.

    >>> build_bin_edge(8, 2), build_bin_edge(1, 2), build_bin_edge(-8, 2)
    (Decimal('2.00'), Decimal('1.10'), Decimal('0.50'))
    """
    whole, step = divmod(number, STEPS_PER_DOUBLING)
    with decimal.localcontext(prec=PRECISION, rounding=decimal.ROUND_CEILING):
        power = Decimal(2) ** whole
        return (Decimal(STEP_FACTORS[step]) * power).quantize(Decimal(1).scaleb(-scale))


def list_bin_edges(scale: int, digits: int) -> list[Decimal]:
    """Return the distinct edges of all fine bins between the smallest and the largest decimal of a type.

    Args:
        scale: Digits after the point.
        digits: Digits in all.
    """
    smallest, limit = Decimal(1).scaleb(-scale), Decimal(1).scaleb(digits - scale)
    first, edges = 0, dict[Decimal, None]()
    while build_bin_edge(first, scale) > smallest:
        first -= 1
    while (edge := build_bin_edge(first, scale)) < limit:
        edges[edge] = None
        first += 1
    return list(edges)


def cut_groups(counts: Mapping[Decimal, int], edges: list[Decimal], groups: int) -> list[Decimal]:
    """Return the lower edge of each group of sizes, ascending: cumulated √(count · width) in equal parts.

    Args:
        counts: The lower edge of each fine bin with units, to their number.
        edges: The lower edges of all fine bins, ascending.
        groups: Groups wanted; there are fewer where one would be empty.

    Source: Dalenius & Hodges 1959, JASA 54(285). A bin belongs to the group in which its cumulated sum ends.

    >>> edges = list_bin_edges(0, 3)
    >>> cut_groups({Decimal(1): 1000, Decimal(8): 100, Decimal(64): 10}, edges, 3)
    [Decimal('1'), Decimal('8')]
    """
    upper = dict(itertools.pairwise(edges))
    with decimal.localcontext(prec=PRECISION):
        cumulated: dict[Decimal, Decimal] = {}
        total = Decimal(0)
        for edge in sorted(counts):
            total += (counts[edge] * (upper.get(edge, 2 * edge) - edge)).sqrt()
            cumulated[edge] = total
        starts: dict[int, Decimal] = {}
        for edge, reached in cumulated.items():
            starts.setdefault(min(groups, _round_up(groups * reached / total)), edge)
    return list(starts.values())


def limit_certain_units(wanted: int, sample_units: float) -> int:
    """Return how many of the largest units are always drawn: at most a twentieth of the sample.

    >>> limit_certain_units(60, 2000.0), limit_certain_units(60, 400.0)
    (60, 20)
    """
    return min(wanted, int(sample_units // MAX_CERTAIN_SHARE))


def _round_up(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=decimal.ROUND_CEILING))
