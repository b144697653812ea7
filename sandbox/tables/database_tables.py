"""List the tables of DuckDB and SQLite files, of every schema, and their views."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_literal
from sandbox.errors import PipelineError, SandboxError
from sandbox.model import TableFiles
from sandbox.tables.file_formats import find_database_format, is_database
from sandbox.tables.table_opening import attach_duckdb_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from sandbox.engine.duckdb.session import Session
    from sandbox.model import TableFormat

MAIN_SCHEMA = "main"
NOT_EVALUATED = "it is a view, which is evaluated only in a run"
EVALUATION_FAILED = "it is a view that could not be evaluated in the run"
LOG_SUFFIXES = (".wal", "-wal", "-journal", "-shm")
# The view of a table of the sample, as created by `sandbox.runner.programs.database` and printed by DuckDB.
_SAMPLE_VIEW_PATTERN = re.compile(
    r"CREATE VIEW \S.* AS SELECT \* FROM read_parquet\((?:main\.)?list_value\((.*)\), \(?hive_partitioning = (?:false|CAST\('f' AS BOOLEAN\))\)?\);?",
    re.DOTALL,
)
_LITERAL_PATTERN = re.compile(r"'((?:[^']|'')*)'(?:, |$)")


@dataclass(frozen=True, kw_only=True)
class DatabaseView:
    """A view of a database file."""

    schema: str
    name: str


@dataclass(kw_only=True)
class DatabaseTables:
    """The tables of a database file, and the excluded views with the reason."""

    tables: list[TableFiles] = field(default_factory=list)
    views: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SampleFolder:
    """The sample as seen by a run: its folder, and the number of files of each table."""

    path: str
    files: Mapping[str, int]

    def is_shown_by(self, view: str, sql: str) -> bool:
        """Return whether a view shows a table of the sample unchanged, like the views made by sandbox itself."""
        match = _SAMPLE_VIEW_PATTERN.fullmatch(sql.strip())
        if match is None:
            return False
        texts = _LITERAL_PATTERN.findall(match[1])
        files = {text.replace("''", "'") for text in texts}
        folders = {self._find_table(file) for file in files}
        whole = ", ".join(f"'{text}'" for text in texts) == match[1]
        [table] = folders if len(folders) == 1 else [None]
        return whole and table is not None and table.rpartition(".")[2] == view and len(files) == self.files[table]

    def _find_table(self, file: str) -> str | None:
        below = file.removeprefix(f"{self.path}/")
        table, _, name = below.partition("/")
        return table if below != file and "/" not in name and table in self.files else None


@dataclass(frozen=True, kw_only=True)
class ViewEvaluation:
    """The rows of databases' views, evaluated by the run itself.

    Attributes:
        folder: The folder of the rows, one database per file.
        root: The folder of the outputs.
        sample: The sample. Views of nothing but one of its tables are sandbox's own.
    """

    folder: Path
    root: Path
    sample: SampleFolder

    def locate_rows(self, path: Path) -> Path:
        """Return the database with the rows of the views of a database."""
        name = hashlib.sha256(path.relative_to(self.root).as_posix().encode()).hexdigest()[:16]
        return self.folder / name


def _import_sqlite() -> ModuleType:
    """Import the reader of SQLite files on demand; it is slow to import, and rarely needed."""
    return import_module("sandbox.engine.sqlite")


def checkpoint_databases(paths: list[Path], session: Session) -> None:
    """Write the logs beside databases into them, so that the file alone is the output.

    Raises:
        PipelineError: A log cannot be read or removed.
    """
    for path in paths:
        logs = [path.with_name(path.name + suffix) for suffix in LOG_SUFFIXES]
        doing = f"output {path.name} has a write-ahead log that cannot be read"
        try:
            if find_database_format(path) == "sqlite":
                _import_sqlite().checkpoint_file(str(path))
            elif any(log.exists() for log in logs):
                _checkpoint_duckdb_file(path, session)
        except SandboxError as error:
            if not any(log.exists() for log in logs):
                continue  # a file that is no database, which is an artifact
            raise PipelineError(f"{doing}: {error.message}", hint="close the connection before the run ends") from error
        if any(log.exists() and log.stat().st_size for log in logs if not log.name.endswith("-shm")):
            raise PipelineError(f"{doing}: it stays beside the file", hint="close the connection before the run ends")
        for log in logs:
            log.unlink(missing_ok=True)


def _checkpoint_duckdb_file(path: Path, session: Session) -> None:
    session.execute(f"attach {quote_literal(str(path))} as output (type duckdb)")
    try:
        session.execute("checkpoint output")
    finally:
        session.execute("detach output")


def list_views(session: Session, path: Path) -> list[tuple[DatabaseView, str]]:
    """Return the views of a database file with their SQL, which is empty for SQLite.

    Raises:
        SandboxError: The file cannot be read.
    """
    if find_database_format(path) == "sqlite":
        sqlite = _import_sqlite()
        names = sqlite.list_views(sqlite.SQLiteSnapshot(str(path)))
        return [(DatabaseView(schema=MAIN_SCHEMA, name=name), "") for name in names]
    alias = _attach(session, path)
    rows = session.fetch_rows(
        "select schema_name, view_name, coalesce(sql, '') from duckdb_views() where database_name = ? and not internal "
        "order by all",
        [alias],
    )
    return [(DatabaseView(schema=schema, name=name), sql) for schema, name, sql in rows]


def list_database_tables(
    session: Session, path: Path, format_: TableFormat, above: str, views: ViewEvaluation | None
) -> DatabaseTables:
    """Return the tables of a database file, evaluated views among them.

    Raises:
        SandboxError: The file cannot be read.
    """
    result = DatabaseTables(
        tables=[_build_table(path, format_, above, *entry) for entry in _list_tables(session, path)]
    )
    evaluated = set()
    rows = views.locate_rows(path) if views else None
    if rows is not None and rows.is_file() and not rows.is_symlink():
        with contextlib.suppress(SandboxError):
            evaluated = set(_list_tables(session, rows))
    for view, sql in list_views(session, path):
        if views is not None and views.sample.is_shown_by(view.name, sql):
            continue
        name = _format_name(view.schema, view.name)
        if rows is not None and (view.schema, view.name) in evaluated:
            result.tables.append(_build_table(rows, format_, above, view.schema, view.name))
        else:
            result.views[name] = NOT_EVALUATED if views is None else EVALUATION_FAILED
    return result


def _list_tables(session: Session, path: Path) -> list[tuple[str, str]]:
    if find_database_format(path) == "sqlite":
        sqlite = _import_sqlite()
        tables = sqlite.list_declared_tables(sqlite.SQLiteSnapshot(str(path)))
        return [(table.schema, table.table) for table in tables]
    alias = _attach(session, path)
    rows = session.fetch_rows(
        "select schema_name, table_name from duckdb_tables() where database_name = ? and not internal order by all",
        [alias],
    )
    return [(schema, name) for schema, name in rows]


def _attach(session: Session, path: Path) -> str:
    table = TableFiles(name=path.name, format="duckdb", paths=(path,))
    alias = attach_duckdb_file(session, table, doing=f"output {path.name} cannot be read")
    return alias.strip('"')


def _build_table(path: Path, format_: TableFormat, above: str, schema: str, name: str) -> TableFiles:
    shown = above + _format_name(schema, name)
    return TableFiles(name=shown, format=format_, paths=(path,), member=name, schema=schema)


def _format_name(schema: str, name: str) -> str:
    return name if schema == MAIN_SCHEMA else f"{schema}.{name}"


def list_database_files(files: Iterator[Path]) -> list[Path]:
    """Return the files with the first bytes of a database."""
    return [file for file in files if is_database(file.name) and find_database_format(file) is not None]
