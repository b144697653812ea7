"""Write all differing rows of an output to files: added, removed and changed ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.compare.rows.change_counts import render_pair_differs_sql, render_pairs_sql
from sandbox.compare.rows.column_differences import render_differs_sql
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.store.folder import translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sandbox.compare.columns import ComparedColumn, TableShape
    from sandbox.compare.relations import Differences, SideName
    from sandbox.compare.rows.change_counts import ChangeCounts
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session

RowFileFormat = Literal["parquet", "csv"]

CANDIDATE_SUFFIX = "__candidate"
CHANGED_COLUMNS = "changed_columns"
_INEXACT_TYPES = re.compile(r"\b(U?HUGEINT|INTERVAL|BIGNUM|UNION|VARIANT|TIME WITH TIME ZONE|TIME_NS)\b")
"""Types that Parquet files of DuckDB cannot hold exactly: they are written as text."""


@dataclass(frozen=True, kw_only=True)
class RowFileOptions:
    """Where the files of differing rows go: ``folder/<output>/added.parquet``, ``removed``, ``changed``."""

    folder: Path
    format: RowFileFormat = "parquet"


@dataclass(frozen=True, kw_only=True)
class RowFileWriter:
    """Writes the differing rows of one output.

    Attributes:
        session: Holds the tables of the comparison.
        options: Where to write.
        name: The output's name, which is the path below the folder.
        doing: The action for error messages.
    """

    session: Session
    options: RowFileOptions
    name: str
    doing: str

    def write_side(self, side: SideName, shape: TableShape) -> None:
        """Write all rows of a side: the other side has none of them."""
        columns = [
            (name, self._render_value_sql(f"r{position}", type_))
            for position, (name, type_) in enumerate(zip(shape.names, shape.types, strict=True))
        ]
        if shape.rows:
            self._write("removed" if side == "baseline" else "added", columns, str(shape.relation))

    def write_differences(self, plan: ComparisonPlan, differences: Differences, changes: ChangeCounts) -> None:
        """Write the rows that differ; of all columns on both sides."""
        if changes.rows.changed and plan.key:
            self._write_changed_rows(plan, differences, changes)
        if changes.rows.removed:
            self._write_surplus_rows(plan, differences, "baseline")
        if changes.rows.added:
            self._write_surplus_rows(plan, differences, "candidate")

    def _write_changed_rows(self, plan: ComparisonPlan, differences: Differences, changes: ChangeCounts) -> None:
        """Write the key, both values of each column that changed in any row, and the names of the row's changed ones."""
        changed = [column for column in plan.other_columns if changes.columns[column.name].changed]
        names = {column.name.casefold() for column in (*plan.key, *changed)}
        suffix = CANDIDATE_SUFFIX
        while any(name + suffix in names for name in names):
            suffix = f"_{suffix}"
        columns = [(column.name, self._render_column_sql(column, "baseline", "b")) for column in plan.key]
        for column in changed:
            columns.append((column.name, self._render_column_sql(column, "baseline", "b")))
            columns.append((column.name + suffix, self._render_column_sql(column, "candidate", "c")))
        differing = ", ".join(
            f"case when {render_differs_sql(column)} then {quote_literal(column.name)} end" for column in changed
        )
        listed = f"list_filter([{differing}], lambda x: x is not null)"
        is_csv = self.options.format == "csv"
        columns.append((CHANGED_COLUMNS, f"array_to_string({listed}, ', ')" if is_csv else listed))
        self._write("changed", columns, f"{render_pairs_sql(plan, differences)} where {render_pair_differs_sql(plan)}")

    def _write_surplus_rows(self, plan: ComparisonPlan, differences: Differences, side: SideName) -> None:
        """Write the rows that one side has more often, as often as it has them more."""
        columns = [(column.name, self._render_column_sql(column, side, "t")) for column in plan.columns]
        more = "b - c" if side == "baseline" else "c - b"
        rows = (
            f"({plan.render_unpaired_rows_sql(differences.differing[side], differences.surplus, f'{more} > 0')}) t "
            f"join (select d, {more} as more from {differences.surplus} where {more} > 0) l on l.d = t.row_digest "
            "qualify row_number() over (partition by l.d) <= l.more"
        )
        self._write("removed" if side == "baseline" else "added", columns, rows)

    def _write(self, kind: str, columns: Sequence[tuple[str, str]], source: str) -> None:
        folder = self.options.folder.joinpath(*self.name.split("/"))
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        names = _make_distinct(name for name, _ in columns)
        selected = ", ".join(
            f"{sql} as {quote_identifier(name)}" for name, (_, sql) in zip(names, columns, strict=True)
        )
        form = "format parquet, compression zstd" if self.options.format == "parquet" else "format csv, header"
        path = folder / f"{kind}.{self.options.format}"
        self.session.execute(
            f"copy (select {selected} from {source}) to {quote_literal(str(path))} ({form})", doing=self.doing
        )

    def _render_column_sql(self, column: ComparedColumn, side: SideName, row: str) -> str:
        return self._render_value_sql(f"{row}.{column.format_raw_name(side)}", column.select_type(side))

    def _render_value_sql(self, raw: str, type_: str) -> str:
        return f"{raw}::VARCHAR" if _INEXACT_TYPES.search(type_) else raw


def _make_distinct(names: Iterable[str]) -> Sequence[str]:
    """Return names that differ in more than case; a repeated one gets a number.

    >>> _make_distinct(["a", "A", "b"])
    ['a', 'A_2', 'b']
    """
    distinct: dict[str, str] = {}
    for name in names:
        number, unique = 1, name or "column"
        while unique.casefold() in distinct:
            number += 1
            unique = f"{name or 'column'}_{number}"
        distinct[unique.casefold()] = unique
    return list(distinct.values())
