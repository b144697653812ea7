"""Sums of an output's numbers by the cells of its key."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.reading import table_reader
from sandbox.compare.sql_types import FLOAT_TYPES, has_exact_sums, is_numeric
from sandbox.engine.duckdb.session import Session
from sandbox.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.model import TableFiles

MAX_CELLS = 10_000
"""Cells of an output whose sums are compared."""

ADDITION_TOLERANCES = {"FLOAT": 1e-4, "DOUBLE": 1e-9}
"""How far floating point sums of the same numbers may lie apart, relative to the sum of absolute values."""

CellKey = tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class CellTotals:
    """The sums of numeric columns in each cell.

    Attributes:
        types: The numeric columns, with the query engine's names of their types.
        sums: A cell to one sum for each of these columns.
    """

    types: Mapping[str, str]
    sums: Mapping[CellKey, Sequence[float]]

    def get_sum(self, cell: CellKey, column: str) -> float:
        """Return a sum; 0 for a cell that is not there."""
        row = self.sums.get(cell)
        return 0.0 if row is None else row[list(self.types).index(column)]


def read_cell_totals(table: TableFiles, key: Sequence[str], *, memory: int) -> CellTotals | None:
    """Read the sums of all numeric columns outside the key; None for more than `MAX_CELLS` cells.

    Raises:
        PipelineError: The table cannot be read, or has no such key.
    """
    with Session(memory=memory, failure=PipelineError) as session:
        shape = table_reader.TableReader(session, PipelineError).open("baseline", table)
        names = {name: f"r{place}" for place, name in enumerate(shape.names)}
        missing = [name for name in key if name not in names]
        if missing:
            raise PipelineError(f"{table.name} has no column {missing[0]}")
        types = {
            name: type_
            for name, type_ in zip(shape.names, shape.types, strict=True)
            if name not in key and is_numeric(type_)
        }
        cells = [f"{names[name]}::varchar" for name in key]
        sums = [
            f"coalesce(sum({names[name]})::double, 0)"
            if has_exact_sums(type_)
            else f"coalesce(fsum({names[name]}::double), 0)"
            for name, type_ in types.items()
        ]
        group = f" group by {', '.join(str(place + 1) for place in range(len(key)))}" if key else ""
        rows = session.fetch_rows(
            f"select {', '.join([*cells, *sums]) or '1'} from raw_baseline{group} limit {MAX_CELLS + 1}",
            doing=f"adding up {table.name}",
        )
    if len(rows) > MAX_CELLS:
        return None
    return CellTotals(types=types, sums={tuple(row[: len(key)]): [float(x) for x in row[len(key) :]] for row in rows})


def count_unequal_cells(column: str, whole: CellTotals, parts: Iterable[tuple[float, CellTotals]]) -> tuple[int, int]:
    """Count the cells whose sum is not the sum of the parts, each times a factor; and all cells."""
    listed = list(parts)
    cells = set(whole.sums).union(*(part.sums for _, part in listed))
    type_ = whole.types.get(column, "DOUBLE")
    tolerance = ADDITION_TOLERANCES.get(type_, ADDITION_TOLERANCES["DOUBLE"] if type_ in FLOAT_TYPES else 1e-12)
    unequal = 0
    for cell in cells:
        terms = [factor * part.get_sum(cell, column) if column in part.types else 0.0 for factor, part in listed]
        truth = whole.get_sum(cell, column)
        size = math.fsum(abs(term) for term in terms) + abs(truth)
        difference = abs(math.fsum(terms) - truth)
        unequal += not difference <= tolerance * size  # NaN is unequal
    return unequal, len(cells)
