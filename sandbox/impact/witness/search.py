"""Find a witness: the fewest units, rows and columns of the sample on which two versions still differ."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.impact.witness.differing_units import find_unit_columns, list_differing_units
from sandbox.impact.witness.minimize import BudgetError, minimize
from sandbox.sampler.sub_sample import SubSample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.impact.witness.trials import Trial, TrialRunner
    from sandbox.sampler.sub_sample import RowAddress, UnitKey

GUESSED_UNITS = 8
"""Units of the first trial: those with the fewest rows among the ones that differ."""

COLUMN_RUNS = 4
"""Runs spent on columns: a witness is small without, and each column may need two."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The smallest difference found.

    Attributes:
        trial: The part of the sample and the comparison on it; None if no part within the budget differs.
        is_minimal: Whether each unit and each row of it is needed.
        started_units: The number of differing units at the start; None if they are unknown.
    """

    trial: Trial | None
    is_minimal: bool
    started_units: int | None


@dataclass(kw_only=True)
class WitnessSearch:
    """A search; ``best`` is the smallest difference so far.

    Attributes:
        runner: Tries parts of the sample.
        columns: The names of the output's columns.
    """

    runner: TrialRunner
    columns: Sequence[str]
    best: Trial | None = None

    def find(self, differing: Sequence[UnitKey] | None) -> SearchResult:
        """Reduce units, then the rows that belong to them, then the columns with a value.

        Args:
            differing: The units that differ on the whole sample; None if the output does not tell.
        """
        unit_table = self._find_unit_table()
        known = self.runner.writer.list_units(unit_table)
        wanted = set(known if differing is None else differing)
        candidates = [unit for unit in known if unit in wanted]
        is_minimal = False
        try:
            if self._reduce_units(unit_table, candidates, known):
                is_minimal = self._reduce_rows()
                self._reduce_columns()
        except (BudgetError, KeyboardInterrupt):
            is_minimal = False
        return SearchResult(
            trial=self.best, is_minimal=is_minimal, started_units=None if differing is None else len(candidates)
        )

    def _find_unit_table(self) -> str:
        found = find_unit_columns(self.runner.rules, self.runner.units, self.columns)
        return found[0] if found else next(iter(self.runner.units))

    def _reduce_units(self, unit_table: str, candidates: list[UnitKey], known: list[UnitKey]) -> bool:
        """Find few units that differ: a guess among the smallest ones, else delta debugging of all."""
        for units in (candidates[:GUESSED_UNITS], candidates, known):
            if units and self._try(SubSample(unit_table=unit_table, units=tuple(units))):
                break
        else:
            return False
        assert self.best is not None
        for unit in self._list_units_of_best()[:2]:
            if len(self.best.part.units) > 1 and self._try(SubSample(unit_table=unit_table, units=(unit,))):
                return True
        return minimize(
            self.best.part.units,
            lambda some: bool(some) and self._try(SubSample(unit_table=unit_table, units=tuple(some))),
        ).is_minimal

    def _list_units_of_best(self) -> list[UnitKey]:
        """Return the units that differ in the smallest difference so far, those with the fewest rows first."""
        assert self.best is not None
        found = find_unit_columns(self.runner.rules, self.runner.units, self.columns)
        if found is None:
            return []
        differing = list_differing_units(
            self.best.tables[0], self.best.output, self.best.rows / self.runner.name, found[1]
        )
        return [unit for unit in self.best.part.units if unit in set(differing)]

    def _reduce_rows(self) -> bool:
        """Leave out rows that belong to the units."""
        assert self.best is not None
        part = self.best.part
        self.runner.writer.keep(part)
        rows = self.runner.writer.list_child_rows()

        def still_differs(kept: Sequence[RowAddress]) -> bool:
            return self._try(dataclasses.replace(part, dropped=frozenset(rows) - frozenset(kept)))

        return minimize(rows, still_differs).is_minimal

    def _reduce_columns(self) -> None:
        """Replace the values of columns by NULL."""
        assert self.best is not None
        part = self.best.part
        columns = self.runner.writer.list_plain_columns()

        last = self.runner.budget.used_runs + COLUMN_RUNS

        def still_differs(kept: Sequence[tuple[str, str]]) -> bool:
            if not kept:
                return False  # something of the values is needed, nearly always
            if self.runner.budget.used_runs >= last:
                raise BudgetError
            return self._try(dataclasses.replace(part, nulled=frozenset(columns) - frozenset(kept)))

        minimize(columns, still_differs)

    def _try(self, part: SubSample) -> bool:
        trial = self.runner.find_difference(part)
        if trial is None:
            return False
        self.best = trial
        return True
