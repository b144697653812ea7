"""Describe the rows of an output that differ: examples, distributions, and the segments with the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.compare.profile import distributions
from sandbox.compare.profile.segments import find_segments
from sandbox.compare.rows import detail_sample
from sandbox.compare.rows.examples import find_examples
from sandbox.compare.units.unit_columns import create_unit_columns_table

if TYPE_CHECKING:
    from sandbox.compare.columns import TableShape
    from sandbox.compare.relations import Differences, SideName
    from sandbox.compare.rows.change_counts import ChangeCounts
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.compare.units.sampled_units import OutputUnits
    from sandbox.engine.duckdb.session import Session


def choose_sampling_interval(shapes: dict[SideName, TableShape]) -> int:
    """Return of how many rows one is in a part: a power of two, so that a hash tells quickly."""
    parts = -(-max(shape.rows for shape in shapes.values()) // detail_sample.MAX_SAMPLE_ROWS)
    return 1 << max(parts - 1, 0).bit_length()


def compute_details(
    session: Session,
    plan: ComparisonPlan,
    differences: Differences,
    changes: ChangeCounts,
    units: OutputUnits | None,
    *,
    doing: str,
) -> dict[str, Any]:
    """Return the fields ``examples``, ``profiles`` and ``segments`` of an output with differing rows.

    Args:
        session: Holds the rows.
        plan: The plan of the comparison.
        differences: The rows that may differ.
        changes: The counts of the changes.
        units: The units of the output's rows, whose columns may tell where the differences lie.
        doing: The action for error messages.
    """
    of_both = distributions.select_profiled_columns(plan, changes)
    unit_columns = create_unit_columns_table(session, units, plan.columns, doing=doing)
    part = detail_sample.create_detail_sample(session, plan, differences, of_both, unit_columns, doing=doing)
    differing = detail_sample.create_differing_sample(session, plan, differences, part, changes, doing=doing)
    return {
        "examples": find_examples(session, plan, differences, changes, doing=doing),
        "profiles": distributions.compute_profiles(session, part, differences.all_rows, changes, doing=doing),
        "segments": find_segments(session, part, differing, changes.rows, doing=doing),
    }
