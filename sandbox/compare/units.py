"""Which sampling units a difference touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.rows import SIDES, value
from sandbox.manifest.diff import Estimate, UnitsAffected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.columns import Column
    from sandbox.compare.options import Rules
    from sandbox.compare.rows import Plan
    from sandbox.engine.duck import Session

NOT_YET = (
    "estimates for production are not part of this version of sandbox: these are the sample's own counts"
)
NO_UNIT = "no column of this output names a sampling unit; declare unit_key if one does"
NO_SAMPLE = "two tables were compared that are no sample of anything known"


def unit_key(
    rules: Rules, units: Mapping[str, tuple[str, ...]], columns: Sequence[Column]
) -> tuple[str, list[Column]] | None:
    """Give the unit table that an output's rows belong to, and the columns that name a unit.

    A declared ``unit_key`` stands for the unit table with a key of that name, else for the first one with a key of as
    many columns; without a declaration it is the first unit table whose key's columns the output has.
    """
    known = {column.name: column for column in columns if column.common is not None}
    if rules.unit_key is not None:
        wanted = rules.unit_key
        near = [table for table, key in units.items() if set(key) == set(wanted)]
        near += [table for table, key in units.items() if len(key) == len(wanted)]
        table = near[0] if near else None
    else:
        fitting = [(table, key) for table, key in units.items() if key and all(name in known for name in key)]
        table, wanted = fitting[0] if fitting else (None, ())
    if table is None or not all(name in known for name in wanted):
        return None
    return table, [known[name] for name in wanted]


def affected(session: Session, plan: Plan, unit: Sequence[Column], *, doing: str) -> int:
    """Count the units of the sample with an added, removed or changed row; a null names no unit.

    Where a row's unit itself changed, both units count.
    """
    names = [value(column) for column in unit]
    sides = []
    for side, row, more in zip(SIDES, ("b", "c"), ("b > c", "c > b"), strict=True):
        chosen = ", ".join(f"{name} as u{place}" for place, name in enumerate(names))
        sides.append(
            f"select {chosen} from late_{side} where not paired and {plan.hashed} in "
            f"(select h from loose where {more})"
        )
        if plan.key:
            touched = ", ".join(f"{row}{place} as u{place}" for place in range(len(names)))
            sides.append(f"select {touched} from changed")
    whole = " and ".join(f"u{place} is not null" for place in range(len(names)))
    [(found,)] = session.rows(
        f"select count(*) from (select distinct * from ({' union all '.join(sides)}) where {whole})",
        doing=doing,
    )
    return int(found)


def estimate(reason: str, unit: str | None, sample: int | None) -> Estimate:
    """Give what is known without estimating: how many units of the sample are affected."""
    return Estimate(
        status="not_estimated",
        reason=reason,
        unit=unit,
        units_affected=None if sample is None else UnitsAffected(status="not_estimated", sample=sample),
    )
