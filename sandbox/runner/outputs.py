"""Describe the contents of a run's output folder, which was written by unreviewed code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import Session
from sandbox.errors import PipelineError
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.run import RunArtifact, RunOutput
from sandbox.runner.output_records import VIEWS_FOLDER, record_file
from sandbox.tables.classification import NO_CSV, classify_database, classify_folder
from sandbox.tables.database_tables import checkpoint_databases, list_database_files
from sandbox.tables.folder_contents import check_files_of_run, list_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from sandbox.manifest.run import OutputFile
    from sandbox.tables.classification import FolderClassification, ReadableTable
    from sandbox.tables.database_tables import ViewEvaluation

MEMORY_BYTES = 10**9


@dataclass(frozen=True, kw_only=True)
class CollectedOutputs:
    """The outputs of a run; the fields are those of the run's record (see `sandbox.manifest.run.RunRecord`)."""

    outputs: dict[str, RunOutput]
    artifacts: dict[str, RunArtifact]
    not_compared: dict[str, str]
    others: list[OutputFile]


def collect_outputs(
    folder: Path,
    *,
    paths: Mapping[str, str],
    csv: Mapping[str, Mapping[str, Any]] = NO_CSV,
    skipped: Collection[str] = (),
    evaluate_views: Callable[[Session, list[Path], Path], ViewEvaluation] | None = None,
) -> CollectedOutputs:
    """Describe everything a run left in a folder.

    Args:
        folder: The run's output folder.
        paths: The outputs named by the settings, with their files or folders relative to ``folder``.
        csv: How the CSV files of outputs are written, by output, as in the settings.
        skipped: Entries of the folder that belong to sandbox.
        evaluate_views: Writes the rows of databases' views into a folder; None reports views as not compared.

    Raises:
        PipelineError: There are no outputs, an output named by the settings cannot be read, the files of a table have
            different columns, two tables have one name, or an entry is no plain file.
    """
    with Session(memory=MEMORY_BYTES, failure=PipelineError) as reading:
        rows = folder / VIEWS_FOLDER
        if rows.exists() or rows.is_symlink():
            raise PipelineError(
                f"the run left {VIEWS_FOLDER}, which is sandbox's own name", hint="give it another name"
            )
        check_files_of_run(folder)
        databases = list_database_files(list_files(folder, skipped=skipped))
        checkpoint_databases(databases, reading)
        views = evaluate_views(reading, databases, rows) if databases and evaluate_views is not None else None
        contents = classify_folder(
            folder,
            reading,
            named={folder / path: name for name, path in paths.items()},
            csv=csv,
            skipped={*skipped, VIEWS_FOLDER},
            views=views,
        )
        _check_named_outputs(contents, paths)
        return _record_contents(contents, folder)


def classify_outputs(
    source: Path, *, paths: Mapping[str, str], csv: Mapping[str, Mapping[str, Any]] = NO_CSV
) -> FolderClassification:
    """Classify everything in a run-like output folder or a database file, without writing.

    Raises:
        PipelineError: As `collect_outputs`.
    """
    with Session(memory=MEMORY_BYTES, failure=PipelineError) as session:
        if not source.is_dir():
            return classify_database(source, session)
        named = {source / path: name for name, path in paths.items()}
        contents = classify_folder(source, session, named=named, csv=csv)
        _check_named_outputs(contents, {name: path for name, path in paths.items() if (source / path).exists()})
        return contents


def _check_named_outputs(contents: FolderClassification, paths: Mapping[str, str]) -> None:
    for name in paths:
        if name not in contents.tables:
            left = [*contents.tables, *(artifact.path.name for artifact in contents.artifacts)]
            raise PipelineError(
                f"output {name}: the run left no {paths[name]}",
                hint=f"it left {', '.join(left) or 'nothing'}; correct [outputs.{name}] path, or the pipeline",
            )


def _record_contents(contents: FolderClassification, folder: Path) -> CollectedOutputs:
    if not (contents.tables or contents.artifacts or contents.not_compared):
        raise PipelineError(
            "the run left no output",
            hint="write <name>.parquet, <name>/*.parquet or <name>.csv into the folder in $SANDBOX_OUTPUT",
        )
    outputs = {name: _record_table(table, folder) for name, table in contents.tables.items()}
    artifacts = {
        artifact.path.relative_to(folder).as_posix(): RunArtifact(
            bytes=artifact.path.stat().st_size,
            sha256=hash_file(artifact.path),
            output=artifact.output,
            reason=artifact.reason,
        )
        for artifact in contents.artifacts
    }
    recorded = {folder / file.path for output in outputs.values() for file in output.files}
    recorded |= {artifact.path for artifact in contents.artifacts}
    others = [record_file(folder, path) for path in list_files(folder) if path not in recorded]
    return CollectedOutputs(outputs=outputs, artifacts=artifacts, not_compared=contents.not_compared, others=others)


def _record_table(table: ReadableTable, folder: Path) -> RunOutput:
    files = table.files
    return RunOutput(
        format=files.format,
        rows=table.rows,
        columns=dict(table.columns),
        files=[record_file(folder, path) for path in files.paths],
        member=files.member,
        database_schema=files.schema,
        folder=None if files.folder is None else files.folder.relative_to(folder).as_posix(),
        csv=None if files.csv is None else dict(files.csv),
    )
