"""Classify the contents of a folder of outputs: tables, artifacts, and incomparable files.

The contents were written by unreviewed code.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.table_functions import build_objects_function, build_table_function, is_empty_text
from sandbox.errors import PipelineError, SandboxError
from sandbox.formatting import format_count
from sandbox.model import TableFiles
from sandbox.tables.database_tables import ViewEvaluation, list_database_tables
from sandbox.tables.file_formats import find_database_format
from sandbox.tables.folder_contents import list_contents, resolve_json_lines
from sandbox.tables.json_types import JSON_FORMATS, infer_json_types, render_columns_option
from sandbox.tables.table_opening import find_unlike_columns, open_table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session
    from sandbox.model import TableFormat

FORMAT_NAMES: Mapping[TableFormat, str] = {
    "parquet": "Parquet", "csv": "CSV", "jsonl": "JSON Lines", "json": "a JSON array of objects", "arrow": "Arrow IPC",
    "orc": "ORC", "duckdb": "DuckDB", "sqlite": "SQLite", "delta": "Delta", "iceberg": "Iceberg",
}  # fmt: skip
MAX_TABLES = 10_000
LAKE_FORMATS = frozenset({"delta", "iceberg"})
NO_CSV: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class ReadableTable:
    """A table that could be read, with its rows and the query engine's types of its columns."""

    files: TableFiles
    rows: int
    columns: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ArtifactFile:
    """A file that is no table; ``output`` is the table promised by its name, ``reason`` why it is none."""

    path: Path
    output: str | None = None
    reason: str | None = None


@dataclass(kw_only=True)
class FolderClassification:
    """The contents of a folder.

    Attributes:
        tables: Tables by name.
        artifacts: Files that are no tables.
        not_compared: Everything else by name, with the reason.
    """

    tables: dict[str, ReadableTable] = field(default_factory=dict)
    artifacts: list[ArtifactFile] = field(default_factory=list)
    not_compared: dict[str, str] = field(default_factory=dict)

    def add_table(self, table: ReadableTable) -> None:
        """Add a table.

        Raises:
            PipelineError: Another table has its name, or there are too many.
        """
        name = table.files.name
        if len(self.tables) >= MAX_TABLES:
            raise PipelineError(
                f"there are more than {format_count(MAX_TABLES, 'output')}",
                hint="write the parts of a table as files of one folder: NAME/part-0.parquet",
            )
        if name in self.tables:
            raise PipelineError(f"two outputs are called {name}", hint="give each output one file or one folder")
        self.tables[name] = table


def classify_folder(
    folder: Path,
    session: Session,
    *,
    named: Mapping[Path, str],
    csv: Mapping[str, Mapping[str, Any]] = NO_CSV,
    skipped: Collection[str] = (),
    views: ViewEvaluation | None = None,
) -> FolderClassification:
    """Classify every file of a folder by its content.

    Args:
        folder: The folder.
        session: Reads tables; its failure is a PipelineError.
        named: Files and folders with explicitly named tables. They must be tables.
        csv: How the CSV files of tables are written, by table, as in the settings. A named file of an unknown suffix is
            CSV if its table has an entry.
        skipped: Ignored entries of the folder.
        views: The evaluation of databases' views; None if they were not evaluated.

    Raises:
        PipelineError: Two tables have one name, the files of a table have different columns, or an entry is no plain
            file.
    """
    contents = list_contents(folder, named=named, skipped=skipped)
    texts = {path: named[path] for path in contents.others if named.get(path) in csv}
    tables = [*contents.tables, *(TableFiles(name=name, format="csv", paths=(path,)) for path, name in texts.items())]
    tables = [
        dataclasses.replace(table, csv=csv.get(table.name)) if table.format == "csv" else table for table in tables
    ]
    others = [path for path in contents.others if path not in texts]
    classification = FolderClassification(artifacts=[ArtifactFile(path=path) for path in others])
    for table in sorted(tables, key=lambda table: table.name):
        _classify_table(table, folder, session, classification, is_named=table.name in named.values())
    for above, path in contents.databases:
        _classify_database(path, above, session, classification, views)
    classification.tables = dict(sorted(classification.tables.items()))
    classification.artifacts.sort(key=lambda artifact: artifact.path)
    return classification


def classify_database(path: Path, session: Session) -> FolderClassification:
    """Classify the contents of a database file (see `classify_folder`)."""
    classification = FolderClassification()
    _classify_database(path, "", session, classification, None)
    return classification


