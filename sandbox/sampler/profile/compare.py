"""Compare a weighted sample with production, relative to the variation of a proper draw."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from sandbox.engine.duckdb.session import Session
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import StoreError
from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.distribution_tests import ALPHA
from sandbox.manifest.profile import FrameTable, ProfiledColumn, ProfiledTable, SampleProfile
from sandbox.manifest.scan import sort_by_severity
from sandbox.sampler.profile.bins import MAX_HASHED_COLUMNS, bin_tally
from sandbox.sampler.profile.column_tests import (
    ProfileSides,
    compare_columns,
    compare_with_bins,
    mark_notable_columns,
)
from sandbox.sampler.profile.columns import ComparableColumn, choose_columns
from sandbox.sampler.profile.frame_figures import count_frame
from sandbox.sampler.profile.rows import UnitFamily
from sandbox.sampler.profile.source_findings import TableInspection
from sandbox.sources.open_table import attach_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.sections.sample import RangeEntry
    from sandbox.manifest.sample import SampleManifest
    from sandbox.manifest.scan import Finding
    from sandbox.model import Progress, Sample
    from sandbox.sampler.plan.plan import SamplePlan, TableStep, UnitPlan

TOO_LARGE_REASON = "more than 5 million rows, too many to be read at every draw"
UNSAMPLED_STRATUM_REASON = "a stratum has no sampled unit, and none is like it"
CHILD_COUNT_COLUMN = ComparableColumn(name="c0", kind="number", type="DOUBLE")


def profile_sample(
    session: Session,
    plan: SamplePlan,
    sample: Mapping[str, str],
    weights: Mapping[str, str],
    *,
    ranges: Mapping[str, Mapping[str, RangeEntry]],
    whole: bool,
    progress: Progress,
) -> SampleProfile:
    """Compare every column of the unit tables and their children, and find data problems in production's rows.

    Deterministic: the same sample of the same source has the same profile.

    Args:
        session: The query engine; temporary objects are removed from it.
        plan: The plan of the draw.
        sample: Table -> SQL for the FROM clause: its rows in the sample, masked.
        weights: Unit table -> the same: its key columns as in the sample, and ``stratum``; drawn units only.
        ranges: Declared ranges by table and column.
        whole: Also compare tables of more than 5 million rows in the source, which reads them again.
        progress: Shows the steps.

    Raises:
        SourceError: The source cannot be read.
        StoreError: The weights do not fit the plan.
    """
    tables: dict[str, ProfiledTable] = {}
    frame: dict[str, FrameTable] = {}
    findings: list[Finding] = []
    for name, unit in plan.units.items():
        family = UnitFamily.from_plan(session, plan, unit, sample)
        compared = {step.table for step in family.steps if whole or family.is_small(step)}
        design = _build_design(unit, family.number_units(weights[name])) if compared else None
        doing = f"comparing {name} with production"
        with progress.step(doing, total=len(family.steps), unit="tables") as advance:
            for step in family.steps:
                tables[step.table] = ProfiledTable(unit=name, reason=TOO_LARGE_REASON)
                if design is not None and step.table in compared:
                    family.create_owner_table(step)
                    look = TableInspection.from_plan(plan, unit, step, ranges.get(step.table, {}))
                    tables[step.table], problems = _compare_table(family, design, step, look)
                    findings += problems
                advance(1)
            if compared:
                frame |= _count_frame(family, [step for step in family.steps if step.table in compared], tables)
        family.drop_tables()
    return SampleProfile(
        whole=whole, alpha=ALPHA, tables=mark_notable_columns(tables), findings=sort_by_severity(findings), frame=frame
    )


def _count_frame(
    family: UnitFamily, steps: list[TableStep], tables: Mapping[str, ProfiledTable]
) -> dict[str, FrameTable]:
    """Count production's figures for later checks; the values of a text are those that were compared."""
    values = {
        name: {
            column: [value for value in profiled.categories.values if value is not None]
            for column, profiled in table.columns.items()
            if profiled.categories is not None
        }
        for name, table in tables.items()
    }
    return count_frame(family, steps, {step.table: choose_frame_columns(family, step) for step in steps}, values)


def choose_frame_columns(family: UnitFamily, step: TableStep) -> list[ComparableColumn]:
    """Return the columns of a table whose figures are compared with later ones: no keys, no masked values."""
    columns, masks = family.plan.tables[step.table].columns, family.plan.masks.get(step.table, {})
    comparable, _ = choose_columns(columns, masks, _list_naming_columns(family, step))
    return [column if column.is_tested else dataclasses.replace(column, kind=None) for column in comparable]


