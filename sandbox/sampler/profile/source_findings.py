"""What looks broken in the rows of production that a profile reads: asked in the same pass, and few words about it.

`sandbox.scan.scan` asks more, of every table, and of the text within columns.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.sampler.profile.document import rounded
from sandbox.sources.checks.column_checks import findings, glance, misfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.config.settings import Range
    from sandbox.manifest.scan import Finding
    from sandbox.sampler.plan.plan import Plan, Step, UnitPlan
    from sandbox.sampler.profile.bins import Binned
    from sandbox.sampler.profile.columns import Compared
    from sandbox.sources.table import SourceTable

OF_ALL = frozenset({"all_null", "constant"})


@dataclass(frozen=True, kw_only=True)
class Look:
    """A look at one table's rows that belong to units of the frame.

    Attributes:
        source: The table.
        ranges: What `sandbox.toml` declares of its columns' values.
        hidden: The columns whose values must not be shown.
        narrowed: Whether the frame takes some units only: what all their rows have in common says nothing of the others.
    """

    source: SourceTable
    ranges: Mapping[str, Range]
    hidden: frozenset[str]
    narrowed: bool

    @classmethod
    def at(cls, plan: Plan, unit: UnitPlan, step: Step, ranges: Mapping[str, Range]) -> Look:
        """Give the look at a unit table or at one of its children."""
        masks = plan.masks.get(step.table, {})
        return cls(
            source=plan.tables[step.table],
            ranges=ranges,
            hidden=frozenset(
                {name for name, mask in masks.items() if mask.kind != "none"}
                | {one.column for one in plan.suspects if one.table == step.table}
            ),
            narrowed=unit.where is not None,
        )

    @property
    def now(self) -> dt.datetime:
        """When the newest of its files was written, in UTC: the same files must have the same findings on every day."""
        newest = max((file.modified for file in self.source.files), default=0)
        return dt.datetime.fromtimestamp(newest // 10**9, dt.UTC)

    def asking(self, columns: Iterable[Compared]) -> list[Compared]:
        """Give columns with what is to be asked of them."""
        return [
            replace(
                one,
                question=glance(
                    one.name, one.type, column=one.raw, limits=self._limits(one.name), now=self.now
                ),
            )
            for one in columns
        ]

    def found(self, columns: Iterable[Binned]) -> list[Finding]:
        """Say what their answers mean, and which ranges do not fit; shares to six digits."""
        said = [finding for name in self.ranges for finding in self._misfits(name)]
        for one in columns:
            if one.column.question is None:
                continue
            every = "every row" if one.rows == self.source.rows else "every row that belongs to a unit"
            hidden = one.column.name in self.hidden
            said += findings(
                self.source.name, one.rows, one.column.question, one.answers, hidden=hidden, every=every
            )
        return [
            finding.model_copy(update={"share": None if finding.share is None else rounded(finding.share)})
            for finding in said
            if not (self.narrowed and finding.kind in OF_ALL)
        ]

    def _limits(self, column: str) -> Range | None:
        return None if self._misfits(column) else self.ranges.get(column)

    def _misfits(self, column: str) -> list[Finding]:
        if column not in self.ranges or column not in self.source.columns:
            return []
        return misfit(self.source.name, column, self.source.columns[column], self.ranges[column])
