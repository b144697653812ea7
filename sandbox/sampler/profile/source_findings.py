"""Find data problems in the production rows of a profile, in the same pass.

`sandbox.scan.scan` checks every table, and the contents of texts too.
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
from sandbox.sources.checks.personal_columns import list_hidden_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.config.sections.sample import RangeEntry
    from sandbox.manifest.scan import Finding
    from sandbox.sampler.plan.plan import SamplePlan, TableStep, UnitPlan
    from sandbox.sampler.profile.bins import ColumnBins
    from sandbox.sampler.profile.columns import ComparableColumn
    from sandbox.sources.table import SourceTable

WHOLE_TABLE_KINDS = frozenset({"all_null", "constant"})


@dataclass(frozen=True, kw_only=True)
class TableInspection:
    """An inspection of one table's rows in the frame.

    Attributes:
        source: The table.
        ranges: Declared ranges of its columns.
        hidden_columns: The columns whose values must not be shown.
        is_narrowed: Whether the frame has a condition; its rows then say nothing about the whole table.
    """

    source: SourceTable
    ranges: Mapping[str, RangeEntry]
    hidden_columns: frozenset[str]
    is_narrowed: bool

    @classmethod
    def from_plan(
        cls, plan: SamplePlan, unit: UnitPlan, step: TableStep, ranges: Mapping[str, RangeEntry]
    ) -> TableInspection:
        """Build the inspection of a unit table or one of its children."""
        hidden = list_hidden_columns(plan.masks, plan.personal_columns)
        return cls(
            source=plan.tables[step.table],
            ranges=ranges,
            hidden_columns=hidden.get(step.table, frozenset()),
            is_narrowed=unit.where is not None,
        )

    @property
    def newest_write_time(self) -> dt.datetime:
        """Newest modification time of its files, in UTC, so that findings depend on the files alone."""
        newest = max((file.modified for file in self.source.files), default=0)
        return dt.datetime.fromtimestamp(newest // 10**9, dt.UTC)

    def add_questions(self, columns: Iterable[ComparableColumn]) -> list[ComparableColumn]:
        """Return columns with their questions."""
        return [
            replace(
                column,
                question=build_basic_question(
                    column.name,
                    column.type,
                    column=column.raw_name,
                    limits=self._find_limits(column.name),
                    now=self.newest_write_time,
                ),
            )
            for column in columns
        ]

    def collect_findings(self, columns: Iterable[ColumnBins]) -> list[Finding]:
        """Return the findings from the answers and the unsuitable ranges, with shares rounded to six digits."""
        findings = [finding for name in self.ranges for finding in self._find_misfits(name)]
        for column in columns:
            if column.column.question is None:
                continue
            every = "every row" if column.rows == self.source.rows else "every row that belongs to a unit"
            hidden = column.column.name in self.hidden_columns
            findings += find_column_problems(
                self.source.name, column.rows, column.column.question, column.answers, hidden=hidden, every=every
            )
        return [
            finding.model_copy(update={"share": None if finding.share is None else round_figure(finding.share)})
            for finding in findings
            if not (self.is_narrowed and finding.kind in WHOLE_TABLE_KINDS)
        ]

    def _find_limits(self, column: str) -> RangeEntry | None:
        return None if self._find_misfits(column) else self.ranges.get(column)

    def _find_misfits(self, column: str) -> list[Finding]:
        if column not in self.ranges or column not in self.source.columns:
            return []
        return find_range_mismatch(self.source.name, column, self.source.columns[column], self.ranges[column])
