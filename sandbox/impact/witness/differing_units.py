"""Find the units whose rows differ in an output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import PipelineError
from sandbox.tables.table_opening import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.compare import OutputRules
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import TableFiles
    from sandbox.sampler.sub_sample import UnitKey


def find_unit_columns(
    rules: OutputRules, units: Mapping[str, tuple[str, ...]], columns: Sequence[str]
) -> tuple[str, tuple[str, ...]] | None:
    """Return the unit table of an output's rows and the output's columns with its key; None if there are none."""
    for table, key in units.items():
        wanted = rules.unit_key if rules.unit_key is not None and len(rules.unit_key) == len(key) else key
        if wanted and all(name in columns for name in wanted):
            return table, tuple(wanted)
    return None


def list_differing_units(
    baseline: TableFiles | None, output: OutputDiff, rows: Path, columns: Sequence[str]
) -> list[UnitKey]:
    """Return the units of added, removed and changed rows, as text.

    Args:
        baseline: The baseline's output; it has the units of changed rows.
        output: The comparison.
        rows: The folder of the differing rows, as Parquet.
        columns: The output's columns with the key of a unit.
    """
    with Session(failure=PipelineError) as session:
        queries = list(_render_queries(session, baseline, output, rows, columns))
        if not queries:
            return []
        whole = " and ".join(f"u{number} is not null" for number in range(len(columns)))
        found = session.fetch_rows(f"select distinct * from ({' union all '.join(queries)}) where {whole} order by all")
    return [tuple(map(str, row)) for row in found]


def _render_queries(
    session: Session, baseline: TableFiles | None, output: OutputDiff, rows: Path, columns: Sequence[str]
) -> Iterator[str]:
    for kind in ("added", "removed"):
        path = rows / f"{kind}.parquet"
        if path.is_file():
            yield f"select {_render_texts(columns, 't')} from {build_parquet_reader([path])} t"
    path = rows / "changed.parquet"
    if path.is_file() and baseline is not None:
        source = open_table(session, baseline, "the baseline's output", doing="reading the baseline's output")
        on = " and ".join(f"t.{quote_identifier(name)} = c.{quote_identifier(name)}" for name in output.key.columns)
        yield (
            f"select {_render_texts(columns, 't')} from (select * from {source}) t "
            f"join {build_parquet_reader([path])} c on {on}"
        )


def _render_texts(columns: Sequence[str], row: str) -> str:
    return ", ".join(f"{row}.{quote_identifier(name)}::varchar as u{number}" for number, name in enumerate(columns))