def profile_stored_sample(
    plan: SamplePlan, sample: Sample, manifest: SampleManifest, *, ranges: Mapping[str, Mapping[str, RangeEntry]],
    memory: int, threads: int | None = None, progress: Progress,
) -> SampleProfile:  # fmt: skip
    """Compare the whole of a stored sample with its source.

    Args:
        plan: The plan for the present source.
        sample: The sample.
        manifest: Its manifest.
        ranges: As for `profile_sample`.
        memory: Bytes DuckDB may hold.
        threads: Worker threads; None for all available processors.
        progress: Shows the steps.

    Raises:
        StoreError: The source has changed since the sample was drawn.
        SourceError: The source cannot be read.
    """
    then = {name: [(f.path, f.bytes, f.modified) for f in files] for name, files in manifest.source.items()}
    now = {name: [(f.name, f.bytes, f.modified) for f in table.files] for name, table in plan.tables.items()}
    versions = {
        name: table.snapshot.version
        for name, table in plan.tables.items()
        if table.snapshot is not None and table.snapshot.kind == "postgres"
    }
    moved = any(
        name not in manifest.snapshots or manifest.snapshots[name].version != version
        for name, version in versions.items()
    )
    if then != now or moved:
        raise StoreError(
            "the source has changed since the sample was drawn, so the two cannot be compared",
            hint="draw again from the source as it is now: sandbox sample --refresh --profile",
        )
    tables = {name: build_parquet_reader(stored.paths) for name, stored in sample.tables.items()}
    weights = {name: build_parquet_reader([sample.path / stored.path]) for name, stored in manifest.weights.items()}
    with Session(memory=memory, threads=threads) as session:
        attach_tables(session, plan.tables.values())
        return profile_sample(session, plan, tables, weights, ranges=ranges, whole=True, progress=progress)


def _build_design(unit: UnitPlan, strata: list[int]) -> SamplingDesign:
    return SamplingDesign.from_arrays(
        population=[stratum.population for stratum in unit.strata],
        sampled=np.bincount(np.array(strata, np.int64), minlength=len(unit.strata)),
        probability=[stratum.probability for stratum in unit.strata],
        stratum=np.array(strata, np.int64),
    )


def _compare_table(
    family: UnitFamily, design: SamplingDesign, step: TableStep, look: TableInspection
) -> tuple[ProfiledTable, list[Finding]]:
    unit = family.unit.table
    if design.has_unrepresented_units:
        return ProfiledTable(unit=unit, reason=UNSAMPLED_STRATUM_REASON), []
    source = family.plan.tables[step.table]
    comparable, skipped = choose_columns(
        source.columns, family.plan.masks.get(step.table, {}), _list_naming_columns(family, step)
    )
    sample, number = family.build_sample_query(step)
    sides = ProfileSides(
        name=step.table,
        population=family.build_population_query(step),
        approximate_population=family.build_approximate_query(step),
        rows=source.rows,
        hash_columns=tuple(column.name for column in comparable if not column.is_nested)[:MAX_HASHED_COLUMNS],
        sample=sample,
        unit=number,
    )
    compared = compare_columns(family.session, design, sides, look.add_questions(comparable))
    columns = {known.column.name: column for column, known in compared}
    columns |= {name: ProfiledColumn(kind=None, compared=False, reason=reason) for name, reason in skipped.items()}
    table = ProfiledTable(
        unit=unit,
        columns={name: columns[name] for name in source.columns},
        children=_compare_child_counts(family, design, step),
    )
    return table, look.collect_findings(known for _, known in compared)


def _list_naming_columns(family: UnitFamily, step: TableStep) -> set[str]:
    """Return the columns of keys and references: a unit's key, and both sides of declared references."""
    steps = family.plan.steps
    own = {name for reference in step.references for name in reference.columns}
    named = {
        name
        for other in steps
        for reference in other.references
        if reference.table == step.table
        for name in reference.key
    }
    declared = family.plan.specification["tables"][step.table].get("key", ())
    return own | named | set(declared)


def _compare_child_counts(family: UnitFamily, design: SamplingDesign, step: TableStep) -> dict[str, ProfiledColumn]:
    """Compare the number of child rows per parent."""
    if step.through is None:
        return {}
    population, sample = family.build_child_count_queries(step)
    doing = f"comparing the number of {step.table}"
    known = bin_tally(family.session, population, CHILD_COUNT_COLUMN, doing=doing)
    (profiled,) = compare_with_bins(family.session, design, [known], sample=sample, unit="unit", doing=doing)
    return {step.table: profiled.model_copy(update={"kind": "children"})}
