"""Detect nondeterministic columns and rows of one output from two runs of the same code.

Everything is found by comparing tables like the sides; this module is independent of the method of comparison.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules, Tolerance
from sandbox.impact.compare_outputs import ComparisonOptions, compare_tables
from sandbox.model import SilentProgress

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import TableFiles

ROUNDING_TOLERANCES = {"DOUBLE": 1e-9, "FLOAT": 1e-4}
"""Types whose sums depend on the order of the addends, and the largest relative difference of two such sums."""

MARGIN = 10
"""Largest ratio of a column's tolerance to the relative difference of the two runs of the baseline."""
LEAST_TOLERANCE = 1e-12


@dataclass(frozen=True, kw_only=True)
class OutputNoise:
    """The noise of one output, from two runs of the baseline.

    Attributes:
        columns: The nondeterministic columns.
        rounding: Columns differing only in the last digits, and the relative tolerance to cover that.
        unstable_rows: Rows present in only one of the two runs, ignoring nondeterministic columns.
        explained_rows: The number of added and removed rows explained by unstable rows.
    """

    columns: frozenset[str] = frozenset()
    rounding: Mapping[str, float] = field(default_factory=dict)
    unstable_rows: int = 0
    explained_rows: int = 0


NO_NOISE = OutputNoise()


def add_noise_to_rules(rules: OutputRules, noise: OutputNoise) -> OutputRules:
    """Return the rules of one output with its noise added."""
    rounding = {name: Tolerance(rel=relative) for name, relative in noise.rounding.items()}
    return dataclasses.replace(rules, nondeterministic=noise.columns, tolerance={**rules.tolerance, **rounding})


