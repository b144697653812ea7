"""Looking at a source: what a sample of it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import masking
from sandbox.engine.duckdb.session import Session, quote
from sandbox.sampler.plan import pilot, table_order, target_size
from sandbox.sampler.plan.plan import Plan
from sandbox.sampler.plan.size_estimate import expected
from sandbox.sampler.plan.strata import small_strata, strata
from sandbox.samples.specification import request_id, specification
from sandbox.sources.checks import personal_columns, schema_check
from sandbox.sources.checks.key_check import check_unique, null_keys
from sandbox.sources.discover import source
from sandbox.sources.open_table import opened
from sandbox.sources.projection import EXACT_UP_TO, lean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Project, Settings
    from sandbox.model import Progress
    from sandbox.sampler.plan.pilot import Costs
    from sandbox.sampler.plan.plan import Step, UnitPlan
    from sandbox.sources.listing import Listing
    from sandbox.sources.table import SourceTable


def survey(project: Project, *, threads: int | None = None, progress: Progress) -> Plan:
    """Look at a project's source and say what its sample would take; extracts nothing.

    Args:
        project: The project; its settings are checked already for themselves.
        threads: Worker threads; None takes the processors that this process may use.
        progress: Shows the steps.

    Raises:
        SourceError: The source or one of its files cannot be read.
        ConfigError: The file names a table that is not there, does not say enough, or has masks that cannot be.
        RuleError: A column is missing, a key repeats, there is no unit or there are too many strata.
    """
    settings = project.settings
    schema_check.check_tables(settings)
    listing = source(settings.source, base=project.root)
    try:
        return _surveyed(project, listing, threads, progress)
    except BaseException:
        listing.close()
        raise


def _surveyed(project: Project, listing: Listing, threads: int | None, progress: Progress) -> Plan:
    settings = project.settings
    with Session(memory=settings.sample.memory, threads=threads) as session:
        tables = _opened(session, listing, settings, progress)
        schema_check.check_columns(settings, tables)
        masks = masking.resolved(settings, {name: table.columns for name, table in tables.items()})
        with progress.step("looking for personal columns"):
            suspects = personal_columns.suspected(session, settings, tables, masks)
        steps = table_order.steps(settings, {name: table.rows for name, table in tables.items()})
        units, paid, warnings = _drawn(session, settings, tables, steps, progress)
        warnings += _keys(session, settings, tables, progress)
        warnings += small_strata.warnings(units, masks) + [personal_columns.warning(one) for one in suspects]
    rows = {name: size for one in paid.values() for name, size in one.row.items()}
    return Plan(
        specification=specification(settings),
        request=request_id(settings),
        listing=listing,
        tables=tables,
        units=units,
        steps=steps,
        expected=expected(steps, tables, units, paid),
        measured=tuple(name for name in tables if name in rows),
        not_sampled=tuple(sorted({*listing.files, *listing.problems} - set(tables))),
        warnings=tuple(warnings),
        masks=masks,
        suspects=suspects,
    )


def _opened(
    session: Session, listing: Listing, settings: Settings, progress: Progress
) -> dict[str, SourceTable]:
    for name in settings.tables:
        listing.of(name)  # what is not there at all is said before anything large is read
    tables = {}
    with progress.step("looking at the source", total=len(settings.tables), unit="tables") as advance:
        for name, table in settings.tables.items():
            tables[name] = opened(
                session, listing, name, table.types, version=table.version, snapshot=table.snapshot
            )
            advance(1)
    return tables


def _drawn(
    session: Session,
    settings: Settings,
    tables: Mapping[str, SourceTable],
    steps: tuple[Step, ...],
    progress: Progress,
) -> tuple[dict[str, UnitPlan], dict[str, Costs], list[str]]:
    """Plan the draw of each unit table: its strata, what they cost where a size is asked for, their probabilities."""
    units: dict[str, UnitPlan] = {}
    paid: dict[str, Costs] = {}
    warnings: list[str] = []
    for name, draw in settings.sample.draws.items():
        with progress.step(f"counting the strata of {name}"):
            unit = strata.sketched(session, settings, tables, name)
        if draw.size is not None:
            with progress.step(f"measuring the rows of {name}"):
                first = name == settings.sample.unit
                paid[name] = pilot.measured(session, tables, unit, steps, lookups=first)
        rising = target_size.slopes(session, tables, unit, draw.allocation)
        ask = target_size.asked(draw, unit, paid.get(name))
        chosen, remarks = target_size.probabilities(draw, unit, ask, rising)
        units[name] = strata.allocated(unit, chosen)
        warnings += remarks
        if unit.null_keys:
            warnings.append(f"{name}: {unit.null_keys:,} rows have no whole key; they are never selected")
    return units, paid, warnings


def _keys(
    session: Session, settings: Settings, tables: Mapping[str, SourceTable], progress: Progress
) -> list[str]:
    """Check the declared keys of tables that are small enough to be checked whole."""
    keyed = {name: table.key for name, table in settings.tables.items() if table.key}
    chosen = {name: key for name, key in keyed.items() if tables[name].rows <= EXACT_UP_TO}
    warnings = []
    with progress.step("checking the keys", total=len(chosen), unit="tables") as advance:
        for name, key in chosen.items():
            relation = quote(lean(session, tables[name], key))
            if settings.tables[name].duplicates == "error":
                check_unique(session, name, relation, key)
            if name not in settings.sample.draws and (empty := null_keys(session, name, relation, key)):
                warnings.append(f"{name}: {empty:,} rows have no whole key ({', '.join(key)})")
            advance(1)
    return warnings
