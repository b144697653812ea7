"""Compute what a deployment changed in production's outputs: rows, units and totals of the whole population."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox import compare
from sandbox.compare.rows.row_files import CANDIDATE_SUFFIX, RowFileOptions
from sandbox.engine.duckdb.session import Session, quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import ConfigError, PipelineError
from sandbox.formatting import format_count
from sandbox.impact.compare_outputs import compute_memory_limit
from sandbox.impact.production.baseline import add_rounding_tolerances
from sandbox.model import TableFiles
from sandbox.production.output_tables import open_production_outputs
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.diff import OutputDiff
    from sandbox.manifest.output_estimate import OutputEstimate
    from sandbox.model import Progress


@dataclass(frozen=True, kw_only=True)
class OutputState:
    """Where production's outputs of one time are, and the version of a lake's tables (None for the newest)."""

    place: str
    version: int | None = None


@dataclass(frozen=True, kw_only=True)
class OutputTruth:
    """Figures of one output by name (see `ScoredFigure`), or the reason that they cannot be told."""

    figures: dict[str, float] = field(default_factory=dict)
    reason: str | None = None


def compute_truths(
    project: Project, before: OutputState, after: OutputState, predicted: Mapping[str, OutputEstimate],
    keys: Mapping[str, Sequence[str]], folder: Path, *, progress: Progress,
) -> dict[str, OutputTruth]:  # fmt: skip
    """Compare production's outputs before and after a deployment.

    Args:
        project: The project, whose rules say what is equal.
        before: Its outputs before.
        after: Its outputs after.
        predicted: The predictions of the outputs.
        keys: The key of each unit table.
        folder: A folder for copies of the outputs.
        progress: Shows the steps.

    Raises:
        ConfigError: There is nothing at a place.
        SourceError: A place cannot be read.
        PipelineError: An output cannot be read.
    """
    sides = [
        _copy_outputs(project, state, list(predicted), folder / label, progress)
        for label, state in (("before", before), ("after", after))
    ]
    truths = {}
    for name, estimate in predicted.items():
        missing = [state.place for state, side in zip((before, after), sides, strict=True) if name not in side]
        if missing:
            truths[name] = OutputTruth(reason=f"{' and '.join(missing)} has no {name}")
            continue
        with progress.step(f"comparing {name} before and after"):
            pair = sides[0][name], sides[1][name]
            unit = _find_unit_columns(project, name, estimate, keys, pair[0])
            with make_staging_folder(folder, label="rows") as rows:
                found = _compare_output(project, name, pair, rows, progress)
                truths[name] = _compute_figures(found, pair, estimate, unit, rows / name)
    return truths


def _copy_outputs(
    project: Project, state: OutputState, names: Sequence[str], folder: Path, progress: Progress
) -> dict[str, Path]:
    """Copy outputs to Parquet files, so that all kinds of places are compared alike."""
    folder.mkdir(parents=True)
    copies = {}
    with (
        open_production_outputs(project, state.place, version=state.version) as production,
        Session(memory=compute_memory_limit(), failure=PipelineError) as session,
    ):
        for number, name in enumerate(name for name in names if name in production.tables):
            with progress.step(f"reading {name} of {production.display_name}"):
                opened = production.tables[name].open_in(session)
                copies[name] = folder / f"{number}.parquet"
                target = quote_literal(str(copies[name]))
                session.execute(f"copy (from {opened.sql}) to {target} (format parquet)", doing=f"copying {name}")
    return copies


def _find_unit_columns(
    project: Project, name: str, estimate: OutputEstimate, keys: Mapping[str, Sequence[str]], path: Path
) -> tuple[str, ...] | None:
    """Return the columns of an output that name its rows' units; None if only a table between them does."""
    section = project.settings.outputs.get(name)
    declared = section.unit_key if section is not None else None
    columns = tuple(declared or keys.get(estimate.unit or "", ()))
    with Session(failure=PipelineError) as session:
        present = {row[0] for row in session.fetch_rows(f"describe from {build_parquet_reader([path])}")}
    return columns if columns and set(columns) <= present else None


