"""Judges 20,000 changes in tables of many columns by the oracle, and keeps the figures of every seed.

python -m tests.property.compare.study [--mutations 20000] [--record tests/property/compare/study.csv]

A study that is broken off goes on after the last seed of its record. Each comparison has many columns, most of them with a
change of their own, and the product has to count the changes of every column as the oracle does.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.property.compare.comparison import judge_cases
from tests.property.compare.generated_cases import build_batches, describe_case

if TYPE_CHECKING:
    from tests.property.compare.comparison import Case

RECORD = Path(__file__).parent / "study.csv"
COMPARISONS = 25  # of one seed
FALSE_KINDS = {"false same": "false_same", "false difference": "false_difference"}


@dataclass
class SeedFigures:
    """What one seed gave; ``other`` counts disagreements in counts, columns, schema or refusal, which are no false verdict."""

    seed: int
    comparisons: int = 0
    refused: int = 0
    columns: int = 0
    mutations: int = 0
    false_same: int = 0
    false_difference: int = 0
    other: int = 0


def run_seed(number: int) -> SeedFigures:
    """Judge the tables of one seed, and print every disagreement."""
    figures = SeedFigures(seed=number)

    @seed(number)
    @settings(
        max_examples=COMPARISONS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(build_batches(wide=True))
    def judge(cases: list[Case]) -> None:
        for case, judgement in zip(cases, judge_cases(cases), strict=True):
            figures.comparisons += 1
            figures.columns += len(case.baseline.names)
            if judgement.refused:
                figures.refused += 1
                continue
            figures.mutations += len(case.mutations)
            if judgement.mismatch is not None:
                name = FALSE_KINDS.get(judgement.mismatch.kind, "other")
                setattr(figures, name, getattr(figures, name) + 1)
                print(f"seed {number}: {judgement.mismatch}\n{describe_case(case)}", flush=True)  # noqa: T201 -- a command

    judge()
    return figures


def read_record(path: Path) -> list[SeedFigures]:
    """Return the figures of the seeds that were judged before."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            SeedFigures(**{name: int(value) for name, value in row.items() if name is not None})
            for row in csv.DictReader(file)
        ]


def append_figures(path: Path, figures: SeedFigures) -> None:
    """Add a seed to the record."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(SeedFigures)], lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(figures))


def main() -> int:
    """Judge until there are enough mutations; 1 where some verdict was false, or some figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--record", type=Path, default=RECORD)
    options = parser.parse_args()
    done = read_record(options.record)
    while sum(figures.mutations for figures in done) < options.mutations:
        figures = run_seed(len(done))
        append_figures(options.record, figures)
        done.append(figures)
    total = Counter[str]()
    for figures in done:
        total.update(asdict(figures))
    del total["seed"]
    print(f"seeds 0 to {len(done) - 1}: " + ", ".join(f"{count:,} {name}" for name, count in total.items()))  # noqa: T201
    return 1 if total["false_same"] or total["false_difference"] or total["other"] else 0


if __name__ == "__main__":
    sys.exit(main())
