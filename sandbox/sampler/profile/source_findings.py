"""What looks broken in the rows of production that a profile reads: asked in the same pass, and few words about it.

`sandbox.scan.scan` asks more, of every table, and of the text within columns.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.sampler.profile.document import round_figure
from sandbox.sources.checks.column_checks import (
    build_basic_question,
    find_column_problems,
    find_range_mismatch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.config.settings import RangeEntry
    from sandbox.manifest.scan import Finding
    from sandbox.sampler.plan.plan import SamplePlan, TableStep, UnitPlan
    from sandbox.sampler.profile.bins import ColumnBins
    from sandbox.sampler.profile.columns import ComparableColumn
    from sandbox.sources.table import SourceTable

WHOLE_TABLE_KINDS = frozenset({"all_null", "constant"})


@dataclass(frozen=True, kw_only=True)
class TableInspection:
    """A look at one table's rows that belong to units of the frame.

    Attributes:
        source: The table.
        ranges: What `sandbox.toml` declares of its columns' values.
        hidden_columns: The columns whose values must not be shown.
        is_narrowed: Whether the frame takes some units only: what all their rows have in common says nothing of the others.
    """

    source: SourceTable
    ranges: Mapping[str, RangeEntry]
    hidden_columns: frozenset[str]
    is_narrowed: bool

    @classmethod
    def from_plan(
        cls, plan: SamplePlan, unit: UnitPlan, step: TableStep, ranges: Mapping[str, RangeEntry]
    ) -> TableInspection:
        """Give the look at a unit table or at one of its children."""
        masks = plan.masks.get(step.table, {})
        return cls(
            source=plan.tables[step.table],
            ranges=ranges,
            hidden_columns=frozenset(
                {name for name, mask in masks.items() if mask.kind != "none"}
                | {one.column for one in plan.personal_columns if one.table == step.table}
            ),
            is_narrowed=unit.where is not None,
        )

    @property
    def newest_write_time(self) -> dt.datetime:
        """When the newest of its files was written, in UTC: the same files must have the same findings on every day."""
        newest = max((file.modified for file in self.source.files), default=0)
        return dt.datetime.fromtimestamp(newest // 10**9, dt.UTC)

    def add_questions(self, columns: Iterable[ComparableColumn]) -> list[ComparableColumn]:
        """Give columns with what is to be asked of them."""
        return [
            replace(
                one,
                question=build_basic_question(
                    one.name,
                    one.type,
                    column=one.raw_name,
                    limits=self._find_limits(one.name),
                    now=self.newest_write_time,
                ),
            )
            for one in columns
        ]

    def collect_findings(self, columns: Iterable[ColumnBins]) -> list[Finding]:
        """Say what their answers mean, and which ranges do not fit; shares to six digits."""
        said = [finding for name in self.ranges for finding in self._find_misfits(name)]
        for one in columns:
            if one.column.question is None:
                continue
            every = "every row" if one.rows == self.source.rows else "every row that belongs to a unit"
            hidden = one.column.name in self.hidden_columns
            said += find_column_problems(
                self.source.name, one.rows, one.column.question, one.answers, hidden=hidden, every=every
            )
        return [
            finding.model_copy(update={"share": None if finding.share is None else round_figure(finding.share)})
            for finding in said
            if not (self.is_narrowed and finding.kind in WHOLE_TABLE_KINDS)
        ]

    def _find_limits(self, column: str) -> RangeEntry | None:
        return None if self._find_misfits(column) else self.ranges.get(column)

    def _find_misfits(self, column: str) -> list[Finding]:
        if column not in self.ranges or column not in self.source.columns:
            return []
        return find_range_mismatch(self.source.name, column, self.source.columns[column], self.ranges[column])
