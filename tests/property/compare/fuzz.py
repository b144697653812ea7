"""Compares generated tables for some minutes, and prints how many, from which seeds, and each kind of disagreement.

python -m tests.property.compare.fuzz --minutes 10
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.property.compare.comparison import Case, Mismatch, check_case, judge_cases
from tests.property.compare.generated_cases import BATCH, build_batches, describe_case, restate_case
from tests.property.compare.table_files import JSON_FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from tests.property.compare.table_files import Side

    Reduction: TypeAlias = Callable[[Case], Iterator[Case]]

EXAMPLES = 50  # of one seed
VALUES = frozenset({"false same", "false difference", "wrong counts", "wrong columns"})


@dataclass
class Figures:
    """What was found so far; ``smallest`` are the least cases by kind."""

    examples: int = 0
    seeds: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    smallest: dict[str, tuple[Case, Mismatch]] = field(default_factory=dict)


def run_batch(figures: Figures, number: int) -> None:
    """Compare the tables of one seed."""
    figures.seeds.append(number)

    @seed(number)
    @settings(
        max_examples=EXAMPLES // BATCH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(build_batches())
    def check(cases: list[Case]) -> None:
        figures.examples += len(cases)
        for case, judgement in zip(cases, judge_cases(cases), strict=True):
            if judgement.mismatch is not None:
                record_mismatch(figures, case, judgement.mismatch)

    check()


def record_mismatch(figures: Figures, case: Case, mismatch: Mismatch) -> None:
    """Count a disagreement under its kind and the types of the columns that it takes."""
    case, mismatch = reduce_case(case, mismatch, drop_columns)
    name = name_kind(case, mismatch)
    figures.kinds[name] += 1
    if name not in figures.smallest:
        for reduction in (drop_rows, drop_columns, merge_parts, drop_rows):
            case, mismatch = reduce_case(case, mismatch, reduction)
        figures.smallest[name] = case, mismatch


def name_kind(case: Case, mismatch: Mismatch) -> str:
    """Return the name under which a disagreement is counted."""
    used = sorted({
        "+".join(sorted({t.name for side in (case.baseline, case.candidate) if name in side.names for t in side.find_types(name)}))
        for name in (*case.baseline.names, *case.candidate.names)
        if name != "id"
    })  # fmt: skip
    kind = "values" if mismatch.kind in VALUES else mismatch.kind
    said = mismatch.found[:60] if kind in {"crash", "refused"} else ""
    return f"{kind} | {case.baseline.format} | {'; '.join(used)} {said}"


def reduce_case(case: Case, mismatch: Mismatch, reduction: Reduction) -> tuple[Case, Mismatch]:
    """Make a case smaller for as long as the disagreement stays."""
    shrunk = True
    while shrunk:
        shrunk = False
        for smaller in map(restate_case, reduction(case)):
            again = check_case(smaller) if smaller != case else None
            if (
                again is not None
                and (again.kind in VALUES) == (mismatch.kind in VALUES)
                and (again.kind in VALUES or again.kind == mismatch.kind)
            ):
                case, mismatch, shrunk = smaller, again, True
                break
    return case, mismatch


def drop_columns(case: Case) -> Iterator[Case]:
    """Leave out one column of both sides that is no key's."""
    for name in dict.fromkeys((*case.baseline.names, *case.candidate.names)):
        if name not in (case.key or ()) and name != "id":
            yield replace(case, baseline=_drop(case.baseline, name), candidate=_drop(case.candidate, name))


def _drop(side: Side, name: str) -> Side:
    parts = []
    for part in side.parts:
        kept = [place for place, one in enumerate(part.names) if one != name]
        parts.append(
            replace(
                part,
                names=tuple(part.names[place] for place in kept),
                types=tuple(part.types[place] for place in kept),
                rows=tuple(tuple(row[place] for place in kept) for row in part.rows),
            )
        )
    return replace(side, parts=tuple(parts))


def drop_rows(case: Case) -> Iterator[Case]:
    """Leave out one row of both sides, else of one."""
    there = sorted(set(map(repr, case.baseline.rows)) & set(map(repr, case.candidate.rows)))
    for row in there:
        yield replace(case, baseline=_without(case.baseline, row), candidate=_without(case.candidate, row))
    for row in map(repr, case.baseline.rows):
        yield replace(case, baseline=_without(case.baseline, row))
    for row in map(repr, case.candidate.rows):
        yield replace(case, candidate=_without(case.candidate, row))


def _without(side: Side, row: str) -> Side:
    parts = [replace(part, rows=tuple(one for one in part.rows if repr(one) != row)) for part in side.parts]
    left = [part for part in parts if part.rows] or parts[:1]
    return (
        replace(side, parts=tuple(left)) if any(part.rows for part in left) or side.format not in JSON_FORMATS else side
    )


def merge_parts(case: Case) -> Iterator[Case]:
    """Write each side as one file, and simply."""
    if len(case.baseline.parts) > 1 and len({part.types for part in case.baseline.parts}) == 1:
        yield replace(case, baseline=_merge(case.baseline))
    if len(case.candidate.parts) > 1 and len({part.types for part in case.candidate.parts}) == 1:
        yield replace(case, candidate=_merge(case.candidate))
    for name in ("prefilter", "details"):
        if case.prefilter and name == "prefilter":
            yield replace(case, prefilter=False)
        if case.details and name == "details":
            yield replace(case, details=False)
    if case.baseline.layout != case.candidate.layout:
        yield replace(case, candidate=replace(case.candidate, layout=case.baseline.layout))


def _merge(side: Side) -> Side:
    rows = tuple(row for part in side.parts for row in part.rows)
    return replace(side, parts=(replace(side.parts[0], rows=rows),))


def print_figures(figures: Figures) -> None:
    """Print what was found."""
    for name, (case, mismatch) in sorted(figures.smallest.items()):
        print(f"\n{figures.kinds[name]} × {name}\n{mismatch}\n{describe_case(case)}")  # noqa: T201 -- it is a command
    print(f"\nexamples: {figures.examples}, seeds: {figures.seeds}")  # noqa: T201
    print(f"mismatches: {figures.kinds.total()} of {len(figures.kinds)} kinds")  # noqa: T201


def main() -> int:
    """Run for some minutes; 1 where the product and the oracle disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    figures = Figures()
    until = time.monotonic() + 60 * options.minutes
    while time.monotonic() < until:
        run_batch(figures, options.seed + len(figures.seeds))
    print_figures(figures)
    return 1 if figures.kinds else 0


if __name__ == "__main__":
    sys.exit(main())
