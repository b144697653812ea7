"""Name the rows of an output by their key, and find the units they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sandbox.compare import OutputRules
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import StoreError
from sandbox.impact.compare_outputs import build_comparison_options
from sandbox.impact.witness.differing_units import find_unit_columns, list_differing_units

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    from sandbox.impact.diff import Comparison
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import TableFiles


@dataclass(frozen=True)
class RowNamer:
    """Names rows of one output by the columns of ``key``, as text.

    Attributes:
        comparison: The comparison on the whole sample.
        name: The output.
        columns: Its columns.
    """

    comparison: Comparison
    name: str
    columns: Sequence[str]

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The key of the rows, else the key of their units; empty if there is neither."""
        output = self.comparison.findings.outputs[self.name]
        if output.key.columns:
            return tuple(output.key.columns)
        return self._unit_columns[1] if self._unit_columns else ()

    @cached_property
    def _unit_columns(self) -> tuple[str, tuple[str, ...]] | None:
        ground = self.comparison.candidate.context
        terms = build_comparison_options(ground.project, ground.sample.manifest)
        return find_unit_columns(terms.rules.get(self.name, OutputRules()), terms.units, self.columns)

    def read_names(self, baseline: TableFiles | None, output: OutputDiff, rows: Path) -> set[Hashable]:
        """Return the names of the rows written to a folder."""
        return set(list_differing_units(baseline, output, rows, self.key))

    def count_units(self, rows: Sequence[Hashable]) -> tuple[int, float] | None:
        """Return the number of units of named rows, and the sum of their weights.

        None if the key of the rows does not contain the key of a unit.
        """
        found = self._unit_columns
        if found is None or not set(found[1]) <= set(self.key):
            return None
        positions = [self.key.index(column) for column in found[1]]
        units = {tuple(row[position] for position in positions) for row in rows}  # type: ignore[index]
        weights = self._read_weights(found[0])
        return len(units), round(sum(weights.get(unit, 0.0) for unit in units), 1)

    def _read_weights(self, unit_table: str) -> dict[tuple[str, ...], float]:
        sample = self.comparison.candidate.context.sample
        path = sample.sample.path / sample.manifest.weights[unit_table].path
        names = ", ".join(f"{quote_identifier(name)}::varchar" for name in sample.manifest.units[unit_table].key)
        with Session(failure=StoreError) as session:
            rows = session.fetch_rows(f"select {names}, weight from {build_parquet_reader([path])}")
        return {tuple(row[:-1]): float(row[-1]) for row in rows}
