"""Build the sampling frame of a unit table in a session: membership, stratum and selection of rows.

Counting and drawing share it. `prepare_frame` creates the tables joined by the sampling rule. Queries then apply to any
rows of the unit table: a file of the source, a range of one, or a table of the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule import sampling_rule
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.sampler.plan.strata.strata_labels import build_session_name, create_strata_table, prepare_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import UnitPlan
    from sandbox.sources.table import SourceTable

FRAME_ROWS_CTE = "rows of the frame"


@dataclass(frozen=True, kw_only=True)
class SamplingFrame:
    """The frame of one unit table in a session.

    Attributes:
        draw: Input of the sampling rule.
        where: The frame's condition; None for every row.
        strata: The session's table of strata: ``index``, ``threshold``, ``population``.
        stratum: The column with a row's stratum, an INTEGER index into the unit's strata.
        unit: The column with the BIGINT that represents a row's key.
    """

    draw: sampling_rule.Draw
    where: str | None
    strata: str
    stratum: str
    unit: str

    def build_sample_query(self, rows: str, columns: Mapping[str, str]) -> str:
        """Build the SQL of the selected rows of a relation.

        Args:
            rows: A table or view of the session with at least the unit table's columns.
            columns: All its columns and DuckDB's names of their types.

        Returns:
            A SELECT of all those columns in order, then `stratum` and `unit`.
        """
        return add_filter(
            rows,
            self.where,
            sampling_rule.build_selection_query(choose_relation(rows, self.where), columns, self.draw),
        )

    def build_frame_query(self, rows: str, columns: Mapping[str, str]) -> str:
        """Build the SQL of the rows of a relation in the frame, selected or not (see `build_sample_query`)."""
        return add_filter(
            rows,
            self.where,
            sampling_rule.build_frame_query(choose_relation(rows, self.where), columns, self.draw),
        )


def prepare_frame(session: Session, tables: Mapping[str, SourceTable], unit: UnitPlan) -> SamplingFrame:
    """Create the session's tables for a unit table's draw, and return its frame.

    Raises:
        DataRuleError: A row with strata columns of another table is ambiguous.
        SourceError: A table with strata columns cannot be read.
    """
    table = tables[unit.table]
    labels = prepare_labels(session, tables, unit.table, unit.columns)
    strata = build_session_name("strata", unit.table)
    create_strata_table(session, strata, unit)
    stratum = choose_unused_name("stratum", table.columns)
    number = choose_unused_name("unit number", table.columns)
    draw = sampling_rule.Draw(
        key=unit.key,
        coefficients=unit.coefficients,
        labels=labels,
        strata_table=strata,
        highest_threshold=max(stratum.threshold for stratum in unit.strata),
        stratum_column=stratum,
        unit_column=number,
    )
    return SamplingFrame(draw=draw, where=unit.where, strata=strata, stratum=stratum, unit=number)


def choose_relation(rows: str, where: str | None) -> str:
    """Return the name of the relation for the SELECT of `add_filter`."""
    return rows if where is None else FRAME_ROWS_CTE


def add_filter(rows: str, where: str | None, select: str) -> str:
    """Restrict a SELECT from `choose_relation`'s relation to the rows of ``rows`` that satisfy a condition."""
    if where is None:
        return select
    return f"with {quote_identifier(FRAME_ROWS_CTE)} as (select * from {quote_identifier(rows)} where {where}) select * from ({select})"
