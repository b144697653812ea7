"""Comparing a sample, weighted, with production: is it like it, as far as a proper draw would be?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sandbox.engine.duckdb.session import Session
from sandbox.engine.duckdb.table_functions import file_list
from sandbox.errors import StoreError
from sandbox.estimate.design import Design
from sandbox.estimate.distribution_tests import ALPHA, holm
from sandbox.manifest.profile import Column, Profile, Table
from sandbox.manifest.scan import by_severity
from sandbox.sampler.profile.bins import IDENTIFYING, tallied
from sandbox.sampler.profile.column_tests import Sides, against, compared
from sandbox.sampler.profile.columns import Compared, chosen
from sandbox.sampler.profile.document import rounded
from sandbox.sampler.profile.rows import Family
from sandbox.sampler.profile.source_findings import Look
from sandbox.sources.attach import attach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Range
    from sandbox.manifest.sample import SampleManifest
    from sandbox.manifest.scan import Finding
    from sandbox.model import Progress, Sample
    from sandbox.sampler.plan.plan import Plan, Step, UnitPlan

TOO_LARGE = "more than 5 million rows, too many to be read at every draw"
UNSEEN = "a stratum has no sampled unit, and none is like it"
CHILDREN = Compared(name="c0", kind="number", type="DOUBLE")


def profiled(
    session: Session,
    plan: Plan,
    sample: Mapping[str, str],
    weights: Mapping[str, str],
    *,
    ranges: Mapping[str, Mapping[str, Range]],
    whole: bool,
    progress: Progress,
) -> Profile:
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
    tables: dict[str, Table] = {}
    findings: list[Finding] = []
    for name, unit in plan.units.items():
        family = Family.of(session, plan, unit, sample)
        compared = {step.table for step in family.steps if whole or family.small(step)}
        design = _design(unit, family.numbered(weights[name])) if compared else None
        doing = f"comparing {name} with production"
        with progress.step(doing, total=len(family.steps), unit="tables") as advance:
            for step in family.steps:
                tables[step.table] = Table(unit=name, reason=TOO_LARGE)
                if design is not None and step.table in compared:
                    family.own(step)
                    look = Look.at(plan, unit, step, ranges.get(step.table, {}))
                    tables[step.table], found = _table(family, design, step, look)
                    findings += found
                advance(1)
        family.forget()
    return Profile(whole=whole, alpha=ALPHA, tables=judged(tables), findings=by_severity(findings))


def profiled_later(
    plan: Plan, sample: Sample, manifest: SampleManifest, *, ranges: Mapping[str, Mapping[str, Range]],
    memory: int, threads: int | None = None, progress: Progress,
) -> Profile:  # fmt: skip
    """Compare all of a stored sample with the source that it was drawn from.

    Args:
        plan: What a survey of the source gives now.
        sample: The sample.
        manifest: Its manifest.
        ranges: As for `profiled`.
        memory: Bytes that the engine may hold.
        threads: Worker threads; None takes the processors that this process may use.
        progress: Shows the steps.

    Raises:
        StoreError: The source is no longer what the sample was drawn from.
        SourceError: The source cannot be read.
    """
    then = {
        name: [(one.path, one.bytes, one.modified) for one in files]
        for name, files in manifest.source.items()
    }
    now = {
        name: [(one.name, one.bytes, one.modified) for one in table.files]
        for name, table in plan.tables.items()
    }
    moments = {
        name: one.snapshot.version
        for name, one in plan.tables.items()
        if one.snapshot is not None and one.snapshot.kind == "postgres"
    }
    moved = any(
        name not in manifest.snapshots or manifest.snapshots[name].version != one
        for name, one in moments.items()
    )
    if then != now or moved:
        raise StoreError(
            "the source has changed since the sample was drawn, so the two cannot be compared",
            hint="draw again from the source as it is now: sandbox sample --refresh --profile",
        )
    tables = {
        name: f"read_parquet({file_list(one.paths)}, hive_partitioning = false)"
        for name, one in sample.tables.items()
    }
    weights = {
        name: f"read_parquet({file_list([sample.path / one.path])}, hive_partitioning = false)"
        for name, one in manifest.weights.items()
    }
    with Session(memory=memory, threads=threads) as session:
        attach(session, plan.tables.values())
        return profiled(session, plan, tables, weights, ranges=ranges, whole=True, progress=progress)


def judged(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Correct the columns' probabilities for how many there are (Holm), and say which are notable."""
    tested = [
        (name, part, column, one.p)
        for name, table in tables.items()
        for part, columns in (("columns", table.columns), ("children", table.children))
        for column, one in columns.items()
        if one.p is not None
    ]
    adjusted = dict(zip([key[:3] for key in tested], holm([p for *_, p in tested]), strict=True))

    def of(name: str, part: str, columns: Mapping[str, Column]) -> dict[str, Column]:
        known = {column: adjusted.get((name, part, column)) for column in columns}
        return {
            column: one.model_copy(update={"adjusted": rounded(p), "notable": p < ALPHA})
            if (p := known[column]) is not None
            else one
            for column, one in columns.items()
        }

    return {
        name: table.model_copy(
            update={
                "columns": of(name, "columns", table.columns),
                "children": of(name, "children", table.children),
            }
        )
        for name, table in tables.items()
    }


def _design(unit: UnitPlan, strata: list[int]) -> Design:
    return Design.of(
        population=[one.population for one in unit.strata],
        sampled=np.bincount(np.array(strata, np.int64), minlength=len(unit.strata)),
        probability=[one.probability for one in unit.strata],
        stratum=np.array(strata, np.int64),
    )


def _table(family: Family, design: Design, step: Step, look: Look) -> tuple[Table, list[Finding]]:
    unit = family.unit.table
    if design.blind:
        return Table(unit=unit, reason=UNSEEN), []
    source = family.plan.tables[step.table]
    wanted, skipped = chosen(source.columns, family.plan.masks.get(step.table, {}))
    sample, number = family.sampled(step)
    sides = Sides(
        name=step.table,
        population=family.population(step),
        like=family.like(step),
        rows=source.rows,
        alike=tuple(column.name for column in wanted if not column.nested)[:IDENTIFYING],
        sample=sample,
        unit=number,
    )
    found = compared(family.session, design, sides, look.asking(wanted))
    columns = {known.column.name: column for column, known in found}
    columns |= {name: Column(kind=None, compared=False, reason=reason) for name, reason in skipped.items()}
    table = Table(
        unit=unit,
        columns={name: columns[name] for name in source.columns},
        children=_children(family, design, step),
    )
    return table, look.found(known for _, known in found)


def _children(family: Family, design: Design, step: Step) -> dict[str, Column]:
    """Compare how many rows of a child table each parent has."""
    if step.through is None:
        return {}
    population, sample = family.children(step)
    doing = f"comparing the number of {step.table}"
    known = tallied(family.session, population, CHILDREN, doing=doing)
    (found,) = against(family.session, design, [known], sample=sample, unit="unit", doing=doing)
    return {step.table: found.model_copy(update={"kind": "children"})}
