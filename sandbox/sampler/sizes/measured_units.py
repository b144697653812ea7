"""Measure the units of a finished draw: the population's moments, and each sampled unit's sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sampler.sizes.recorded_sizes import create_sizes_table, describe_sizes, list_row_sizes
from sandbox.sampler.sizes.size_columns import list_recorded_sizes
from sandbox.sources.checks.key_check import has_checked_key
from sandbox.sources.registry import build_select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Settings
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.sample import SizeRecord
    from sandbox.model import Progress
    from sandbox.sampler.plan.frame import SamplingFrame
    from sandbox.sampler.plan.plan import SamplePlan, UnitPlan
    from sandbox.sampler.sizes.unit_totals import SizeColumn
    from sandbox.sources.table import SourceTable

UNIT_ROWS_VIEW = "rows of the measured units"


@dataclass(frozen=True, kw_only=True)
class MeasuredUnits:
    """The units of one unit table with their sizes.

    Attributes:
        relation: A table of the session, see `sandbox.sampler.sizes.recorded_sizes.create_sizes_table`.
        records: The sizes, by which its columns are named.
    """

    relation: str
    records: Sequence[SizeRecord]


def measure_units(
    session: Session,
    plan: SamplePlan,
    frames: Mapping[str, SamplingFrame],
    drawn: Mapping[str, str],
    settings: Settings,
    *,
    whole: bool,
    progress: Progress,
) -> dict[str, MeasuredUnits]:
    """Measure the units of each unit table that has sizes to record.

    Args:
        session: The query engine of the draw.
        plan: Its plan.
        frames: The frame of each unit table.
        drawn: Unit table -> SQL for the FROM clause: its drawn rows, with their unmasked key.
        settings: The settings.
        whole: Whether tables of any size are read.
        progress: Shows a step for each unit table.
    """
    measured = {}
    for name, unit in plan.units.items():
        sizes = list_recorded_sizes(settings, plan.tables, plan.steps, plan.masks, name, whole=whole)
        if not sizes:
            continue
        with progress.step(f"measuring the units of {name}"):
            sizes.sort(key=lambda size: size.table)
            table, is_unique = plan.tables[name], has_checked_key(settings, plan.tables[name], unit.key)
            units = build_units_query(
                session,
                table,
                unit,
                frames[name],
                drawn=drawn[name],
                values=list_row_sizes(sizes, is_unique),
                is_unique=is_unique,
            )
            relation = create_sizes_table(session, plan.tables, name, unit.key, units, sizes, is_unique=is_unique)
            records = describe_sizes(session, relation, sizes, len(unit.strata))
        measured[name] = MeasuredUnits(relation=relation, records=records)
    return measured


def build_units_query(
    session: Session,
    table: SourceTable,
    unit: UnitPlan,
    frame: SamplingFrame,
    *,
    drawn: str | None = None,
    values: Sequence[SizeColumn] = (),
    is_unique: bool = False,
) -> str:
    """Build the SELECT of the frame's units: ``key_0``, …, ``stratum``, whether the unit was drawn, and ``x_0``, ….

    Args:
        session: The query engine.
        table: The unit table.
        unit: Its draw.
        frame: Its frame in the session.
        drawn: SQL for the FROM clause: the drawn rows, with their unmasked key. None for no drawn unit.
        values: Sizes that are values of the unit's only row (``x_0``, …).
        is_unique: Whether the key is known to be unique.
    """
    needed = dict.fromkeys([*unit.needed_columns, *(size.column for size in values if size.column is not None)])
    used = {column: table.columns[column] for column in needed}
    chosen = ", ".join(quote_identifier(column) for column in used)
    session.execute(
        f"create or replace temp view {quote_identifier(UNIT_ROWS_VIEW)} as select {chosen} from ({build_select(table)})"
    )
    rows = frame.build_frame_query(UNIT_ROWS_VIEW, used)
    keys = [(quote_identifier(column), f"key_{index}") for index, column in enumerate(unit.key)]
    named = ", ".join(f"f.{column} as {key}" for column, key in keys)
    distinct = "" if is_unique else "distinct "
    totals = "".join(f", {size.build_total_of_row('f')} as x_{index}" for index, size in enumerate(values))
    select = f"select {distinct}{named}, f.{quote_identifier(frame.stratum)} as stratum"
    if drawn is None:
        return f"{select}, false as drawn{totals} from ({rows}) f"
    same = " and ".join(f"d.{column} = f.{column}" for column, _ in keys)
    columns = ", ".join(column for column, _ in keys)
    return f"{select}, d.{keys[0][0]} is not null as drawn{totals} from ({rows}) f left join (select distinct {columns} from {drawn}) d on {same}"