def _classify_table(
    table: TableFiles, folder: Path, session: Session, classification: FolderClassification, *, is_named: bool
) -> None:
    doing = f"output {table.name} cannot be read"
    table, empty = _split_empty_files(table)
    try:
        if not table.paths:
            table = dataclasses.replace(table, paths=tuple(empty))
            raise PipelineError(f"{doing}: {empty[0].name} is empty")
        table = resolve_json_lines(table)
        unlike = find_unlike_columns(session, table, doing=doing)
        read = None if unlike else read_table(session, table, doing=doing)
        unlogged = _list_unlogged_files(table)
    except SandboxError as error:
        if is_named:
            raise PipelineError(
                error.message if error.message.startswith(doing) else f"{doing}: {error.message}"
            ) from error
        if table.format in LAKE_FORMATS:
            classification.not_compared[table.name] = (
                f"the {FORMAT_NAMES[table.format]} table cannot be read: {error.message}"
            )
            return
        reason = f"cannot be read as {FORMAT_NAMES[table.format]}"
        classification.artifacts += [ArtifactFile(path=path, output=table.name, reason=reason) for path in table.paths]
        return
    if read is None:
        first = table.paths[0].relative_to(folder).as_posix()
        raise PipelineError(
            f"output {table.name}: {unlike}",
            hint=f'the files of a table have the same columns; where each is a table, name it: [outputs.NAME] path = "{first}"',
        )
    left = set(table.paths).difference(unlogged)
    logged = tuple(path for path in table.paths if path in left)
    classification.add_table(dataclasses.replace(read, files=dataclasses.replace(table, paths=logged)))
    reason = f"the log of {table.name} does not name it"
    classification.artifacts += [ArtifactFile(path=path, reason=reason) for path in unlogged]
    classification.artifacts += [ArtifactFile(path=path, reason="is empty") for path in empty]


def _split_empty_files(table: TableFiles) -> tuple[TableFiles, list[Path]]:
    """Return a table without those of its files that hold neither a header nor an array, and these files."""
    if table.format not in {"csv", "json"} or table.csv is not None:
        return table, []
    empty = [path for path in table.paths if is_empty_text(path)]
    left = set(table.paths).difference(empty)
    return dataclasses.replace(table, paths=tuple(path for path in table.paths if path in left)), empty


def _list_unlogged_files(table: TableFiles) -> list[Path]:
    if table.format not in LAKE_FORMATS:
        return []
    from sandbox.tables.lake_folders import list_unlogged_files  # noqa: PLC0415 - slow to import, and rarely needed

    return list_unlogged_files(table)


def read_table(session: Session, table: TableFiles, *, doing: str) -> ReadableTable:
    """Return a table with its rows and columns.

    Raises:
        SandboxError: It is no table.
    """
    source = open_table(session, table, f"looking at {table.name}", doing=doing)
    described = session.fetch_rows(f"describe select * from {source}", doing=doing)
    [(rows,)] = session.fetch_rows(f"select count(*) from {source}", doing=doing)
    if table.format in JSON_FORMATS:
        _check_objects(session, table, doing=doing)
        _check_members(session, table, doing=doing)
    return ReadableTable(files=table, rows=int(rows), columns={name: kind for name, kind, *_ in described})


def _check_objects(session: Session, table: TableFiles, *, doing: str) -> None:
    """Check that JSON files hold only objects.

    Raises:
        PipelineError: They do not.
    """
    source = build_objects_function(table)
    [(others,)] = session.fetch_rows(
        f"select count(*) from {source} where json_type(json) is distinct from 'OBJECT'", doing=doing
    )
    if others:
        raise PipelineError(f"{doing}: it holds values that are no JSON objects")


def _check_members(session: Session, table: TableFiles, *, doing: str) -> None:
    """Check that no object of JSON files has two members of one name: readers take either.

    Raises:
        SandboxError: One does.
    """
    option = render_columns_option(infer_json_types(session, [table], doing=doing))
    session.fetch_rows(f"select bit_xor(hash(t)) from {build_table_function(table, option)} t", doing=doing)


def _classify_database(
    path: Path, above: str, session: Session, classification: FolderClassification, views: ViewEvaluation | None
) -> None:
    """Add the tables of a database; a file that is none is an artifact, unreadable tables are listed."""
    format_ = find_database_format(path)
    try:
        tables = list_database_tables(session, path, format_, above, views) if format_ else None
    except SandboxError:
        tables = None
    if tables is None:
        classification.artifacts.append(ArtifactFile(path=path, reason="cannot be read as a database"))
        return
    classification.not_compared |= {f"{path.name}:{name}": reason for name, reason in tables.views.items()}
    for table in tables.tables:
        try:
            read = read_table(session, table, doing=f"output {table.name} cannot be read")
        except SandboxError:
            classification.not_compared[f"{path.name}:{table.name}"] = "the table cannot be read"
        else:
            classification.add_table(read)
