"""Check whether a unit's rows are the same when other units are gone, or are more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.columns import match_columns
from sandbox.compare.reading import table_reader
from sandbox.compare.relations import SIDES, Relation, create_table
from sandbox.compare.rules import OutputRules, Tolerance
from sandbox.compare.tables import compare_tables
from sandbox.compare.units import unit_key as unit_keys
from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.errors import PipelineError
from sandbox.formatting import format_count
from sandbox.model import SilentProgress, TableFiles
from sandbox.scratch import make_scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.compare.relations import SideName
    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.manifest.diff import OutputDiff

ROUNDING_TOLERANCES = {"FLOAT": Tolerance(rel=1e-4), "DOUBLE": Tolerance(rel=1e-9)}
"""How far sums of the same numbers in another order may lie apart."""

_MAX_NAMED_COLUMNS = 3


@dataclass(frozen=True, kw_only=True)
class SeparabilityInput:
    """One output that is to be looked at.

    Attributes:
        whole, half: What the code made of the whole sample, and of the half-sample.
        half_name: What messages call the half-sample.
        draw: The draw of the unit table.
        half_units_sql: SQL that gives the keys of the half's units, copies aside, in the order of the draw's key.
        rules: What is declared about the output, with its nondeterministic columns.
        key: The columns by which its rows were told apart.
    """

    whole: TableFiles
    half: TableFiles
    half_name: str
    draw: UnitTableDraw
    half_units_sql: str
    rules: OutputRules
    key: tuple[str, ...]


def find_separability_problem(question: SeparabilityInput, *, memory: int) -> str | None:
    """Describe why an output's rows cannot be scaled up: those of the half's units differ on the half.

    Differences within the tolerances, or within rounding of floating point numbers, and nondeterministic columns do not count.

    Returns:
        The reason; None where the rows are the same.

    Raises:
        PipelineError: An output cannot be read.
    """
    with make_scratch_folder("half") as folder:
        cut = _write_half_rows(question, folder, memory)
        if isinstance(cut, str):
            return cut
        rules, names = cut
        whole, half = (
            {"rows": TableFiles(name="rows", format="parquet", paths=(folder / f"{side}.parquet",))} for side in SIDES
        )
        found = compare_tables(
            whole,
            half,
            rules={"rows": rules},
            units={},
            identical=(),
            memory=memory,
            threads=None,
            progress=SilentProgress(),
            details=False,
        )["rows"]
    if found.rows.different <= found.rows.noise:
        return None
    return _explain_dependence(question, found, names)


def _write_half_rows(question: SeparabilityInput, folder: Path, memory: int) -> tuple[OutputRules, list[str]] | str:
    """Write the rows of the half's units, of both runs, with columns that are named by their place.

    Returns:
        The rules in these names, and the columns' own names; or why that cannot be done.
    """
    draw = question.draw
    with Session(memory=memory, failure=PipelineError) as session:
        reader = table_reader.TableReader(session, PipelineError)
        tables: dict[SideName, TableFiles] = {"baseline": question.whole, "candidate": question.half}
        shapes = {side: reader.open(side, tables[side]) for side in SIDES}
        found = match_columns(shapes["baseline"].names, shapes["candidate"].names, OutputRules())
        columns = table_reader.build_compared_columns(session, shapes, found, OutputRules(), PipelineError)
        own = unit_keys.find_output_units(question.rules, {draw.table: draw.key}, {draw.table: draw}, columns)
        if own is None:
            return unit_keys.NO_UNIT_REASON
        names = ", ".join(own.key_names)
        half_units = create_table(
            session, Relation(name="half_units"), f"select * from ({question.half_units_sql}) as k({names})"
        )
        if not session.fetch_rows(f"select 1 from {half_units} limit 1"):
            return f"the sample has too few {question.draw.table} to see whether they depend on each other"
        for side in SIDES:
            chosen = ", ".join(f"{column.format_raw_name(side)} as c{column.baseline}" for column in columns)
            doing = table_reader.describe_read_failure(side, tables[side])
            shown = f"(select *, {own.render_key_columns_sql(side)} from {shapes[side].relation})"
            rows = f"{shown} t semi join {half_units} d on {own.join_condition}"
            alone = set(found.removed if side == "baseline" else found.added) - question.rules.ignore
            filled = [
                name
                for place, name in enumerate(shapes[side].names)
                if name in alone and _has_values(session, f"r{place}", rows, doing=doing)
            ]
            if filled:
                without = question.half_name if side == "baseline" else "the whole sample"
                return f"it has no column {filled[0]} on {without}"
            session.execute(
                f"copy (select {chosen} from {rows}) to {quote_literal(str(folder / f'{side}.parquet'))} (format parquet)",
                doing=doing,
            )
    places = {column.name: f"c{column.baseline}" for column in columns}
    return _rename_columns(question.rules, question.key, places), [column.name for column in columns]


def _has_values(session: Session, column: str, rows: str, *, doing: str) -> bool:
    """Return whether a column that one side lacks has a value, apart from zeros: a pivot may make it of other units."""
    zero = f"coalesce(try_cast({column} as DOUBLE) = 0, false) or {column}::VARCHAR in ('', 'false')"
    return bool(
        session.fetch_rows(f"select 1 from {rows} where {column} is not null and not ({zero}) limit 1", doing=doing)
    )


def _rename_columns(rules: OutputRules, key: tuple[str, ...], places: Mapping[str, str]) -> OutputRules:
    """Return the rules of columns that are named by their place."""
    return OutputRules(
        key=tuple(places[name] for name in key if name in places) or None,
        ignore=frozenset(places[name] for name in rules.ignore if name in places),
        nondeterministic=frozenset(places[name] for name in rules.nondeterministic if name in places),
        tolerance={places[name]: one for name, one in rules.tolerance.items() if name in places},
        type_tolerance=ROUNDING_TOLERANCES | dict(rules.type_tolerance),
    )


def _explain_dependence(question: SeparabilityInput, found: OutputDiff, names: list[str]) -> str:
    changed = sorted(
        (place for place, column in found.columns.items() if column.changed),
        key=lambda place: -found.columns[place].changed,
    )
    where = [names[int(place[1:])] for place in changed if int(place[1:]) < len(names)]
    shown = ", ".join(where[:_MAX_NAMED_COLUMNS]) + (
        f" and {len(where) - _MAX_NAMED_COLUMNS} more" if len(where) > _MAX_NAMED_COLUMNS else ""
    )
    rows = found.rows.baseline + found.rows.added  # every differing row is one of these
    return (
        f"its rows of {question.draw.table} depend on other {question.draw.table}: on {question.half_name}, "
        f"{found.rows.different - found.rows.noise:,} of {format_count(rows, 'row')} of the same "
        f"{question.draw.table} differ{f' (in {shown})' if shown else ''}"
    )
