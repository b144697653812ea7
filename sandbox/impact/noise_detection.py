"""What two runs of the same code tell about one output: which columns and rows differ without any change.

Everything is found by comparing, as the sides are compared; nothing here knows how that is done.
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
"""Types whose sums depend on the order of the addends, and how far, relatively, that may take two sums apart."""

MARGIN = 10
"""The tolerance of a column is at most so many times the relative difference of the two runs of the baseline."""
LEAST_TOLERANCE = 1e-12


@dataclass(frozen=True, kw_only=True)
class OutputNoise:
    """What two runs of the baseline tell about one output.

    Attributes:
        columns: The tainted ones.
        rounding: Columns in which only the last digits differ, and the relative tolerance that covers that.
        unstable_rows: Rows that only one of the two runs has, tainted columns aside.
        explained_rows: How many of the rows that only one side has the flickering ones explain.
    """

    columns: frozenset[str] = frozenset()
    rounding: Mapping[str, float] = field(default_factory=dict)
    unstable_rows: int = 0
    explained_rows: int = 0


NO_NOISE = OutputNoise()


def add_noise_to_rules(rules: OutputRules, noise: OutputNoise) -> OutputRules:
    """Give the rules of one output with what is known of its noise."""
    rounding = {name: Tolerance(rel=relative) for name, relative in noise.rounding.items()}
    return dataclasses.replace(rules, tainted=noise.columns, tolerance={**rules.tolerance, **rounding})


@dataclass(frozen=True, kw_only=True)
class NoiseDetector:
    """One output, looked at for noise.

    Attributes:
        tables: The baseline's, its repetition's, the candidate's.
        columns: Those that both runs of the baseline have, and their types.
    """

    name: str
    tables: tuple[TableFiles, TableFiles, TableFiles]
    columns: Mapping[str, str]
    rules: OutputRules
    output_diff: OutputDiff
    units: Mapping[str, tuple[str, ...]]

    def detect(self) -> OutputNoise:
        """Give the columns and rows that differ between the two runs of the baseline."""
        own = self._compare_sides(0, 1, self._build_baseline_rules())
        if not own.rows.different:
            return NO_NOISE
        differing = {name for name, column in own.columns.items() if column.changed}
        rounding = self._find_rounding_columns(differing, own)
        tainted = frozenset(differing - rounding.keys())
        if not (own.rows.added or own.rows.removed):
            return OutputNoise(columns=tainted, rounding=rounding)
        if (whole := self._find_columns_to_exclude(tainted | rounding.keys())) is not None:
            return OutputNoise(columns=whole)
        return self._count_unstable_rows(tainted, rounding)

    def _find_rounding_columns(self, differing: Collection[str], own: OutputDiff) -> dict[str, float]:
        """Return the columns that a tolerance for rounding makes equal in every row of both runs, and that tolerance."""
        floats = {
            name: _limit_tolerance(ROUNDING_TOLERANCES[self.columns[name]], own.columns[name].max_relative_change)
            for name in differing
            if self.columns[name] in ROUNDING_TOLERANCES and name not in self.rules.tolerance
        }
        if not floats:
            return {}
        rules = add_noise_to_rules(self._build_baseline_rules(), OutputNoise(rounding=floats))
        found = self._compare_sides(0, 1, rules).columns
        return {name: relative for name, relative in floats.items() if not found[name].changed}

    def _count_unstable_rows(self, tainted: frozenset[str], rounding: Mapping[str, float]) -> OutputNoise:
        """Count the rows that come and go by themselves, and which of the sides' differences they explain.

        With the number of times that each row (each key, where there is one) occurs in a table as a vector, and d the
        sum of absolute differences, a row explains min(|c − b|, |r − b|) where both have one sign, else nothing; the
        sum over all rows is (d(b, c) + d(b, r) − d(r, c)) / 2.
        """
        noisy = tainted | rounding.keys()
        own = self._count_row_differences(0, 1, self._build_baseline_rules(without=noisy))
        rules = dataclasses.replace(
            self.rules, key=self.key or None, ignore=self.rules.ignore | noisy, tainted=frozenset()
        )
        sides = self._count_row_differences(0, 2, rules)
        explained = max(sides + own - self._count_row_differences(1, 2, rules), 0) // 2
        return OutputNoise(columns=tainted, rounding=rounding, unstable_rows=own, explained_rows=explained)

    def _count_row_differences(self, one: int, other: int, rules: OutputRules) -> int:
        rows = self._compare_sides(one, other, rules).rows
        return rows.added + rows.removed + (0 if self.key else 2 * rows.changed)

    @property
    def key(self) -> tuple[str, ...]:
        """The key by which the sides were compared, so that all comparisons tell rows apart in one way."""
        key = tuple(self.output_diff.key.columns)
        return key if key and set(key) <= set(self.columns) else ()

    def _build_baseline_rules(self, *, without: Iterable[str] = (), keyed: bool = True) -> OutputRules:
        """Give the rules as far as they speak of columns that the baseline has, some columns left out."""
        known = set(self.columns)
        return dataclasses.replace(
            self.rules,
            key=self.key or None if keyed else None,
            unit_key=None,
            ignore=frozenset(({*self.rules.ignore} | {*without}) & known),
            tolerance={name: one for name, one in self.rules.tolerance.items() if name in known},
            tainted=frozenset(),
        )

    def _find_columns_to_exclude(self, tainted: frozenset[str]) -> frozenset[str] | None:
        """Give the columns that are to be left out for both runs to hold the same rows, whatever their key.

        None where there are none: columns whose own values differ, then these and one more (values that are the same
        but fall on other rows). What would leave no column, or take a declared key, explains nothing.
        """
        looked_at = [name for name in self.columns if name not in self.rules.ignore]
        alone = self._compare_without_columns({name: set(looked_at) - {name} for name in looked_at})
        differing = tainted | {name for name, same in alone.items() if not same}
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
        """Say for each set of columns whether the runs hold the same rows without them."""
        sides = [dict.fromkeys(left_out, table) for table in self.tables[:2]]
        rules = {name: self._build_baseline_rules(without=columns, keyed=False) for name, columns in left_out.items()}
        found = compare_tables(
            sides[0],
            sides[1],
            ComparisonOptions(rules=rules, units=self.units, details=False),
            progress=SilentProgress(),
        )
        return {name: not one.rows.different for name, one in found.items()}

    def _compare_sides(self, one: int, other: int, rules: OutputRules) -> OutputDiff:
        sides = [{self.name: self.tables[place]} for place in (one, other)]
        terms = ComparisonOptions(rules={self.name: rules}, units=self.units, details=False)
        found = compare_tables(sides[0], sides[1], terms, progress=SilentProgress())
        return found[self.name]


def _limit_tolerance(largest: float, seen: float | None) -> float:
    """Return the tolerance of a column in which two runs differ by ``seen`` at most.

    >>> _limit_tolerance(1e-9, 2e-11), _limit_tolerance(1e-9, 1e-3), _limit_tolerance(1e-9, 0.0)
    (2e-10, 1e-09, 1e-12)
    """
    if seen is None:
        return largest
    return min(largest, max(float(f"{MARGIN * seen:.1g}"), LEAST_TOLERANCE))
