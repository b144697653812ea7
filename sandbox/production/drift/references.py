"""Compare the shares of dangling references with those at the draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.production.drift.rules import ComparedFigure, build_share
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)
from sandbox.sources.projection import MAX_EXACT_ROWS
from sandbox.sources.registry import build_select

if TYPE_CHECKING:
    from sandbox.config.sections.sample import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.sample import SampleManifest
    from sandbox.production.drift.rules import FrameComparison
    from sandbox.sampler.plan.plan import SamplePlan


def compare_references(
    session: Session, plan: SamplePlan, manifest: SampleManifest, comparison: FrameComparison, changed: set[str | None]
) -> list[str]:
    """Compare the shares of dangling references; return those that were not counted over the whole source."""
    not_checked = []
    for step in plan.steps:
        records = {(tuple(record.columns), record.table): record for record in manifest.tables[step.table].references}
        for reference in step.references:
            subject = f"{step.table}.{', '.join(reference.columns)}"
            record = records.get((reference.columns, reference.table))
            sizes = [plan.tables[name].rows for name in (step.table, reference.table)]
            if record is None or record.checked != "source" or max(sizes) > MAX_EXACT_ROWS:
                not_checked.append(f"{subject}: its dangling references were not counted over the whole source")
            elif not {step.table, reference.table} & changed:
                rows = manifest.tables[step.table].source_rows
                then = build_share(record.dangling, max(rows, 1))
                now = build_share(_count_dangling(session, plan, step.table, reference), max(sizes[0], 1))
                text = f"the share of rows whose {subject} names no row of {reference.table}"
                comparison.compare_shares(ComparedFigure(kind="references", table=step.table, subject=text), then, now)
    return not_checked


def _count_dangling(session: Session, plan: SamplePlan, name: str, reference: Reference) -> int:
    pairs = pair_reference_columns(plan.tables, name, reference)
    key = ", ".join(map(quote_identifier, reference.key))
    [(count,)] = session.fetch_rows(
        f"select count(*) from ({build_select(plan.tables[name])}) r "
        f"anti join (select {key} from ({build_select(plan.tables[reference.table])})) t on {build_join_condition(pairs, 'r', 't')} "
        f"where {build_not_null_condition(reference.columns, 'r')} and {build_when_condition(reference, 'r')}",
        doing=f"checking {name} → {reference.table}",
    )
    return int(count)
