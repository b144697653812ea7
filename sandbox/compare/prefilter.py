"""Set rows aside that both sides have, before rows are matched by key."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.rows import detail_sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.compare.chunks.aligned_tables import AlignedTables
    from sandbox.compare.columns import ComparedColumn, SideName, TableShape
    from sandbox.compare.reading.parquet_reader import ParquetSource
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session

PrefilteredRows = tuple["ComparisonPlan", "dict[SideName, TableShape]"]


@dataclass(kw_only=True, eq=False)
class Prefilter:
    """The prefilters of one pair of tables.

    Attributes:
        session: Holds ``all_<side>``.
        sources: The sides' Parquet files, of sides that have any.
        shapes: What the sides are like.
        columns: What is compared.
        memory: Bytes that this process may take.
        doing: What a failure is the failure of.
    """

    session: Session
    sources: Mapping[SideName, ParquetSource]
    shapes: dict[SideName, TableShape]
    columns: tuple[ComparedColumn, ...]
    memory: int
    doing: str

    def exclude_equal_rows(self, plan: ComparisonPlan) -> PrefilteredRows:
        """Return the plan for the rows that may differ, and what is left of the sides.

        Both are as they were where there are few rows, or where hardly any could be set aside.
        """
        if plan.one_in == 1 or max(shape.rows for shape in self.shapes.values()) < detail_sample.MAX_SAMPLE_ROWS:
            return plan, self.shapes
        from sandbox.compare.rows import hash_prefilter  # noqa: PLC0415 - numpy is slow to import

        return (
            self._exclude_unchanged_rows(plan)
            or hash_prefilter.exclude_equal_rows(self.session, plan, self.shapes, memory=self.memory, doing=self.doing)
            or (plan, self.shapes)
        )

    def _exclude_unchanged_rows(self, plan: ComparisonPlan) -> PrefilteredRows | None:
        if self._aligned_tables is None:
            return None
        from sandbox.compare.chunks.chunk_prefilter import exclude_unchanged_rows  # noqa: PLC0415 - see `exclude_equal_rows`

        return exclude_unchanged_rows(
            self.session, plan, self.shapes, self._aligned_tables, memory=self.memory, doing=self.doing
        )

    @functools.cached_property
    def _aligned_tables(self) -> AlignedTables | None:
        from sandbox.compare.chunks.aligned_tables import align_tables  # noqa: PLC0415 - see `exclude_equal_rows`

        try:
            return align_tables(self.sources, self.shapes, self.columns)
        except OSError:  # the comparison by hashes reads the file again, and says what is wrong with it
            return None
