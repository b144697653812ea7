"""Deal the sampled units of a project into random groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sandbox.compare.units.output_estimate import build_sampling_design
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import StoreError
from sandbox.estimate.random_groups import has_light_tails
from sandbox.sampler.half_sample.selection import build_unit_digits
from sandbox.sampler.random_groups import GroupAssignment, assign_groups
from sandbox.sampler.sub_sample import SubSample

if TYPE_CHECKING:
    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.impact.sides import SideContext
    from sandbox.manifest.sample import SampleManifest

_DIGITS = 13
_THINNING_START, _ORDER_START = 17, 41
"""Positions of the hexadecimal digits that decide; the first ones choose half-samples."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupedSample:
    """A sample whose units are dealt into groups.

    Attributes:
        manifest: Its manifest.
        draw: The draw of its only unit table.
        assignment: The groups.
        keys: The key of each unit as text.
        has_light_tails: Whether recorded sizes support totals (see `sandbox.estimate.random_groups`).
    """

    manifest: SampleManifest
    draw: UnitTableDraw
    assignment: GroupAssignment
    keys: tuple[tuple[str, ...], ...]
    has_light_tails: bool

    @property
    def parts(self) -> list[SubSample]:
        """One part of the sample for each group, then one of the units left out, if there are any."""
        of_unit = self.assignment.of_unit
        numbers = [*range(self.assignment.groups.count), *([-1] if np.any(of_unit < 0) else [])]
        return [self.build_part(tuple(self.keys[i] for i in np.flatnonzero(of_unit == number))) for number in numbers]

    def build_part(self, keys: tuple[tuple[str, ...], ...]) -> SubSample:
        """Build the part of some units."""
        return SubSample(unit_table=self.draw.table, units=keys)


def group_sample(ground: SideContext, draw: UnitTableDraw) -> GroupedSample | None:
    """Deal the units of a sample with one unit table into groups; None if they are too few.

    Raises:
        StoreError: The weights cannot be read.
    """
    manifest = ground.sample.manifest
    digits = build_unit_digits(manifest, draw.table)
    keys = [f"{quote_identifier(name)}::varchar" for name in draw.key]
    sizes = [f"{quote_identifier(size.name)}::double" for size in draw.sizes]
    numbers = [
        f"('0x' || substr({digits}, {start}, {_DIGITS}))::bigint / {16**_DIGITS}.0"
        for start in (_THINNING_START, _ORDER_START)
    ]
    with Session(memory=ground.project.settings.sample.memory, failure=StoreError) as session:
        rows = session.fetch_rows(
            f"select stratum::bigint, {', '.join([*numbers, *sizes, *keys])} from {build_parquet_reader([draw.weights])} "
            f"order by {', '.join(quote_identifier(name) for name in draw.key)}",
            doing=f"reading the weights of {draw.table}",
        )
    first = 3 + len(sizes)
    columns = [np.array([row[place] for row in rows], np.float64) for place in range(first)]
    design = build_sampling_design(draw, columns[0].astype(np.int64), columns[3:])
    assignment = assign_groups(design, thinning=columns[1], order=columns[2])
    if assignment is None:
        return None
    return GroupedSample(
        manifest=manifest,
        draw=draw,
        assignment=assignment,
        keys=tuple(tuple(map(str, row[first:])) for row in rows),
        has_light_tails=has_light_tails(design),
    )
