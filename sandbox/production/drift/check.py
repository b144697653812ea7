"""Compare production as it is now with what the manifest and the profile of a sample recorded."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session
from sandbox.errors import DataRuleError
from sandbox.formatting import format_age, format_count
from sandbox.manifest.production.drift import DriftCheck, DriftFinding
from sandbox.manifest.profile import FrameFigure
from sandbox.production.drift.references import compare_references
from sandbox.production.drift.rules import FrameComparison, Stratum, judge_findings
from sandbox.project.plan import plan as plan_sample
from sandbox.sampler.profile.compare import choose_frame_columns
from sandbox.sampler.profile.frame_figures import count_frame, find_new_values
from sandbox.sampler.profile.rows import UnitFamily, list_family_steps
from sandbox.sources.discover import list_configured_source
from sandbox.sources.open_table import attach_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.config import Project
    from sandbox.manifest.profile import FrameTable, SampleProfile
    from sandbox.manifest.sample import SampledTable, SampleManifest, UnitDrawRecord
    from sandbox.model import Progress
    from sandbox.sampler.plan.plan import SamplePlan, TableStep, UnitPlan

NO_FRAME_REASON = (
    "the sample's profile has no figures of it: more than 5 million rows, or drawn before they were recorded"
)


def check_drift(
    project: Project, manifest: SampleManifest, profile: SampleProfile | None, *, now: dt.datetime, progress: Progress
) -> DriftCheck:
    """Check whether production is still as it was when the sample was drawn.

    Args:
        project: The project; its source is read as it is now.
        manifest: The sample's manifest.
        profile: Its profile; None if there is none.
        now: The time of the check, in UTC.
        progress: Shows the steps.

    Raises:
        SourceError: The source cannot be read.
        ConfigError: The settings are wrong.
    """
    started = time.monotonic()
    comparison = FrameComparison(scale=project.settings.sample.max_drift)
    not_checked: list[str] = []
    comparison.findings += _check_age(project, manifest, now)
    gone = _find_missing_tables(project, manifest)
    comparison.findings += gone
    if not gone:
        try:
            plan = plan_sample(project, progress=progress)
        except DataRuleError as error:
            finding = DriftFinding(
                kind="key", table=None, message=f"production breaks a rule of the draw: {error.message}", is_stale=True
            )
            comparison.findings.append(finding)
            not_checked.append("figures of the tables: the sample could not be drawn again")
        else:
            with contextlib.closing(plan.listing):
                not_checked += _compare_plan(plan, manifest, profile, comparison, project, progress)
    return DriftCheck(
        project=project.settings.project.name,
        fingerprint=manifest.fingerprint,
        drawn=manifest.drawn,
        checked=now.isoformat(timespec="seconds"),
        verdict=judge_findings(comparison.findings),
        findings=sorted(comparison.findings, key=lambda finding: not finding.is_stale),
        compared=comparison.compared,
        not_checked=not_checked,
        seconds=round(time.monotonic() - started, 3),
    )


def _check_age(project: Project, manifest: SampleManifest, now: dt.datetime) -> Iterator[DriftFinding]:
    most = project.settings.sample.max_age
    age = (now - dt.datetime.fromisoformat(manifest.drawn)).total_seconds()
    if most is not None and age > most:
        message = f"the sample was drawn {format_age(manifest.drawn, now=now)}, longer ago than [sample] max_age"
        yield DriftFinding(kind="age", table=None, message=message, is_stale=True)


def _find_missing_tables(project: Project, manifest: SampleManifest) -> list[DriftFinding]:
    with contextlib.closing(list_configured_source(project.settings.source, base=project.root)) as listing:
        present = {*listing.files, *listing.problems}
    return [
        DriftFinding(kind="schema", table=name, message=f"production has no table {name} any more", is_stale=True)
        for name in manifest.tables
        if name not in present
    ]


def _compare_plan(
    plan: SamplePlan, manifest: SampleManifest, profile: SampleProfile | None, comparison: FrameComparison,
    project: Project, progress: Progress,
) -> list[str]:  # fmt: skip
    """Compare all figures of the present source; return those not checked."""
    not_checked: list[str] = []
    for name, table in manifest.tables.items():
        comparison.findings += _compare_columns(plan, name, table)
    for name, draw in manifest.units.items():
        not_checked += _compare_unit(plan.units[name], draw, comparison, masks=set(_list_masked(plan, name)))
    changed = {finding.table for finding in comparison.findings if finding.kind == "schema"}
    frame = profile.frame if profile is not None else {}
    drawn = dt.datetime.fromisoformat(manifest.drawn)
    with Session(memory=project.settings.sample.memory) as session:
        attach_tables(session, plan.tables.values())
        for unit in plan.units.values():
            steps = list_family_steps(plan.steps, unit.table)
            family = UnitFamily(session=session, plan=plan, unit=unit, steps=steps, sample={})
            recorded = [step for step in steps if step.table in frame and step.table not in changed]
            not_checked += [f"{step.table}: {NO_FRAME_REASON}" for step in steps if step.table not in frame]
            if recorded:
                with progress.step(f"counting {unit.table} and its children"):
                    _compare_family(family, recorded, frame, comparison, drawn)
        with progress.step("checking the references"):
            not_checked += compare_references(session, plan, manifest, comparison, changed)
    not_checked += [
        f"{name}: a lookup table, of which rows and types alone are recorded"
        for name, table in manifest.tables.items()
        if table.role == "lookup"
    ]
    return not_checked


def _compare_columns(plan: SamplePlan, name: str, table: SampledTable) -> Iterator[DriftFinding]:
    """Compare a table's columns and types; masks may change the types of their own."""
    present, masks = plan.tables[name].columns, plan.masks.get(name, {})
    known = {column.name: column.type for column in table.columns}
    texts = [f"{name}.{column} is gone" for column in known if column not in present]
    texts += [f"{name}.{column} is new" for column in present if column not in known]
    texts += [
        f"{name}.{column} is {present[column]}, and was {kind}"
        for column, kind in known.items()
        if column in present and present[column] != kind and (column not in masks or masks[column].kind == "none")
    ]
    yield from (DriftFinding(kind="schema", table=name, message=text, is_stale=True) for text in texts)


