"""Measure what `sandbox init` proposes against the answers of people: keys, references, unit, personal columns.

python -m benchmarks.init.measure                  # the generated sources
python -m benchmarks.init.measure NAME=FOLDER ...  # public ones, with answers in answers.py
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.init.schemas import GENERATED, write_source
from sandbox.model import SilentProgress
from sandbox.suggest import build_proposal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.init.schemas import KnownSource
    from sandbox.suggest import Proposal


@dataclass(frozen=True, kw_only=True)
class Score:
    """Counts of one comparison.

    Attributes:
        right: Proposed, and in the answers.
        wrong: Proposed, and not in the answers.
        missed: In the answers, and not proposed.
    """

    right: frozenset[str]
    wrong: frozenset[str]
    missed: frozenset[str]

    @property
    def precision(self) -> float:
        """Share of what was proposed that is right."""
        return len(self.right) / max(1, len(self.right) + len(self.wrong))

    @property
    def recall(self) -> float:
        """Share of the answers that was proposed."""
        return len(self.right) / max(1, len(self.right) + len(self.missed))


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was proposed for a source, compared with its answers."""

    keys: Score
    references: Score
    personal: Score
    unit: str
    is_unit_right: bool


def measure_proposal(source: KnownSource, proposal: Proposal) -> Result:
    """Compare a proposal with the answers."""
    keys = {f"{name}({', '.join(sorted(table.key.columns))})" for name, table in proposal.tables.items() if table.key}
    known_keys = {f"{name}({', '.join(sorted(key))})" for name, key in source.keys.items()}
    references = {
        f"{name}.{'+'.join(reference.columns)} -> {reference.table}.{'+'.join(reference.key)}"
        for name, table in proposal.tables.items()
        for reference in table.references
    }
    personal = {f"{name}.{column.column}" for name, columns in proposal.masks.items() for column in columns}
    return Result(
        keys=_compare(keys, known_keys),
        references=_compare(references, {f"{here} -> {there}" for here, there in source.references.items()}),
        personal=_compare(personal, source.personal),
        unit=proposal.unit.table,
        is_unit_right=proposal.unit.table in source.units,
    )


def measure_folder(source: KnownSource, folder: Path) -> Result:
    """Propose settings for a folder, and compare them with the answers."""
    return measure_proposal(source, build_proposal(str(folder), base=folder, progress=SilentProgress()))


def combine_scores(scores: Iterable[Score]) -> tuple[float, float]:
    """Return precision and recall over several sources."""
    found = list(scores)
    right, wrong, missed = (sum(len(getattr(score, name)) for score in found) for name in ("right", "wrong", "missed"))
    return right / max(1, right + wrong), right / max(1, right + missed)


def _compare(proposed: Iterable[str], known: Iterable[str]) -> Score:
    found, answers = frozenset(proposed), frozenset(known)
    return Score(right=found & answers, wrong=found - answers, missed=answers - found)


def print_results(results: dict[str, Result]) -> None:
    """Print a line for each kind of answer, and what is wrong or missed."""
    for kind in ("keys", "references", "personal"):
        precision, recall = combine_scores(getattr(result, kind) for result in results.values())
        print(f"{kind:<12} precision {precision:.3f}  recall {recall:.3f}")
    units = ", ".join(f"{name}: {result.unit}" for name, result in results.items())
    print(f"units        {sum(result.is_unit_right for result in results.values())} of {len(results)} right ({units})")
    for name, result in results.items():
        for kind in ("keys", "references", "personal"):
            score: Score = getattr(result, kind)
            print(
                *(f"  {name}: wrong {kind}: {item}" for item in sorted(score.wrong)),
                sep="\n",
                end="\n" * bool(score.wrong),
            )
            print(
                *(f"  {name}: missed {kind}: {item}" for item in sorted(score.missed)),
                sep="\n",
                end="\n" * bool(score.missed),
            )


def measure_generated(folder: Path) -> dict[str, Result]:
    """Write the generated sources into a folder, and measure each."""
    results = {}
    for name, source in GENERATED.items():
        write_source(source, folder / name)
        results[name] = measure_folder(source, folder / name)
    return results


if __name__ == "__main__":
    if sys.argv[1:]:
        from benchmarks.init.answers import ANSWERS

        given = dict(argument.split("=", 1) for argument in sys.argv[1:])
        print_results({name: measure_folder(ANSWERS[name], Path(folder).resolve()) for name, folder in given.items()})
    else:
        with tempfile.TemporaryDirectory() as place:
            print_results(measure_generated(Path(place)))