def _compare_output(project: Project, name: str, pair: tuple[Path, Path], rows: Path, progress: Progress) -> OutputDiff:
    """Compare an output before and after by the project's rules, and write its differing rows to a folder."""
    rules = {name: compare.build_output_rules(project.settings.outputs.get(name))}
    before, after = ({name: TableFiles(name=name, format="parquet", paths=(path,))} for path in pair)
    return compare.compare_tables(
        before,
        after,
        rules=add_rounding_tolerances(rules, [name]),
        units={},
        identical=(),
        memory=compute_memory_limit(),
        threads=None,
        progress=progress,
        details=False,
        row_files=RowFileOptions(folder=rows),
    )[name]


def _compute_figures(
    found: OutputDiff, pair: tuple[Path, Path], estimate: OutputEstimate, unit: tuple[str, ...] | None, rows: Path
) -> OutputTruth:
    """Return the figures of one output's comparison; ``rows`` holds the files of its differing rows."""
    with Session(memory=compute_memory_limit(), failure=PipelineError) as session:
        sources = [build_parquet_reader([path]) for path in pair]
        if unit is not None and (reason := _find_new_units(session, sources, unit, estimate)) is not None:
            return OutputTruth(reason=reason)
        figures: dict[str, float] = {
            "rows_added": found.rows.added,
            "rows_removed": found.rows.removed,
            "rows_changed": found.rows.changed - found.rows.rounding,
        }
        if unit is not None:
            figures["units_affected"] = _count_units(session, rows, unit)
        for column in estimate.totals:
            totals = [_sum_column(session, source, column) for source in sources]
            if totals[0] is not None and totals[1] is not None:
                figures[f"total {column}"] = totals[1] - totals[0]
                if totals[0]:
                    figures[f"relative {column}"] = (totals[1] - totals[0]) / totals[0]
    return OutputTruth(figures=figures)


def _find_new_units(
    session: Session, sources: Sequence[str], unit: Sequence[str], estimate: OutputEstimate
) -> str | None:
    """Return a reason if units came or went between the two, and the prediction has no such rows."""
    columns = ", ".join(map(quote_identifier, unit))
    came, gone = (
        session.fetch_rows(
            f"select count(*) from (select distinct {columns} from {one} except select distinct {columns} from {other})"
        )[0][0]
        for one, other in ((sources[1], sources[0]), (sources[0], sources[1]))
    )
    if (came and not estimate.rows_added.estimate) or (gone and not estimate.rows_removed.estimate):
        parts = [f"{format_count(came, 'unit')} came"] * bool(came) + [f"{format_count(gone, 'unit')} went"] * bool(
            gone
        )
        return f"other data arrived between the two: {' and '.join(parts)}"
    return None


def _count_units(session: Session, folder: Path, unit: Sequence[str]) -> int:
    """Count the units with any differing row."""
    selects = []
    for path in sorted(folder.glob("*.parquet")):
        source = build_parquet_reader([path])
        present = {row[0] for row in session.fetch_rows(f"describe from {source}")}
        selects += [
            f"select {', '.join(quote_identifier(name + suffix) for name in unit)} from {source}"
            for suffix in ("", CANDIDATE_SUFFIX)
            if {name + suffix for name in unit} <= present
        ]
    if not selects:
        return 0
    [(count,)] = session.fetch_rows(f"select count(*) from ({' union '.join(selects)})")
    return int(count)


def _sum_column(session: Session, source: str, column: str) -> float | None:
    """Return the sum of a numeric or boolean column; None where it is missing."""
    kinds = {row[0]: row[1] for row in session.fetch_rows(f"describe from {source}")}
    if column not in kinds:
        return None
    value = f"{quote_identifier(column)}{'::integer' if kinds[column] == 'BOOLEAN' else ''}"
    adding = "fsum" if kinds[column] in {"DOUBLE", "FLOAT"} else "sum"
    [(total,)] = session.fetch_rows(f"select coalesce({adding}({value}), 0)::double from {source}")
    return float(total)


def check_states(before: OutputState, after: OutputState) -> None:
    """Check that the two states can differ.

    Raises:
        ConfigError: They are the same.
    """
    if before == after:
        raise ConfigError(
            "before and after are the same place",
            hint="keep a copy, or name versions: --before-version, --after-version",
        )
