"""Give ``sandbox sql`` the tables of a diff: both sides' outputs, and the rows that differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.commands.report import report
from sandbox.compare.rows.row_files import RowFileOptions
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import StoreError, UsageError
from sandbox.impact.compare_outputs import build_comparison_options
from sandbox.impact.row_files import INDEX_FILE, write_row_files
from sandbox.manifest.run import RunRecord
from sandbox.runner.output_records import find_damage, list_output_tables
from sandbox.store.seal_key import load_seal_key
from sandbox.tables.table_opening import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.commands.report import StoredReport
    from sandbox.config import Project
    from sandbox.engine.duckdb.session import Session
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress, TableFiles

DIFF_SCHEMA = "diff"
ROWS_FOLDER = "rows"
_NAMES_SIDES = re.compile(r"\b(baseline|candidate|diff)\b", re.IGNORECASE)
_LISTS_TABLES = re.compile(r"\b(show|describe|summarize|information_schema|duckdb_\w+)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class DiffTables:
    """The tables of a stored diff.

    Attributes:
        sides: ``baseline`` and ``candidate`` to the tables of their outputs.
        rows: The folder of the differing rows.
    """

    sides: dict[str, dict[str, TableFiles]]
    rows: Path


def find_diff_tables(
    project: Project, manifest: SampleManifest, query: str, *, which: str | None, progress: Progress
) -> DiffTables | None:
    """Return the tables of a diff, the last one by default, with its differing rows written.

    None if the query needs none: it names no schema of the diff, and lists no tables.

    Raises:
        UsageError: The diff was made with ``--no-values``, or compares with production's outputs.
        StoreError: There is no diff, or a run of it is gone or damaged.
    """
    if which is None and not names_diff(query) and _LISTS_TABLES.search(query) is None:
        return None
    stored = report(project, which=which)
    _check_diff(stored)
    return _load_tables(project, manifest, stored, progress)


def names_diff(query: str) -> bool:
    """Return whether a query may name a schema of a diff."""
    return _NAMES_SIDES.search(query) is not None


def create_diff_views(session: Session, tables: DiffTables) -> None:
    """Create the schemas ``baseline``, ``candidate`` and ``diff`` with a view for each table."""
    for side, outputs in tables.sides.items():
        session.execute(f"create schema {quote_identifier(side)}")
        for name, table in outputs.items():
            source = open_table(session, table, f"{side} {name}", doing=name)
            session.execute(f"create view {quote_identifier(side)}.{quote_identifier(name)} as select * from {source}")
    session.execute(f"create schema {DIFF_SCHEMA}")
    for name, path in _list_row_files(tables.rows):
        view = f"{DIFF_SCHEMA}.{quote_identifier(name)}"
        session.execute(f"create view {view} as select * from {build_parquet_reader([path])}")


def _list_row_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*.parquet")):
        output = path.parent.relative_to(folder).as_posix()
        yield f"{output}_{path.stem}", path


def _check_diff(stored: StoredReport) -> None:
    document = stored.document
    if not document.values:
        raise UsageError(
            f"the diff {document.id} was made with --no-values: its rows are not shown",
            hint="compare again without --no-values: sandbox diff",
        )
    if document.baseline.run is None or document.candidate.run is None:
        raise UsageError(
            f"the diff {document.id} compares with outputs of production, which it does not keep",
            hint="write the differing rows while comparing: sandbox diff --baseline-output PATH --rows DIR",
        )


def _load_tables(project: Project, manifest: SampleManifest, stored: StoredReport, progress: Progress) -> DiffTables:
    document = stored.document
    sides = {
        "baseline": _load_outputs(project, str(document.baseline.run)),
        "candidate": _load_outputs(project, str(document.candidate.run)),
    }
    rows = stored.folder / ROWS_FOLDER
    if not (rows / INDEX_FILE).is_file():
        terms = build_comparison_options(project, manifest)
        request = RowFileOptions(folder=rows)
        write_row_files(sides["baseline"], sides["candidate"], document.outputs, terms, request, progress=progress)
    return DiffTables(sides=sides, rows=rows)


def _load_outputs(project: Project, run: str) -> dict[str, TableFiles]:
    folder = project.state_folder / "runs" / run
    hint = "compare again: sandbox diff"
    try:
        record = RunRecord.read(folder / "run.json", key=load_seal_key())
    except StoreError as error:
        raise StoreError(f"the run {run} of the diff cannot be read: {error.message}", hint=hint) from error
    if damage := find_damage(folder, record):
        raise StoreError(f"the run {run} of the diff: {damage}", hint=hint)
    return list_output_tables(folder / "output", record.outputs)
