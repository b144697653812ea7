"""Looking at a source: what a sample of it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duck import Session, quote
from sandbox.sampler import closure, names, strata
from sandbox.sampler.keys import check_unique, null_keys
from sandbox.sampler.lean import EXACT_UP_TO, lean
from sandbox.sampler.opening import opened
from sandbox.sampler.plan import Expected, Plan
from sandbox.sampler.source import listed
from sandbox.sampler.specification import request_id, specification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Project, Settings
    from sandbox.model import Progress
    from sandbox.sampler.plan import Step, UnitPlan
    from sandbox.sampler.source import Listing
    from sandbox.sampler.table import SourceTable

# What a byte of the source becomes as Parquet, roughly.
SHRINKS = {"parquet": 1.0, "csv": 0.3, "jsonl": 0.12}


def survey(project: Project, *, threads: int | None = None, progress: Progress) -> Plan:
    """Look at a project's source and say what its sample would take; extracts nothing.

    Args:
        project: The project; its settings are checked already for themselves.
        threads: Worker threads; None takes the processors that this process may use.
        progress: Shows the steps.

    Raises:
        SourceError: The source or one of its files cannot be read.
        ConfigError: The file names a table that is not there, or does not say enough.
        RuleError: A column is missing, a key repeats, there is no unit or there are too many strata.
    """
    settings = project.settings
    _assert_supported(settings)
    names.check_tables(settings)
    listing = listed((project.root / settings.source.uri).absolute())
    with Session(memory=settings.sample.memory, threads=threads) as session:
        tables = _opened(session, listing, settings, progress)
        names.check_columns(settings, tables)
        steps = closure.steps(settings, {name: table.rows for name, table in tables.items()})
        unit, warnings = _counted(session, settings, tables, progress)
        warnings += _keys(session, settings, tables, progress)
    return Plan(
        specification=specification(settings),
        request=request_id(settings),
        listing=listing,
        tables=tables,
        units={unit.table: unit},
        steps=steps,
        expected=_expected(steps, tables, unit),
        not_sampled=tuple(sorted({*listing.files, *listing.problems} - set(tables))),
        warnings=tuple(warnings),
    )


def _assert_supported(settings: Settings) -> None:
    """State what the file's own check has refused already."""
    sample = settings.sample
    assert settings.source.engine == "duckdb"
    assert sample.allocation == "proportional"
    assert not sample.also
    assert sample.size is None
    assert not any(one.bins or one.quantiles for one in sample.strata)
    for table in settings.tables.values():
        assert table.where is None
        assert table.duplicates == "error"
        assert all(mask.kind == "none" for mask in table.mask.values())
        assert all(entry.when is None for entry in table.reference)


def _opened(
    session: Session, listing: Listing, settings: Settings, progress: Progress
) -> dict[str, SourceTable]:
    for name in settings.tables:
        listing.of(name)  # what is not there at all is said before anything large is read
    tables = {}
    with progress.step("looking at the source", total=len(settings.tables), unit="tables") as advance:
        for name, table in settings.tables.items():
            tables[name] = opened(session, listing, name, table.types)
            advance(1)
    return tables


def _counted(
    session: Session, settings: Settings, tables: Mapping[str, SourceTable], progress: Progress
) -> tuple[UnitPlan, list[str]]:
    unit = settings.sample.unit
    table, key = tables[unit], tuple(settings.tables[unit].key or ())
    with progress.step(f"counting the strata of {unit}"):
        columns = [*key, *(one.column for one in settings.sample.strata)]
        plan, warnings = strata.planned(session, table, lean(session, table, columns), key, settings.sample)
    if plan.null_keys:
        warnings.append(f"{unit}: {plan.null_keys:,} rows have no whole key; they are never selected")
    return plan, warnings


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
            check_unique(session, name, relation, key)
            empty = null_keys(session, name, relation, key) if name != settings.sample.unit else 0
            if empty:
                warnings.append(f"{name}: {empty:,} rows have no whole key ({', '.join(key)})")
            advance(1)
    return warnings


def _expected(
    steps: tuple[Step, ...], tables: Mapping[str, SourceTable], unit: UnitPlan
) -> dict[str, Expected]:
    """Guess rows and bytes: children like their unit, lookups whole or at most as often as they are named."""
    share = unit.expected / unit.population
    rows: dict[str, float] = {}
    for step in steps:
        count = tables[step.table].rows
        if step.role != "lookup":
            rows[step.table] = count * share
        elif step.keep == "all":
            rows[step.table] = count
        else:
            naming = [one.table for one in steps if any(r.table == step.table for r in one.references)]
            rows[step.table] = min(count, sum(rows.get(name, count) for name in naming))
    return {
        name: Expected(
            rows=round(count), bytes=round(_bytes(tables[name]) * count / max(1, tables[name].rows))
        )
        for name, count in rows.items()
    }


def _bytes(table: SourceTable) -> float:
    packed = all(file.name.endswith(".gz") for file in table.files)
    return table.bytes * (1.0 if packed else SHRINKS[table.format])