@dataclass(frozen=True, kw_only=True)
class NoiseDetector:
    """Detects the noise of one output.

    Attributes:
        tables: The tables of the baseline, the noise run and the candidate.
        columns: The columns of both runs of the baseline, and their types.
    """

    name: str
    tables: tuple[TableFiles, TableFiles, TableFiles]
    columns: Mapping[str, str]
    rules: OutputRules
    output_diff: OutputDiff
    units: Mapping[str, tuple[str, ...]]

    def detect(self) -> OutputNoise:
        """Return the columns and rows that differ between the two runs of the baseline."""
        repetition = self._compare_sides(0, 1, self._build_baseline_rules())
        if not repetition.rows.different:
            return NO_NOISE
        differing = {name for name, column in repetition.columns.items() if column.changed}
        rounding = self._find_rounding_columns(differing, repetition)
        nondeterministic = frozenset(differing - rounding.keys())
        if not (repetition.rows.added or repetition.rows.removed):
            return OutputNoise(columns=nondeterministic, rounding=rounding)
        if (whole := self._find_columns_to_exclude(nondeterministic | rounding.keys())) is not None:
            return OutputNoise(columns=whole)
        return self._count_unstable_rows(nondeterministic, rounding)

    def _find_rounding_columns(self, differing: Collection[str], repetition: OutputDiff) -> dict[str, float]:
        """Return the columns made equal in all common rows by a tolerance for rounding, and that tolerance."""
        floats = {
            name: _limit_tolerance(
                ROUNDING_TOLERANCES[self.columns[name]], repetition.columns[name].max_relative_change
            )
            for name in differing
            if self.columns[name] in ROUNDING_TOLERANCES and name not in self.rules.tolerance
        }
        if not floats:
            return {}
        rules = add_noise_to_rules(self._build_baseline_rules(), OutputNoise(rounding=floats))
        changes = self._compare_sides(0, 1, rules).columns
        return {name: relative for name, relative in floats.items() if not changes[name].changed}

    def _count_unstable_rows(self, nondeterministic: frozenset[str], rounding: Mapping[str, float]) -> OutputNoise:
        """Count the rows that differ without a change, and the sides' differences they explain.

        Take the number of occurrences of each row (each key, if there is one) in a table as a vector, and d as the sum
        of absolute differences. Then a row explains min(|c − b|, |r − b|) if both have one sign, else nothing. The sum
        over all rows is (d(b, c) + d(b, r) − d(r, c)) / 2. Here b is the baseline, c the candidate and r the noise run.
        """
        noisy = nondeterministic | rounding.keys()
        unstable = self._count_row_differences(0, 1, self._build_baseline_rules(without=noisy))
        rules = dataclasses.replace(
            self.rules, key=self.key or None, ignore=self.rules.ignore | noisy, nondeterministic=frozenset()
        )
        sides = self._count_row_differences(0, 2, rules)
        explained = max(sides + unstable - self._count_row_differences(1, 2, rules), 0) // 2
        return OutputNoise(
            columns=nondeterministic, rounding=rounding, unstable_rows=unstable, explained_rows=explained
        )

    def _count_row_differences(self, first: int, second: int, rules: OutputRules) -> int:
        rows = self._compare_sides(first, second, rules).rows
        return rows.added + rows.removed + (0 if self.key else 2 * rows.changed)

    @property
    def key(self) -> tuple[str, ...]:
        """The key of the sides' comparison, used for all comparisons."""
        key = tuple(self.output_diff.key.columns)
        return key if key and set(key) <= set(self.columns) else ()

    def _build_baseline_rules(self, *, without: Iterable[str] = (), keyed: bool = True) -> OutputRules:
        """Build the rules of the baseline's columns, without some of them."""
        known = set(self.columns)
        return dataclasses.replace(
            self.rules,
            key=self.key or None if keyed else None,
            unit_key=None,
            ignore=frozenset(({*self.rules.ignore} | {*without}) & known),
            tolerance={name: tolerance for name, tolerance in self.rules.tolerance.items() if name in known},
            nondeterministic=frozenset(),
        )

    def _find_columns_to_exclude(self, nondeterministic: frozenset[str]) -> frozenset[str] | None:
        """Return the columns whose exclusion makes the rows of both runs equal, regardless of their key.

        The candidates are columns whose own values differ, then these and one more (equal values on other rows). A set
        that leaves no column or contains a declared key is not used. Return None if no set suffices.
        """
        looked_at = [name for name in self.columns if name not in self.rules.ignore]
        alone = self._compare_without_columns({name: set(looked_at) - {name} for name in looked_at})
        differing = nondeterministic | {name for name, same in alone.items() if not same}
        left = [name for name in looked_at if name not in differing]
        tried = self._compare_without_columns(
            {"": set(differing), **{name: differing | {name} for name in reversed(left)}}
        )
        for name, same in tried.items():
            chosen = frozenset(differing | ({name} if name else set()))
            declared = set(self.rules.key or ())
            if same and len(chosen) < len(looked_at) and not chosen & declared:
                return chosen
        return None

    def _compare_without_columns(self, left_out: Mapping[str, Collection[str]]) -> dict[str, bool]:
        """Check for each set of columns whether the runs hold the same rows without them."""
        sides = [dict.fromkeys(left_out, table) for table in self.tables[:2]]
        rules = {name: self._build_baseline_rules(without=columns, keyed=False) for name, columns in left_out.items()}
        comparisons = compare_tables(
            sides[0],
            sides[1],
            ComparisonOptions(rules=rules, units=self.units, details=False),
            progress=SilentProgress(),
        )
        return {name: not comparison.rows.different for name, comparison in comparisons.items()}

    def _compare_sides(self, first: int, second: int, rules: OutputRules) -> OutputDiff:
        sides = [{self.name: self.tables[index]} for index in (first, second)]
        terms = ComparisonOptions(rules={self.name: rules}, units=self.units, details=False)
        comparisons = compare_tables(sides[0], sides[1], terms, progress=SilentProgress())
        return comparisons[self.name]


def _limit_tolerance(largest: float, seen: float | None) -> float:
    """Return the tolerance of a column in which two runs differ by ``seen`` at most.

    >>> _limit_tolerance(1e-9, 2e-11), _limit_tolerance(1e-9, 1e-3), _limit_tolerance(1e-9, 0.0)
    (2e-10, 1e-09, 1e-12)
    """
    if seen is None:
        return largest
    return min(largest, max(float(f"{MARGIN * seen:.1g}"), LEAST_TOLERANCE))