def _list_masked(plan: SamplePlan, table: str) -> list[str]:
    return [column for column, mask in plan.masks.get(table, {}).items() if mask.kind != "none"]


def _compare_unit(unit: UnitPlan, draw: UnitDrawRecord, comparison: FrameComparison, *, masks: set[str]) -> list[str]:
    """Compare the strata and NULL keys of a unit table; return what is not checked."""
    if unit.null_keys and not draw.null_keys:
        text = f"{unit.table} has {format_count(unit.null_keys, 'row')} without a whole key, and had none"
        comparison.findings.append(DriftFinding(kind="key", table=unit.table, message=text, is_stale=True))
    if not unit.columns:
        return []
    moving = [column.name for column in unit.columns if column.size is not None]
    then = [
        Stratum(label=_describe_stratum(stratum.values), units=stratum.population, sampled=stratum.sampled)
        for stratum in draw.strata
    ]
    now = [Stratum(label=_describe_stratum(unit.describe_stratum(each)), units=each.population) for each in unit.strata]
    edges = any(column.edges is not None for column in unit.columns)
    common = {stratum.label for stratum in then} & {stratum.label for stratum in now}
    if moving or (edges and len(common) < len(then)):
        return [f"strata of {unit.table}: their limits are set anew from the data"]
    comparison.compare_strata(unit.table, then, now, hidden=any(column.column in masks for column in unit.columns))
    return []


def _describe_stratum(values: object) -> str:
    """Return the values of a stratum in one line: ``country = PT``."""
    if not isinstance(values, dict):
        return str(values)
    return ", ".join(
        f"{name} = {value if isinstance(value, str) else json.dumps(value, sort_keys=True)}"
        for name, value in values.items()
    )


def _compare_family(
    family: UnitFamily, steps: list[TableStep], frame: dict[str, FrameTable], comparison: FrameComparison, drawn: dt.datetime
) -> None:  # fmt: skip
    family.copy_sources()
    columns = {step.table: choose_frame_columns(family, step) for step in steps}
    known = {
        step.table: {name: list(column.values) for name, column in frame[step.table].columns.items() if column.values}
        for step in steps
    }
    present = count_frame(family, steps, columns, known)
    for step in steps:
        name = step.table
        comparison.compare_tables(name, frame[name], present[name], drawn=drawn)
        for column in columns[name]:
            before, after = frame[name].columns.get(column.name), present[name].columns[column.name]
            if before is None or before.others is None or after.others is None:
                continue
            if after.others.value - before.others.value < comparison.new_value_share:
                continue
            for value, count in find_new_values(family, step, column, known[name][column.name]):
                share = FrameFigure(value=count / max(present[name].rows, 1), error=after.others.error)
                comparison.add_new_value(name, column.name, value, share, was_unknown=not before.others.value)
    family.drop_tables()
