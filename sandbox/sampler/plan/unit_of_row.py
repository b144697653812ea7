"""Find the number of a row's unit, also for rows not drawn with it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule import sampling_rule
from sandbox.sampler.plan.frame import FRAME_ROWS_CTE, add_filter
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sampler.plan.frame import SamplingFrame
    from sandbox.sampler.plan.plan import SamplePlan, TableStep
    from sandbox.sources.projection import SourceProjection


def build_numbering_query(
    frame: SamplingFrame, rows: str, columns: Mapping[str, str], *, where: str | None = None
) -> str:
    """Build the SQL of a unit table's rows without NULL in the key, with unit number and without stratum.

    ``rows`` names a relation with ``columns``, the key among them; ``where`` is a condition on it.
    """
    plain = dataclasses.replace(frame.draw, labels=())
    return add_filter(
        rows,
        where,
        sampling_rule.build_frame_query(rows if where is None else FRAME_ROWS_CTE, columns, plain),
    )


def build_unit_query(
    plan: SamplePlan,
    frames: Mapping[str, SamplingFrame],
    source: SourceProjection,
    step: TableStep,
    *,
    framed: bool,
) -> str:
    """Build the SQL of the units of a child's rows: its parent's ``key_i`` and ``unit``, from the source.

    A parent's key with several units gets the lowest unit number.

    Args:
        plan: The plan.
        frames: The frame of each unit table.
        source: Keys, references and columns of the frames' conditions.
        step: The child.
        framed: Whether only units of the frame count.
    """
    assert step.through is not None
    parent = next(candidate for candidate in plan.steps if candidate.table == step.through.table)
    keys = step.through.key
    name = source.names[parent.table]
    if parent.through is None:
        frame = frames[parent.table]
        unit = f"p.{quote_identifier(frame.unit)}"
        where = frame.where if framed else None
        relation = f"({build_numbering_query(frame, name, source.columns[parent.table], where=where)}) p"
    else:
        unit = "u.unit"
        units = build_unit_query(plan, frames, source, parent, framed=framed)
        relation = f"{quote_identifier(name)} p join ({units}) u on {build_unit_join(plan, parent, 'p', 'u')}"
    names = ", ".join(f"p.{quote_identifier(key)} as key_{index}" for index, key in enumerate(keys))
    groups = ", ".join(f"p.{quote_identifier(key)}" for key in keys)
    return f"select {names}, min({unit}) as unit from {relation} where {build_not_null_condition(keys, 'p')} group by {groups}"


def build_unit_join(plan: SamplePlan, step: TableStep, row: str, target: str) -> str:
    """Build the SQL join condition between a child's row and `build_unit_query`."""
    assert step.through is not None
    pairs = [
        (column, (f"key_{index}", kind))
        for index, (column, (_, kind)) in enumerate(pair_reference_columns(plan.tables, step.table, step.through))
    ]
    return f"{build_join_condition(pairs, row, target)} and {build_when_condition(step.through, row)}"
