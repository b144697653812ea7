"""The sampling frame of one unit table in a session: which of its rows are in it, in which stratum, and selected.

What counting and drawing share. `prepare_frame` makes the tables that the sampling rule joins with; the rest is SQL over
whatever rows of the unit table it is given: a file of the source, a range of one, or a table of the session.
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
    """The frame of one unit table, ready in a session.

    Attributes:
        draw: What the rule goes by.
        where: The condition that narrows the frame; None takes every row.
        strata: The name of the session's table of strata: ``index``, ``threshold``, ``population``.
        stratum: The name of the column with a row's stratum, an INTEGER index into the unit's strata.
        unit: The name of the column with the integer, a BIGINT, that stands for a row's key.
    """

    draw: sampling_rule.Draw
    where: str | None
    strata: str
    stratum: str
    unit: str

    def build_sample_query(self, rows: str, columns: Mapping[str, str]) -> str:
        """Give the SQL of the selected rows of a relation.

        Args:
            rows: Its name: a table or view of the session that has the unit table's columns, and perhaps more.
            columns: All its columns and the engine's names of their types.

        Returns:
            A SELECT of all those columns in order, then `stratum` and `unit`.
        """
        return add_filter(
            rows,
            self.where,
            sampling_rule.build_selection_query(choose_relation(rows, self.where), columns, self.draw),
        )

    def build_frame_query(self, rows: str, columns: Mapping[str, str]) -> str:
        """Give the SQL of the rows of a relation that are in the frame, selected or not (see `build_sample_query`)."""
        return add_filter(
            rows,
            self.where,
            sampling_rule.build_frame_query(choose_relation(rows, self.where), columns, self.draw),
        )


def prepare_frame(session: Session, tables: Mapping[str, SourceTable], unit: UnitPlan) -> SamplingFrame:
    """Put what the draw of a unit table needs into a session, and give its frame.

    Args:
        session: The engine.
        tables: The tables of the source, by name.
        unit: The draw.

    Raises:
        RuleError: A row that strata columns are taken from cannot be told from another.
        SourceError: A table that strata columns are taken from cannot be read.
    """
    table = tables[unit.table]
    found = prepare_labels(session, tables, unit.table, unit.columns)
    strata = build_session_name("strata", unit.table)
    create_strata_table(session, strata, unit)
    stratum = choose_unused_name("stratum", table.columns)
    number = choose_unused_name("unit number", table.columns)
    draw = sampling_rule.Draw(
        key=unit.key,
        coefficients=unit.coefficients,
        labels=found,
        strata_table=strata,
        highest_threshold=max(stratum.threshold for stratum in unit.strata),
        stratum_column=stratum,
        unit_column=number,
    )
    return SamplingFrame(draw=draw, where=unit.where, strata=strata, stratum=stratum, unit=number)


def choose_relation(rows: str, where: str | None) -> str:
    """Give the name of the relation that a SELECT for `add_filter` reads."""
    return rows if where is None else FRAME_ROWS_CTE


def add_filter(rows: str, where: str | None, select: str) -> str:
    """Give a SELECT over the rows of a relation for which a condition holds.

    Args:
        rows: The relation's name.
        where: The condition; None takes every row.
        select: It reads what `choose_relation` gives.
    """
    if where is None:
        return select
    return f"with {quote_identifier(FRAME_ROWS_CTE)} as (select * from {quote_identifier(rows)} where {where}) select * from ({select})"
