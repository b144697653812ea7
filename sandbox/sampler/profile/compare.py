"""Comparing a sample, weighted, with production: is it like it, as far as a proper draw would be?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sandbox.engine.duckdb.session import Session
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.errors import StoreError
from sandbox.estimate.design import SamplingDesign
from sandbox.estimate.distribution_tests import ALPHA, adjust_p_values
from sandbox.manifest.profile import ProfiledColumn, ProfiledTable, SampleProfile
from sandbox.manifest.scan import sort_by_severity
from sandbox.sampler.profile.bins import MAX_HASHED_COLUMNS, bin_tally
from sandbox.sampler.profile.column_tests import ProfileSides, compare_columns, compare_with_bins
from sandbox.sampler.profile.columns import ComparableColumn, choose_columns
from sandbox.sampler.profile.document import round_figure
from sandbox.sampler.profile.rows import UnitFamily
from sandbox.sampler.profile.source_findings import TableInspection
from sandbox.sources.attach import attach_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import RangeEntry
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
    """Compare every column of the unit tables and their children, and say what looks broken in production's rows.

    It depends on nothing but the rows: the same sample of the same source has the same profile.

    Args:
        session: The engine; what is made in it is removed again.
        plan: What was drawn.
        sample: For each table SQL that can stand after ``from``: its rows in the sample, masked as they are there.
        weights: For each unit table likewise: its key columns as in the sample, and ``stratum``; drawn units only.
        ranges: What is declared of values, by table and column.
        whole: Also compare tables of more than 5 million rows in the source, which reads them again.
        progress: Shows the steps.

    Raises:
        SourceError: The source cannot be read.
        StoreError: The weights do not fit the plan.
    """
    tables: dict[str, ProfiledTable] = {}
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
                    tables[step.table], found = _compare_table(family, design, step, look)
                    findings += found
                advance(1)
        family.drop_tables()
    return SampleProfile(
        whole=whole, alpha=ALPHA, tables=mark_notable_columns(tables), findings=sort_by_severity(findings)
    )


def profile_stored_sample(
    plan: SamplePlan, sample: Sample, manifest: SampleManifest, *, ranges: Mapping[str, Mapping[str, RangeEntry]],
    memory: int, threads: int | None = None, progress: Progress,
) -> SampleProfile:  # fmt: skip
    """Compare all of a stored sample with the source that it was drawn from.

    Args:
        plan: What a survey of the source gives now.
        sample: The sample.
        manifest: Its manifest.
        ranges: As for `profile_sample`.
        memory: Bytes that the engine may hold.
        threads: Worker threads; None takes the processors that this process may use.
        progress: Shows the steps.

    Raises:
        StoreError: The source is no longer what the sample was drawn from.
        SourceError: The source cannot be read.
    """
    then = {name: [(one.path, one.bytes, one.modified) for one in files] for name, files in manifest.source.items()}
    now = {name: [(one.name, one.bytes, one.modified) for one in table.files] for name, table in plan.tables.items()}
    moments = {
        name: one.snapshot.version
        for name, one in plan.tables.items()
        if one.snapshot is not None and one.snapshot.kind == "postgres"
    }
    moved = any(
        name not in manifest.snapshots or manifest.snapshots[name].version != one for name, one in moments.items()
    )
    if then != now or moved:
        raise StoreError(
            "the source has changed since the sample was drawn, so the two cannot be compared",
            hint="draw again from the source as it is now: sandbox sample --refresh --profile",
        )
    tables = {
        name: f"read_parquet({format_file_list(one.paths)}, hive_partitioning = false)"
        for name, one in sample.tables.items()
    }
    weights = {
        name: f"read_parquet({format_file_list([sample.path / one.path])}, hive_partitioning = false)"
        for name, one in manifest.weights.items()
    }
    with Session(memory=memory, threads=threads) as session:
        attach_tables(session, plan.tables.values())
        return profile_sample(session, plan, tables, weights, ranges=ranges, whole=True, progress=progress)


def mark_notable_columns(tables: Mapping[str, ProfiledTable]) -> dict[str, ProfiledTable]:
    """Correct the columns' probabilities for how many there are (Holm), and say which are notable."""
    tested = [
        (name, part, column, one.p)
        for name, table in tables.items()
        for part, columns in (("columns", table.columns), ("children", table.children))
        for column, one in columns.items()
        if one.p is not None
    ]
    adjusted = dict(zip([key[:3] for key in tested], adjust_p_values([p for *_, p in tested]), strict=True))

    def adjust_columns(name: str, part: str, columns: Mapping[str, ProfiledColumn]) -> dict[str, ProfiledColumn]:
        known = {column: adjusted.get((name, part, column)) for column in columns}
        return {
            column: one.model_copy(update={"adjusted": round_figure(p), "notable": p < ALPHA})
            if (p := known[column]) is not None
            else one
            for column, one in columns.items()
        }

    return {
        name: table.model_copy(
            update={
                "columns": adjust_columns(name, "columns", table.columns),
                "children": adjust_columns(name, "children", table.children),
            }
        )
        for name, table in tables.items()
    }


def _build_design(unit: UnitPlan, strata: list[int]) -> SamplingDesign:
    return SamplingDesign.from_arrays(
        population=[one.population for one in unit.strata],
        sampled=np.bincount(np.array(strata, np.int64), minlength=len(unit.strata)),
        probability=[one.probability for one in unit.strata],
        stratum=np.array(strata, np.int64),
    )


def _compare_table(
    family: UnitFamily, design: SamplingDesign, step: TableStep, look: TableInspection
) -> tuple[ProfiledTable, list[Finding]]:
    unit = family.unit.table
    if design.has_unrepresented_units:
        return ProfiledTable(unit=unit, reason=UNSAMPLED_STRATUM_REASON), []
    source = family.plan.tables[step.table]
    wanted, skipped = choose_columns(source.columns, family.plan.masks.get(step.table, {}))
    sample, number = family.build_sample_query(step)
    sides = ProfileSides(
        name=step.table,
        population=family.build_population_query(step),
        approximate_population=family.build_approximate_query(step),
        rows=source.rows,
        hash_columns=tuple(column.name for column in wanted if not column.is_nested)[:MAX_HASHED_COLUMNS],
        sample=sample,
        unit=number,
    )
    found = compare_columns(family.session, design, sides, look.add_questions(wanted))
    columns = {known.column.name: column for column, known in found}
    columns |= {name: ProfiledColumn(kind=None, compared=False, reason=reason) for name, reason in skipped.items()}
    table = ProfiledTable(
        unit=unit,
        columns={name: columns[name] for name in source.columns},
        children=_compare_child_counts(family, design, step),
    )
    return table, look.collect_findings(known for _, known in found)


def _compare_child_counts(family: UnitFamily, design: SamplingDesign, step: TableStep) -> dict[str, ProfiledColumn]:
    """Compare how many rows of a child table each parent has."""
    if step.through is None:
        return {}
    population, sample = family.build_child_count_queries(step)
    doing = f"comparing the number of {step.table}"
    known = bin_tally(family.session, population, CHILD_COUNT_COLUMN, doing=doing)
    (found,) = compare_with_bins(family.session, design, [known], sample=sample, unit="unit", doing=doing)
    return {step.table: found.model_copy(update={"kind": "children"})}
