"""The columns of the unit table, beside the rows of an output that belong to its units.

A change often follows a property of the unit that the output does not hold: all customers of one country. So where an
output names its units, slices are sought among their own columns too, as the sample holds them: masked where they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.compare.columns import ComparedColumn
from sandbox.compare.relations import UnitColumnValues, create_table
from sandbox.compare.rows import sample_columns
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.compare.units.sampled_units import OutputUnits
    from sandbox.engine.duckdb.session import Session


@dataclass(frozen=True, kw_only=True)
class UnitColumns:
    """The columns of units, named ``table.column``, and where their values are."""

    values: UnitColumnValues
    units: OutputUnits
    columns: tuple[ComparedColumn, ...]

    def render_joined_sql(self, query: str) -> str:
        """Render the rows of a query that has the units' keys, with the columns of their units."""
        names = ", ".join(self.units.key_names)
        given = "".join(f", d.{sample_columns.format_sample_name(column)}" for column in self.columns)
        return f"select t.* exclude ({names}){given} from ({query}) t left join {self.values} d on {self.units.join_condition}"


def create_unit_columns_table(
    session: Session, units: OutputUnits | None, others: Sequence[ComparedColumn], *, doing: str
) -> UnitColumns | None:
    """Store the columns of the units; None where the rows' units cannot be told, or have no columns that can be looked at.

    Args:
        session: Of the comparison.
        units: What names the unit of a row, if anything does.
        others: Columns of the output; of these names the unit's are left out.
        doing: What a failure is the failure of.
    """
    if units is None or units.find_problem() is not None:
        return None
    drawn, known = units.draw, {column.name for column in others}
    first = 1 + max(column.baseline for column in others)
    columns = [
        ComparedColumn(name=name, baseline=first + place, candidate=-1, types=(type_, type_), common=type_)
        for place, (name, type_) in enumerate(drawn.columns.items())
        if name not in known and name not in drawn.key
    ]
    columns = [column for column in columns if sample_columns.is_countable(column)][: sample_columns.MAX_SAMPLE_COLUMNS]
    if not columns or not drawn.files:
        return None
    keys = ", ".join(f"{quote_identifier(key)} as {name}" for key, name in zip(drawn.key, units.key_names, strict=True))
    values = ", ".join(
        f"{sample_columns.render_cut_sql(column, quote_identifier(column.name))} as {sample_columns.format_sample_name(column)}"
        for column in columns
    )
    relation = create_table(
        session,
        UnitColumnValues(name="unit_columns"),
        f"select distinct on ({', '.join(units.key_names)}) {keys}, {values} from {build_parquet_reader(drawn.files)}",
        doing=doing,
    )
    return UnitColumns(
        values=relation,
        units=units,
        columns=tuple(replace(column, name=f"{drawn.table}.{column.name}") for column in columns),
    )
