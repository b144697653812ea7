"""Inspect a source and plan its sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import masking
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.sampler.plan import table_order
from sandbox.sampler.plan.closure_estimate import estimate_closed_sizes
from sandbox.sampler.plan.plan import SamplePlan
from sandbox.sampler.plan.strata import small_strata
from sandbox.sampler.plan.unit_draws import plan_unit_draws
from sandbox.samples.specification import build_specification, compute_request_id
from sandbox.sources.checks import personal_columns, schema_check
from sandbox.sources.checks.key_check import check_float_references, check_unique_keys, count_null_keys
from sandbox.sources.discover import list_configured_source
from sandbox.sources.open_table import estimate_scanned_bytes, list_table_warnings, open_table
from sandbox.sources.projection import MAX_EXACT_ROWS, project_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Project, Settings
    from sandbox.model import Progress
    from sandbox.sources.listing import SourceListing
    from sandbox.sources.table import SourceTable


def plan_sample(project: Project, *, threads: int | None = None, progress: Progress) -> SamplePlan:
    """Inspect a project's source and plan its sample without extracting rows.

    Args:
        project: The project, with settings valid in themselves.
        threads: Worker threads; None for all available processors.
        progress: Shows the steps.

    Raises:
        SourceError: The source or one of its files cannot be read.
        ConfigError: The settings name a missing table, are incomplete, or have impossible masks.
        DataRuleError: A column is missing, a key repeats, there is no unit, or there are too many strata.
    """
    settings = project.settings
    schema_check.check_table_names(settings)
    listing = list_configured_source(settings.source, base=project.root)
    try:
        return _build_plan(project, listing, threads, progress)
    except BaseException:
        listing.close()
        raise


def _build_plan(project: Project, listing: SourceListing, threads: int | None, progress: Progress) -> SamplePlan:
    settings = project.settings
    with Session(memory=settings.sample.memory, threads=threads) as session:
        tables = _open_tables(session, listing, settings, progress)
        schema_check.check_columns(settings, tables)
        check_float_references(session, settings, tables)
        masks = masking.resolve_masks(settings, {name: table.columns for name, table in tables.items()})
        with progress.step("detecting personal columns"):
            suspects = personal_columns.find_personal_columns(session, settings, tables, masks)
        steps = table_order.order_tables(settings, {name: table.rows for name, table in tables.items()})
        draws = plan_unit_draws(session, settings, tables, steps, progress)
        units = {name: draw.plan for name, draw in draws.items()}
        costs = {name: draw.costs for name, draw in draws.items() if draw.costs is not None}
        warnings = [warning for draw in draws.values() for warning in draw.warnings]
        hidden = personal_columns.list_hidden_columns(masks, suspects)
        with progress.step("estimating rows by reference"):
            sizes, by_reference = estimate_closed_sizes(session, tables, units, steps, costs)
        warnings += by_reference
        warnings += list_table_warnings(tables.values())
        warnings += _check_keys(session, settings, tables, hidden, progress)
        warnings += small_strata.list_warnings(units, masks)
        warnings += map(personal_columns.format_warning, suspects)
    measured = {name for unit_costs in costs.values() for name in unit_costs.row_bytes}
    return SamplePlan(
        specification=build_specification(settings),
        request=compute_request_id(settings),
        listing=listing,
        tables=tables,
        units=units,
        steps=steps,
        expected_sizes=sizes,
        scanned_bytes=estimate_scanned_bytes(tables),
        measured_tables=tuple(name for name in tables if name in measured),
        not_sampled=tuple(sorted({*listing.files, *listing.problems} - set(tables))),
        warnings=tuple(warnings),
        masks=masks,
        personal_columns=suspects,
    )


def _open_tables(
    session: Session, listing: SourceListing, settings: Settings, progress: Progress
) -> dict[str, SourceTable]:
    for name in settings.tables:
        listing.find_table(name)  # report missing tables before large ones are read
    tables = {}
    with progress.step("inspecting the source", total=len(settings.tables), unit="tables") as advance:
        for name, table in settings.tables.items():
            tables[name] = open_table(session, listing, name, table)
            advance(1)
    return tables


def _check_keys(
    session: Session,
    settings: Settings,
    tables: Mapping[str, SourceTable],
    hidden: Mapping[str, frozenset[str]],
    progress: Progress,
) -> list[str]:
    """Check the declared keys and unique columns of tables small enough to be checked whole."""
    small = {name: table for name, table in settings.tables.items() if tables[name].rows <= MAX_EXACT_ROWS}
    for name, table in small.items():
        for column in table.unique:
            relation = quote_identifier(project_table(session, tables[name], [column]))
            check_unique_keys(session, name, relation, [column], hidden=hidden.get(name, ()))
    chosen = {name: table.key for name, table in small.items() if table.key}
    warnings = []
    with progress.step("checking the keys", total=len(chosen), unit="tables") as advance:
        for name, key in chosen.items():
            relation = quote_identifier(project_table(session, tables[name], key))
            if settings.tables[name].duplicates == "error":
                check_unique_keys(session, name, relation, key, hidden=hidden.get(name, ()))
            if name not in settings.sample.draws and (empty := count_null_keys(session, name, relation, key)):
                warnings.append(f"{name}: no whole key ({', '.join(key)}) in {empty:,} of its rows")
            advance(1)
    return warnings
