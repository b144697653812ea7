"""Which unit a row belongs to: the number of its unit, also for rows that were not drawn with it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.engine.rule import sampling_rule
from sandbox.sampler.plan.frame import NARROWED, narrowed
from sandbox.sources.checks.key_check import whole
from sandbox.sources.checks.schema_check import applies, matching, typed_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sampler.plan.frame import Frame
    from sandbox.sampler.plan.plan import Plan, Step
    from sandbox.sources.projection import LeanSource


def numbered(frame: Frame, rows: str, columns: Mapping[str, str], *, where: str | None = None) -> str:
    """Give the SQL of the rows of a unit table that have a whole key, with their unit's number and no stratum.

    Args:
        frame: The table's frame.
        rows: The name of a relation.
        columns: Its columns and the engine's names of their types; the key is among them.
        where: A condition that narrows it.
    """
    plain = dataclasses.replace(frame.draw, labels=())
    return narrowed(rows, where, sampling_rule.inside(rows if where is None else NARROWED, columns, plain))


def belonging(
    plan: Plan, frames: Mapping[str, Frame], source: LeanSource, step: Step, *, framed: bool
) -> str:
    """Give the SQL of the units of a child's rows: the columns ``key_i`` of its parent and ``unit``, by the source.

    A parent's key that leads to several units is given the one of the lowest number.

    Args:
        plan: The plan.
        frames: The frame of each unit table.
        source: Keys, references and what narrows the frames.
        step: The child.
        framed: Whether only units of the frame count.
    """
    assert step.through is not None
    parent = next(one for one in plan.steps if one.table == step.through.table)
    keys = step.through.key
    name = source.names[parent.table]
    if parent.through is None:
        frame = frames[parent.table]
        unit = f"p.{quote(frame.unit)}"
        where = frame.where if framed else None
        relation = f"({numbered(frame, name, source.columns[parent.table], where=where)}) p"
    else:
        unit = "u.unit"
        units = belonging(plan, frames, source, parent, framed=framed)
        relation = f"{quote(name)} p join ({units}) u on {joined(plan, parent, 'p', 'u')}"
    names = ", ".join(f"p.{quote(key)} as key_{index}" for index, key in enumerate(keys))
    groups = ", ".join(f"p.{quote(key)}" for key in keys)
    return f"select {names}, min({unit}) as unit from {relation} where {whole(keys, 'p')} group by {groups}"


def joined(plan: Plan, step: Step, row: str, target: str) -> str:
    """Give the SQL condition that leads from a child's row to `belonging`."""
    assert step.through is not None
    pairs = [
        (own, (f"key_{index}", kind))
        for index, (own, (_, kind)) in enumerate(typed_pairs(plan.tables, step.table, step.through))
    ]
    return f"{matching(pairs, row, target)} and {applies(step.through, row)}"
