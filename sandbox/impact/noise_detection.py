"""What two runs of the same code tell about one output: which columns and rows differ without any change.

Everything is found by comparing, as the sides are compared; nothing here knows how that is done.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.compare import Rules, Tolerance
from sandbox.impact.compare_outputs import Terms, compared
from sandbox.model import Silent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import TableFiles

ROUNDING = {"DOUBLE": 1e-9, "FLOAT": 1e-4}
"""Types whose sums depend on the order of the addends, and how far, relatively, that may take two sums apart."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What two runs of the baseline tell about one output.

    Attributes:
        columns: The tainted ones.
        rounding: Columns in which only the last digits differ, and the relative tolerance that covers that.
        flickering: Rows that only one of the two runs has, tainted columns aside.
        explained: How many of the rows that only one side has the flickering ones explain.
    """

    columns: frozenset[str] = frozenset()
    rounding: Mapping[str, float] = field(default_factory=dict)
    flickering: int = 0
    explained: int = 0


QUIET = Noise()


def aware(rules: Rules, noise: Noise) -> Rules:
    """Give the rules of one output with what is known of its noise."""
    rounding = {name: Tolerance(rel=relative) for name, relative in noise.rounding.items()}
    return dataclasses.replace(rules, tainted=noise.columns, tolerance={**rules.tolerance, **rounding})


@dataclass(frozen=True, kw_only=True)
class Look:
    """One output, looked at for noise.

    Attributes:
        tables: The baseline's, its repetition's, the candidate's.
        columns: Those that both runs of the baseline have, and their types.
    """

    name: str
    tables: tuple[TableFiles, TableFiles, TableFiles]
    columns: Mapping[str, str]
    rules: Rules
    found: OutputDiff
    units: Mapping[str, tuple[str, ...]]

    def noise(self) -> Noise:
        """Give the columns and rows that differ between the two runs of the baseline."""
        own = self._of_sides(0, 1, self._own_rules())
        if not own.rows.different:
            return QUIET
        differing = {name for name, column in own.columns.items() if column.changed}
        rounding = self._rounding(differing)
        tainted = frozenset(differing - rounding.keys())
        if not (own.rows.added or own.rows.removed):
            return Noise(columns=tainted, rounding=rounding)
        if (whole := self._of_rows(tainted | rounding.keys())) is not None:
            return Noise(columns=whole)
        return self._flickering(tainted, rounding)

    def _rounding(self, differing: Collection[str]) -> dict[str, float]:
        """Give those of the columns that a tolerance for rounding makes equal in every row that both runs have."""
        floats = {
            name: ROUNDING[self.columns[name]]
            for name in differing
            if self.columns[name] in ROUNDING and name not in self.rules.tolerance
        }
        if not floats:
            return {}
        rules = aware(self._own_rules(), Noise(rounding=floats))
        found = self._of_sides(0, 1, rules).columns
        return {name: relative for name, relative in floats.items() if not found[name].changed}

    def _flickering(self, tainted: frozenset[str], rounding: Mapping[str, float]) -> Noise:
        """Count the rows that come and go by themselves, and which of the sides' differences they explain.

        With the number of times that each row (each key, where there is one) occurs in a table as a vector, and d the
        sum of absolute differences, a row explains min(|c − b|, |r − b|) where both have one sign, else nothing; the
        sum over all rows is (d(b, c) + d(b, r) − d(r, c)) / 2.
        """
        noisy = tainted | rounding.keys()
        own = self._distance(0, 1, self._own_rules(without=noisy))
        rules = dataclasses.replace(
            self.rules, key=self.key or None, ignore=self.rules.ignore | noisy, tainted=frozenset()
        )
        sides = self._distance(0, 2, rules)
        explained = max(sides + own - self._distance(1, 2, rules), 0) // 2
        return Noise(columns=tainted, rounding=rounding, flickering=own, explained=explained)

    def _distance(self, one: int, other: int, rules: Rules) -> int:
        rows = self._of_sides(one, other, rules).rows
        return rows.added + rows.removed + (0 if self.key else 2 * rows.changed)

    @property
    def key(self) -> tuple[str, ...]:
        """The key by which the sides were compared, so that all comparisons tell rows apart in one way."""
        key = tuple(self.found.key.columns)
        return key if key and set(key) <= set(self.columns) else ()

    def _own_rules(self, *, without: Iterable[str] = (), keyed: bool = True) -> Rules:
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

    def _of_rows(self, tainted: frozenset[str]) -> frozenset[str] | None:
        """Give the columns that are to be left out for both runs to hold the same rows, whatever their key.

        None where there are none: columns whose own values differ, then these and one more (values that are the same
        but fall on other rows). What would leave no column, or take a declared key, explains nothing.
        """
        looked_at = [name for name in self.columns if name not in self.rules.ignore]
        alone = self._many({name: set(looked_at) - {name} for name in looked_at})
        differing = tainted | {name for name, same in alone.items() if not same}
        left = [name for name in looked_at if name not in differing]
        tried = self._many({"": set(differing), **{name: differing | {name} for name in reversed(left)}})
        for name, same in tried.items():
            chosen = frozenset(differing | ({name} if name else set()))
            declared = set(self.rules.key or ())
            if same and len(chosen) < len(looked_at) and not chosen & declared:
                return chosen
        return None

    def _many(self, left_out: Mapping[str, Collection[str]]) -> dict[str, bool]:
        """Say for each set of columns whether the runs hold the same rows without them."""
        sides = [dict.fromkeys(left_out, table) for table in self.tables[:2]]
        rules = {name: self._own_rules(without=columns, keyed=False) for name, columns in left_out.items()}
        found = compared(
            sides[0], sides[1], Terms(rules=rules, units=self.units, details=False), progress=Silent()
        )
        return {name: not one.rows.different for name, one in found.items()}

    def _of_sides(self, one: int, other: int, rules: Rules) -> OutputDiff:
        sides = [{self.name: self.tables[place]} for place in (one, other)]
        terms = Terms(rules={self.name: rules}, units=self.units, details=False)
        found = compared(sides[0], sides[1], terms, progress=Silent())
        return found[self.name]
