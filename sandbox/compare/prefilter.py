"""Set rows aside that both sides have, before rows are matched by key."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.rows import detail_sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.compare.chunks.aligned_tables import AlignedTables
    from sandbox.compare.columns import ComparedColumn, TableShape
    from sandbox.compare.reading.parquet_reader import ParquetSource
    from sandbox.compare.relations import SideName, SideRows
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session


@dataclass(kw_only=True, eq=False)
class Prefilter:
    """The prefilters of one pair of tables.

    Attributes:
        session: Holds the rows.
        sources: The sides' Parquet files, of sides that have any.
        shapes: The tables.
        rows: All rows of both sides.
        columns: What is compared.
        memory: Bytes that this process may take.
        doing: What a failure is the failure of.
    """

    session: Session
    sources: Mapping[SideName, ParquetSource]
    shapes: dict[SideName, TableShape]
    rows: SideRows
    columns: tuple[ComparedColumn, ...]
    memory: int
    doing: str

    def exclude_equal_rows(self, plan: ComparisonPlan) -> SideRows:
        """Return the rows that may differ; all rows where there are few, or where hardly any could be set aside."""
        if plan.one_in == 1 or max(rows.rows for rows in self.rows.values()) < detail_sample.MAX_SAMPLE_ROWS:
            return self.rows
        from sandbox.compare.rows import hash_prefilter  # noqa: PLC0415 - numpy is slow to import

        return (
            self._exclude_unchanged_rows(plan)
            or hash_prefilter.exclude_equal_rows(self.session, plan, self.rows, memory=self.memory, doing=self.doing)
            or self.rows
        )

    def _exclude_unchanged_rows(self, plan: ComparisonPlan) -> SideRows | None:
        if self._aligned_tables is None:
            return None
        from sandbox.compare.chunks.chunk_prefilter import exclude_unchanged_rows  # noqa: PLC0415 - see `exclude_equal_rows`

        return exclude_unchanged_rows(
            self.session, plan, self.rows, self._aligned_tables, memory=self.memory, doing=self.doing
        )

    @functools.cached_property
    def _aligned_tables(self) -> AlignedTables | None:
        from sandbox.compare.chunks.aligned_tables import align_tables  # noqa: PLC0415 - see `exclude_equal_rows`

        try:
            return align_tables(self.sources, self.shapes, self.columns)
        except OSError:  # the comparison by hashes reads the file again, and says what is wrong with it
            return None
